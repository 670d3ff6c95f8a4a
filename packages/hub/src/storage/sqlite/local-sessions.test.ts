import { chmodSync, readdirSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/temporary-folder.ts'
import { openConnection, type SqliteConnection } from './connection.ts'
import { localSessions, type LocalSessions } from './local-sessions.ts'

interface Site extends AsyncDisposable {
  readonly connection: SqliteConnection
  readonly sessions: LocalSessions
  /** The rows that another connection sees: only committed ones. */
  committed(): unknown[]
  /** The statements that ran, in order. */
  readonly run: string[]
}

async function open(): Promise<Site> {
  const folder = await temporaryFolder()
  const file = `${folder.path}/test.db`
  const connection = openConnection({ file, readOnly: false })
  connection.run('CREATE TABLE t (n INTEGER PRIMARY KEY)', [])
  const other = openConnection({ file, readOnly: true })
  const run: string[] = []
  const watched: SqliteConnection = {
    ...connection,
    run(sql, parameters) {
      run.push(sql)
      return connection.run(sql, parameters)
    },
  }
  const sessions = localSessions(watched)
  return {
    connection,
    sessions,
    committed: () => other.run('SELECT n FROM t ORDER BY n', []).rows.map((row) => (row as { n: number }).n),
    run,
    async [Symbol.asyncDispose]() {
      other.close()
      await sessions.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

const insert =
  (n: number) =>
  (connection: SqliteConnection): number => {
    connection.prepare('INSERT INTO t VALUES (?)').run(n)
    return n
  }

test('every connection commits with fsync', async () => {
  await using site = await open()
  expect(site.connection.run('PRAGMA synchronous', []).rows).toEqual([{ synchronous: 2 }]) // FULL
  expect(site.connection.run('PRAGMA journal_mode', []).rows).toEqual([{ journal_mode: 'wal' }])
})

test('the database is readable by its owner only, also in a folder that is open to others', async () => {
  await using folder = await temporaryFolder()
  chmodSync(folder.path, 0o755)
  const connection = openConnection({ file: `${folder.path}/test.db`, readOnly: false })
  connection.run('CREATE TABLE t (n INTEGER PRIMARY KEY)', [])
  const modes = readdirSync(folder.path).map((name) => [
    name,
    (statSync(`${folder.path}/${name}`).mode & 0o777).toString(8),
  ])
  connection.close()
  expect(Object.fromEntries(modes)).toEqual({ 'test.db': '600', 'test.db-shm': '600', 'test.db-wal': '600' })
})

test('work that follows closely shares one commit, and resolves only after it', async () => {
  await using site = await open()
  const works = [1, 2, 3].map(async (n) => {
    await site.sessions.exclusively(insert(n))
    return site.committed()
  })
  expect(await Promise.all(works)).toEqual([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ])
  expect(site.run.filter((sql) => sql === 'COMMIT')).toHaveLength(1)
})

test('failed work undoes only itself', async () => {
  await using site = await open()
  const results = await Promise.allSettled([
    site.sessions.exclusively(insert(1)),
    site.sessions.exclusively((connection) => {
      insert(2)(connection)
      return insert(1)(connection)
    }),
    site.sessions.exclusively(insert(3)),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: { name: 'SqlError', code: 'SQLITE_CONSTRAINT_PRIMARYKEY' } })
  expect(site.committed()).toEqual([1, 3])
})

test('a failed commit fails all work in it and keeps nothing, and later work goes on', async () => {
  await using site = await open()
  site.connection.run('CREATE TABLE parent (id INTEGER PRIMARY KEY)', [])
  site.connection.run(
    'CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)',
    [],
  )
  const results = await Promise.allSettled([
    site.sessions.exclusively(insert(1)),
    site.sessions.exclusively((connection) => connection.prepare('INSERT INTO child VALUES (7)').run()),
  ])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(site.committed()).toEqual([])
  await site.sessions.exclusively(insert(2))
  expect(site.committed()).toEqual([2])
})

test('a transaction of several statements has the connection to itself', async () => {
  await using site = await open()
  const session = site.sessions.open()
  await session.begin()
  await session.run('INSERT INTO t VALUES (1)', [])
  const other = site.sessions.exclusively(
    (connection) => connection.run('SELECT count(*) AS c FROM t', []).rows,
  )
  await session.run('INSERT INTO t VALUES (2)', [])
  await session.rollback()
  expect(await other).toEqual([{ c: 0 }])
})

test('the write-ahead log is emptied between pieces of work, outside transactions', async () => {
  await using site = await open()
  const works = [1, 2, 3].map((n) => site.sessions.exclusively(insert(n)))
  const emptied = site.sessions.outside((connection) => [connection.emptyLog(), site.committed()])
  works.push(site.sessions.exclusively(insert(4)))
  expect(await emptied).toEqual([true, [1, 2, 3, 4]])
  await Promise.all(works)
})

test('an endless queue does not delay the first answer for ever', async () => {
  await using site = await open()
  const works = Array.from({ length: 100 }, (_, n) => site.sessions.exclusively(insert(n)))
  await works[0]
  expect(site.committed().length).toBeLessThan(100)
  await Promise.all(works)
  expect(site.committed()).toHaveLength(100)
})
