import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { temporaryFolder } from '../temporary-folder.ts'

interface LogPage {
  readonly users: readonly string[]
  readonly next: string
}

/** What a page says of users that were loaded, and where the next one begins. */
async function readLog(hub: TestHub, path: string): Promise<LogPage> {
  const answer = await hub.api('GET', path)
  expect(answer.status).toBe(200)
  const next = /<([^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1] ?? ''
  const entries = (await answer.json()) as { eventType: string; target: { alternateId: string }[] }[]
  const loaded = entries.filter(({ eventType }) => eventType === 'watchbell.subject.load')
  return { users: loaded.map(({ target }) => target[0]?.alternateId ?? ''), next: new URL(next).search }
}

async function load(hub: TestHub, logins: readonly string[]): Promise<void> {
  for (const login of logins) {
    const answer = await hub.api('POST', '/v1/subjects', { kind: 'user', login, emails: [], identifiers: [] })
    expect(answer.status).toBe(201)
  }
}

test('whoever reads the log by its cursor misses nothing when the database was restored from a backup', async () => {
  await using folder = await temporaryFolder()
  await using restored = await temporaryFolder()
  {
    await using hub = await startTestHub({ folder: folder.path, threads: true })
    await load(hub, ['before'])
  }
  for (const file of ['watchbell.db', 'secret.key']) {
    await copyFile(join(folder.path, file), join(restored.path, file))
  }
  let next: string
  {
    await using hub = await startTestHub({ folder: folder.path, threads: true })
    await load(hub, ['lost-1', 'lost-2', 'lost-3'])
    const page = await readLog(hub, '/api/v1/logs?limit=1000')
    expect(page.users.toSorted()).toEqual(['before', 'lost-1', 'lost-2', 'lost-3'])
    ;({ next } = page)
  }
  await using hub = await startTestHub({ folder: restored.path, threads: true })
  await load(hub, ['after-1', 'after-2'])
  const { users } = await readLog(hub, `/api/v1/logs${next}`)
  expect(users).toEqual(['after-1', 'after-2'])
})
