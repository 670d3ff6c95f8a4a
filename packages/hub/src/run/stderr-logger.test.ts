import { closeSync, existsSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { stderrLogger } from './stderr-logger.ts'

test.runIf(existsSync('/dev/full'))('a log that cannot be written throws at nobody', () => {
  const full = openSync('/dev/full', 'w')
  try {
    const logger = stderrLogger({ level: 'info', to: full })
    for (let line = 0; line < 3; line += 1)
      expect(() => logger.info({ line }, 'there is no room for this')).not.toThrow()
  } finally {
    closeSync(full)
  }
})

async function lines(format: 'json' | 'text'): Promise<string> {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'log')
  const to = openSync(file, 'w')
  const logger = stderrLogger({ level: 'info', format, to })
  logger.debug({}, 'not told')
  logger.warn({ code: 'set.malformed', count: 2, note: 'a b\n\u001b[31m' }, 'what\nhappened')
  logger.error({ err: new Error('no room') }, 'it failed')
  closeSync(to)
  return readFile(file, 'utf8')
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

test('as JSON it has an object on each line, with the time in ISO 8601', async () => {
  const told = (await lines('json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(told).toMatchObject([
    { time: expect.stringMatching(isoTime), level: 40, msg: 'what\nhappened', code: 'set.malformed' },
    { time: expect.stringMatching(isoTime), level: 50, err: { message: 'no room' } },
  ])
})

test('as text it has one line for each, which steers no terminal', async () => {
  const told = (await lines('text')).trimEnd().split('\n')
  expect(told).toHaveLength(2)
  expect(told[0]).toMatch(
    /^\d{4}-\S+Z WARN {2}what\uFFFDhappened code=set\.malformed count=2 note="a b\\n\\u001b\[31m"$/,
  )
  expect(told[1]).toMatch(/^\S+Z ERROR it failed err=\{"type":"Error","message":"no room"/)
})
