import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { expect, test } from 'vitest'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { openPool, sessionSettings, type PoolOptions } from '../../src/storage/postgres/pool.ts'
import { provider, set } from '../contract/signal-store.ts'
import { temporaryDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

const applicationName = 'watchbell test'

/** A role whose defaults are the opposite of what our promises rest on. */
async function contraryRole(): Promise<{ readonly url: string } & AsyncDisposable> {
  const database = await temporaryDatabase()
  const role = `watchbell_test_${randomBytes(8).toString('hex')}`
  await runOn(database.url, `CREATE ROLE ${role} LOGIN`)
  const [{ known } = {}] = await runOn(
    database.url,
    `SELECT count(*)::int AS known FROM pg_settings WHERE name = 'transaction_timeout'`,
  )
  for (const setting of [
    'synchronous_commit = off',
    `default_transaction_isolation = 'serializable'`,
    'statement_timeout = 1234',
    'lock_timeout = 1234',
    'idle_in_transaction_session_timeout = 0',
    ...(known === 1 ? [`transaction_timeout = '1h'`] : []),
    'jit = on',
    `timezone = 'Asia/Tokyo'`,
  ]) {
    await runOn(database.url, `ALTER ROLE ${role} SET ${setting}`)
  }
  const url = new URL(database.url)
  url.username = role
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await runOn(database.url, `DROP ROLE ${role}`)
      await database[Symbol.asyncDispose]()
    },
  }
}

const ours = {
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  transaction_isolation: 'read committed',
  idle_in_transaction_session_timeout: '10s',
  jit: 'off',
  timezone: 'UTC',
}
const limited = { ...ours, statement_timeout: '30s', lock_timeout: '15s' }
const unlimited = { ...ours, statement_timeout: '0', lock_timeout: '0' }

const show = async (
  names: readonly string[],
  run: (sql: string) => Promise<readonly unknown[]>,
): Promise<object> => {
  const shown = names.map((name) => `current_setting('${name}', true) AS ${name}`).join(', ')
  const [row] = await run(`SELECT ${shown}`)
  return row as object // one row, as the statement has it
}

test.each<readonly [string, Partial<PoolOptions>, object]>([
  ['for requests', {}, limited],
  ['that appends', { joinsBatches: true }, limited],
  ['for migrations and transfers', { patient: true }, unlimited],
])('a pool %s has our settings, whatever the defaults of the role are', async (_pool, options, settings) => {
  await using role = await contraryRole()
  const pool = openPool({ url: role.url, connectionsMax: 1, applicationName, ...options })
  try {
    const names = Object.keys(settings)
    const run = async (sql: string) => (await pool.run((connection) => connection.run(sql, []))).rows
    expect(await show(names, run)).toEqual(settings)
    const inside = await pool.transaction((connection) =>
      show(names, async (sql) => (await connection.run(sql, [])).rows),
    )
    expect(inside).toEqual(settings)
  } finally {
    await pool.close()
  }
})

test('a patient transaction may last for as long as it takes', async () => {
  await using role = await contraryRole()
  const pool = openPool({ url: role.url, connectionsMax: 1, applicationName, patient: true })
  try {
    for (const _ of ['a new connection', 'the same one again']) {
      const run = async (sql: string) => (await pool.run((connection) => connection.run(sql, []))).rows
      // Servers before 17 have no such limit.
      expect(['0', null]).toContain(Object.values(await show(['transaction_timeout'], run))[0])
    }
  } finally {
    await pool.close()
  }
})

test('of a storage both pools are counted, that of requests and that which appends', async () => {
  await using database = await temporaryDatabase()
  await using storage = await openPostgres({ url: database.url, connectionsMax: 2, migrateAt: new Date() })
  expect(storage.poolStats()).toEqual({ total: 0, idle: 0, waiting: 0 })
  const sender = provider('idp')
  await storage.stores.providers.insert(sender)
  expect(storage.poolStats()).toEqual({ total: 1, idle: 1, waiting: 0 })
  await storage.stores.signals.append([set(sender, 'a')])
  expect(storage.poolStats()).toEqual({ total: 2, idle: 2, waiting: 0 })
})

test('the connection that listens has our settings too', async () => {
  await using role = await contraryRole()
  const client = new pg.Client(sessionSettings(role.url, applicationName))
  await client.connect()
  try {
    expect(await show(Object.keys(ours), async (sql) => (await client.query<object>(sql)).rows)).toEqual(ours)
  } finally {
    await client.end()
  }
})
