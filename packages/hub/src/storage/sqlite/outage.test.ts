import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/temporary-folder.ts'
import { fromSqliteError } from './outage.ts'
import { openSqliteInThread } from './in-thread.ts'
import { SqlError } from '../sql/sql-sessions.ts'

test('a full disk is an outage (503) that undoes the change, and writing goes on when there is room', async () => {
  await using folder = await temporaryFolder()
  const { storage, sessions } = await openSqliteInThread(folder.path, new Date())
  await using _closing = storage
  const session = sessions.open()
  const { rows } = await session.run('PRAGMA page_count', [])
  const [{ page_count: pages }] = rows as [{ page_count: number }] // the pragma returns one row
  await session.run(`PRAGMA max_page_count = ${pages}`, []) // makes SQLite report a full disk
  const wide = (at: number) => ({
    id: `app-${at}`,
    name: 'x'.repeat(20_000),
    role: 'admin' as const,
    createdAt: new Date(0),
    lastUsedAt: undefined,
    expiresAt: undefined,
    revokedAt: undefined,
  })
  const insertTwo = () =>
    storage.transaction(async ({ apiTokens }) => {
      await apiTokens.insert({ ...wide(1), name: 'narrow' }, 'hash-1')
      await apiTokens.insert(wide(2), 'hash-2')
    })

  await expect(insertTwo()).rejects.toMatchObject({ code: 'hub.unavailable', cause: { code: 'SQLITE_FULL' } })
  expect(await storage.stores.apiTokens.find('app-1')).toBeUndefined()

  await session.run('PRAGMA max_page_count = 1000000', [])
  await insertTwo()
  expect(await storage.stores.apiTokens.find('app-2')).toBeDefined()
})

test('a mistake in a statement, or a constraint, is no outage', () => {
  for (const code of ['SQLITE_ERROR', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CORRUPT']) {
    const error = new SqlError(code, 'said so')
    expect(fromSqliteError(error)).toBe(error)
  }
})
