import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { realWorld } from '../../src/base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { createHandler, paceOverConnections } from '../../src/handling/handler.ts'
import { journaled } from '../../src/journal/journal.ts'
import { createRiskRules } from '../../src/risk/risk-rules.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { databaseFile, openConnection } from '../../src/storage/sqlite/connection.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import type { Storage } from '../../src/stores.ts'
import { temporaryDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { acceptedSet, idp, openWithProvider } from '../ingest/stored-sets.ts'

const world = realWorld(globalThis.fetch)
const handlerOf = (storage: Pick<Storage, 'stores' | 'transaction'>) =>
  createHandler({
    storage: journaled(storage, world),
    world,
    logger: silentLogger,
    rules: createRiskRules([]),
    origin: 'https://hub.example',
    ignoreUnknownUsers: false,
    pace: paceOverConnections,
  })
const signal = new AbortController().signal

const outcomes = async ({ stores }: Pick<Storage, 'stores'>): Promise<Record<string, string>> => {
  const { signals } = await stores.signals.list({ limit: 100 })
  return Object.fromEntries(signals.map(({ jti, outcome }) => [jti, outcome]))
}

describe('a poisoned signal', () => {
  test('that cannot be worked out is set aside with its error at once, and the rest goes on', async () => {
    await using database = await openWithProvider()
    const { storage } = database
    const unreadable = [null] as unknown as readonly SecurityEvent[] // what no version of ours writes
    await storage.stores.signals.append([
      acceptedSet('before'),
      acceptedSet('poisoned', unreadable),
      acceptedSet('after'),
    ])
    await using handler = handlerOf(storage)
    expect(await handler.runOnce(signal)).toBe(3)
    expect(await handler.runOnce(signal)).toBe(0)
    expect(
      await storage.db.selectFrom('signal_failures').select(['sequence', 'error']).execute(),
    ).toMatchObject([{ sequence: 2, error: expect.stringContaining('TypeError') }])
    expect(await storage.stores.signals.counts()).toMatchObject({ accepted: 3, pending: 0, failed: 1 })
  })

  test('that the database will not take is tried again, alone, then set aside, and the rest goes on', async () => {
    await using database = await openWithProvider()
    const { storage, sessions } = database
    await sessions.exclusively((connection) =>
      connection.run(
        `CREATE TRIGGER poison BEFORE INSERT ON log_events WHEN NEW.event LIKE '%poisoned@example.com%'
         BEGIN SELECT RAISE(ABORT, 'no room for this one'); END`,
        [],
      ),
    )
    await storage.stores.signals.append(['before', 'poisoned', 'after'].map((jti) => acceptedSet(jti)))
    await using handler = handlerOf(storage)
    expect(await handler.runOnce(signal)).toBe(1)
    expect(await outcomes(storage)).toEqual({ before: 'handled', poisoned: 'pending', after: 'pending' })
    for (let attempt = 1; attempt < 5; attempt += 1) {
      await expect(handler.runOnce(signal)).rejects.toThrow('no room for this one')
    }
    expect(await handler.runOnce(signal)).toBe(1)
    expect(await outcomes(storage)).toEqual({ before: 'handled', poisoned: 'failed', after: 'pending' })
    expect(await handler.runOnce(signal)).toBe(1)
    expect(await outcomes(storage)).toEqual({ before: 'handled', poisoned: 'failed', after: 'handled' })
    const logged = await storage.db.selectFrom('log_events').select('event_type').execute()
    expect(logged.filter(({ event_type }) => event_type.endsWith('.receive_event'))).toHaveLength(2)
  })

  test('is not blamed for a fault that passes', async () => {
    await using database = await openWithProvider()
    const { storage, sessions } = database
    const full = (on: boolean) =>
      sessions.exclusively((connection) =>
        connection.run(
          on
            ? `CREATE TRIGGER full BEFORE INSERT ON log_events BEGIN SELECT RAISE(ABORT, 'full'); END`
            : 'DROP TRIGGER full',
          [],
        ),
      )
    await storage.stores.signals.append([acceptedSet('one')])
    await using handler = handlerOf(storage)
    await full(true)
    await expect(handler.runOnce(signal)).rejects.toThrow('full')
    await full(false)
    expect(await handler.runOnce(signal)).toBe(1)
    expect(await outcomes(storage)).toEqual({ one: 'handled' })
  })
})

/** A storage with the provider {@link idp}, that somebody else breaks and mends. */
interface Breakable extends AsyncDisposable {
  readonly storage: Pick<Storage, 'stores' | 'transaction'>
  /** Takes the System Log away, as an accident at the installation would. */
  breakIt(): Promise<unknown>
  mendIt(): Promise<unknown>
}

async function breakableSqlite(): Promise<Breakable> {
  const folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, new Date(0))
  await storage.stores.providers.insert(idp)
  const another = openConnection({ file: databaseFile(folder.path), readOnly: false })
  return {
    storage,
    breakIt: async () => another.run('ALTER TABLE log_events RENAME TO lost', []),
    mendIt: async () => another.run('ALTER TABLE lost RENAME TO log_events', []),
    async [Symbol.asyncDispose]() {
      another.close()
      await storage[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function breakablePostgres(): Promise<Breakable> {
  const database = await temporaryDatabase()
  const role = `watchbell_test_${randomBytes(8).toString('hex')}`
  await runOn(database.url, `CREATE ROLE ${role} LOGIN`)
  await runOn(database.url, `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)
  await runOn(database.url, `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}`)
  const url = new URL(database.url)
  url.username = role
  const storage = await openPostgres({ url: url.href, connectionsMax: 3 })
  await storage.stores.providers.insert(idp)
  return {
    storage,
    breakIt: () => runOn(database.url, `REVOKE INSERT ON log_events FROM ${role}`),
    mendIt: () => runOn(database.url, `GRANT INSERT ON log_events TO ${role}`),
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await runOn(database.url, `DROP OWNED BY ${role}`)
      await runOn(database.url, `DROP ROLE ${role}`)
      await database[Symbol.asyncDispose]()
    },
  }
}

test.each([
  ['SQLite', 'a table is missing', breakableSqlite],
  ['PostgreSQL', 'a right is missing', breakablePostgres],
] as const)(
  'on %s no signal is blamed because %s: all wait until that is mended, and are handled once',
  async (_database, _fault, open) => {
    await using opened = await open()
    const { storage } = opened
    await storage.stores.signals.append(['one', 'two', 'three'].map((jti) => acceptedSet(jti)))
    await using handler = handlerOf(storage)
    await opened.breakIt()
    for (let attempt = 0; attempt < 7; attempt += 1) {
      await expect(handler.runOnce(signal)).rejects.toMatchObject({ blamesData: false })
    }
    expect(await storage.stores.signals.counts()).toMatchObject({ pending: 3, failed: 0 })
    await opened.mendIt()
    while ((await handler.runOnce(signal)) > 0);
    expect(await storage.stores.signals.counts()).toMatchObject({ pending: 0, failed: 0 })
    const position = { order: 'persisted', after: 0 } as const
    const entries = await storage.stores.systemLog.page({ position, eventTypes: undefined, limit: 100 })
    expect(entries.filter(({ event }) => event?.eventType.endsWith('.receive_event'))).toHaveLength(3)
  },
)
