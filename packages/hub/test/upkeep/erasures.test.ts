import { judgeOf } from '../known-sources.ts'
import { statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { realWorld } from '../../src/base/world.ts'
import { createErasures } from '../../src/upkeep/erasures.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import { databaseFile } from '../../src/storage/sqlite/connection.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import { userStatement } from '../contract/user-statement.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const admin = { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined }

test('an erasure is not finished while somebody still reads what was overwritten, and remembers no name meanwhile', async () => {
  await using folder = await temporaryFolder()
  const world = realWorld(globalThis.fetch)
  const { storage } = await openSqliteInThread(folder.path, world.now())
  await using _storage = storage
  await using erasures = createErasures({ storage, world, logger: silentLogger })
  const turn = (): Promise<number> => erasures.worker.runOnce(new AbortController().signal)
  const identifier = 'user:email:zora@example.com'
  await storage.transaction(({ subjects, risk }) =>
    applyStatements(
      {
        subjects,
        risk,
        world,
        judge: judgeOf('sse1'),
        origin: 'https://hub.example',
        ignoreUnknownUsers: false,
      },
      [userStatement(1, [identifier])],
    ),
  )
  const [node] = await storage.stores.subjects.resolve([identifier])

  const reader = new Database(databaseFile(folder.path), { readonly: true })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM identifiers').get()
  expect(await erasures.erase(node?.id ?? '', admin)).toBe('under_way')
  expect(await turn()).toBe(0)
  const left = await storage.stores.erasures.next()
  expect(left).toMatchObject({ place: 'files' })
  expect(JSON.stringify(left)).not.toContain('zora')
  const logBytes = (): number => statSync(`${databaseFile(folder.path)}-wal`).size
  expect(logBytes()).toBeGreaterThan(100_000)

  reader.exec('COMMIT')
  while ((await turn()) > 0);
  expect(await storage.stores.erasures.next()).toBeUndefined()
  expect(logBytes()).toBeLessThan(100_000)
  reader.close()
})
