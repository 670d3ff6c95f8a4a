import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'

const demo = fileURLToPath(new URL('../../../../scripts/demo.ts', import.meta.url))

function start(folder: string, ...args: readonly string[]) {
  return spawn(process.execPath, [demo, ...args], { env: { ...process.env, TMPDIR: folder } })
}

test('npm run demo -- --exit: everything comes out as it should, and nothing is left behind', async () => {
  await using folder = await temporaryFolder()
  const child = start(folder.path, '--exit')
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toContain('All 21 came out as they should')
  expect(stdout).toContain('all 3 sign-ins were answered as they should be')
  expect(stdout).toMatch(/ALLOW +NONE +lin@example.com from 198\.51\.100\.7/)
  expect(stdout).toMatch(
    /CHALLENGE +MEDIUM +lin@example.com from 203\.0\.113\.20.*\n +Demo risk provider says MEDIUM of the address/,
  )
  expect(stdout).toMatch(
    /DENY +HIGH +lin@example.com from 203\.0\.113\.66.*\n +Demo risk provider says HIGH of the address/,
  )
  expect(await readdir(folder.path)).toEqual([])
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  'left running, %s ends it with everything it started',
  async (signal) => {
    await using folder = await temporaryFolder()
    const child = start(folder.path)
    const closed = once(child, 'close')
    let stdout = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      stdout += String(chunk)
      if (stdout.includes('npm run watchbell -- signals --follow')) break
    }
    const [, origin, token] = /WATCHBELL_URL=(\S+) WATCHBELL_TOKEN=(\S+)/.exec(stdout) ?? []
    const signals = `${origin}/v1/signals`
    expect((await fetch(signals, { headers: { authorization: `SSWS ${token}` } })).status).toBe(200)
    child.kill(signal)
    expect(await closed).toEqual([0, null])
    await expect(fetch(signals)).rejects.toThrow('fetch failed')
    expect(await readdir(folder.path)).toEqual([])
  },
)
