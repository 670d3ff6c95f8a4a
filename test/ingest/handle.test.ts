import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { realWorld } from '../../src/base/world.ts'
import type { SecurityEvent } from '../../src/events/security-event.ts'
import { createHandler, paceOverConnections } from '../../src/ingest/handle.ts'
import { createRiskRules } from '../../src/risk/risk-rules.ts'
import type { Storage } from '../../src/stores.ts'
import { acceptedSet, openWithProvider } from './stored-sets.ts'

const world = realWorld(globalThis.fetch)
const handlerOf = (storage: Pick<Storage, 'stores' | 'transaction'>) =>
  createHandler({
    storage,
    world,
    logger: silentLogger,
    rules: createRiskRules([]),
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
