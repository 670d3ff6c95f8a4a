import { Client } from 'pg'
import { expect, test, vi } from 'vitest'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { provider, set } from '../contract/signal-store.ts'
import { temporaryDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

const patience = { timeout: 20_000, interval: 50 }
/** Any that the hub does not use. */
const otherLock = 77

/** A session as a hub has it, unless it is said whose it is. */
async function openSession(url: string, application = 'watchbell') {
  const client = new Client({ connectionString: url, application_name: application })
  client.on('error', () => undefined) // the server ends some of them
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return {
    pid: rows[0]?.pid,
    run: async (sql: string) => client.query(sql),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

async function openHere() {
  const database = await temporaryDatabase()
  const ended: number[] = []
  const storage = await openPostgres({
    url: database.url,
    connectionsMax: 3,
    migrateAt: new Date(),
    onEnded: (pids) => ended.push(...pids),
  })
  const idp = provider('idp')
  await storage.stores.providers.insert(idp)
  return {
    ended,
    url: database.url,
    append: () => storage.stores.signals.append([set(idp, 'held')]),
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

test('a session that is idle in a transaction and holds up an append is ended', async () => {
  await using hub = await openHere()
  await using idle = await openSession(hub.url)
  await idle.run('BEGIN')
  await idle.run('LOCK TABLE signal_keys IN SHARE MODE')

  expect(await hub.append()).toEqual(['stored'])
  expect(hub.ended).toEqual([idle.pid])
  await expect(idle.run('COMMIT')).rejects.toThrow(/terminat|connection/i)
})

test('a session of another program is waited for', async () => {
  await using hub = await openHere()
  await using other = await openSession(hub.url, 'psql')
  await using idle = await openSession(hub.url)
  for (const session of [other, idle]) {
    await session.run('BEGIN')
    await session.run('LOCK TABLE signal_keys IN SHARE MODE')
  }
  const appended = hub.append()
  await vi.waitFor(() => expect(hub.ended).toEqual([idle.pid]), patience)
  await other.run('COMMIT')
  expect(await appended).toEqual(['stored'])
})

test('a session that works is waited for, and the idle one that it waits for is ended', async () => {
  await using hub = await openHere()
  await using idle = await openSession(hub.url)
  await using works = await openSession(hub.url)
  await idle.run('BEGIN')
  await idle.run(`SELECT pg_advisory_xact_lock(${otherLock})`)
  const work = works.run(
    `BEGIN; LOCK TABLE signal_keys IN SHARE MODE; SELECT pg_advisory_xact_lock(${otherLock}); COMMIT`,
  )
  const isWaiting = `SELECT 1 FROM pg_stat_activity WHERE pid = ${works.pid} AND wait_event_type = 'Lock'`
  await vi.waitUntil(async () => (await runOn(hub.url, isWaiting)).length > 0, patience)

  expect(await hub.append()).toEqual(['stored'])
  await work
  expect(hub.ended).toEqual([idle.pid])
})

test('an idle session that nobody waits for stays', async () => {
  await using hub = await openHere()
  await using holds = await openSession(hub.url)
  await using bystander = await openSession(hub.url)
  await bystander.run('BEGIN')
  await bystander.run('LOCK TABLE refusals IN SHARE MODE')
  await holds.run('BEGIN')
  await holds.run('LOCK TABLE signal_keys IN SHARE MODE')

  expect(await hub.append()).toEqual(['stored'])
  expect(hub.ended).toEqual([holds.pid])
  await bystander.run('COMMIT')
})

test('a transaction that was the first of a week does not hold up the first append of that week', async () => {
  await using hub = await openHere()
  await using idle = await openSession(hub.url)
  await using appends = await openSession(hub.url)
  const next = `(SELECT (pg_sequence_last_value('arrivals') >> 32) + 1)`
  await hub.append()
  await idle.run('BEGIN')
  await idle.run(`SELECT reach_week('log_events_sequence_seq', ${next})`)

  await appends.run(`SET lock_timeout = '10s'`)
  const { rows } = await appends.run(`SELECT reach_week('arrivals', ${next}) AS is_reached`)
  expect(rows).toEqual([{ is_reached: true }])
  await idle.run('ROLLBACK')
})
