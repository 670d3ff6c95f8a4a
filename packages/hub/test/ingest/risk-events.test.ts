import { expect, test } from 'vitest'
import type { Actor } from '../../src/base/actor.ts'
import { realWorld } from '../../src/base/world.ts'
import { createRiskEvents, type RiskEvents } from '../../src/risk/risk-events.ts'
import { journaled } from '../../src/journal/journal.ts'
import type { RiskStore } from '../../src/risk/risk-store.ts'
import type { Storage } from '../../src/stores.ts'
import { openTemporarySqlite } from '../contract/open-sqlite.ts'

const world = realWorld(globalThis.fetch)
const by = { id: 'client', type: 'PublicClientApp', displayName: 'client' } as unknown as Actor // enough of one for the log
const poison = 'a row that the database will not take'
const event = (ip: string, message?: string) => ({
  timestamp: undefined,
  expiresAt: undefined,
  subjects: [{ ip, identifier: `address:${ip}`, level: 'HIGH' as const, message }],
})

/** Over a real database, which refuses the poison. */
async function open(storage: Storage): Promise<RiskEvents & { readonly commits: number }> {
  const at = world.now()
  const actions = { first: 'enforce_and_log', second: 'log_only', third: 'none' } as const
  for (const [clientId, action] of Object.entries(actions)) {
    await storage.stores.riskProviders.insert({
      id: clientId,
      name: clientId,
      clientId,
      action,
      createdAt: at,
      updatedAt: at,
    })
  }
  let commits = 0
  const { transaction } = journaled(storage, world)
  const events = createRiskEvents({
    world,
    origin: 'https://hub.example',
    transaction: (work) =>
      transaction(async ({ stores, journal }) => {
        const writeReasons: RiskStore['writeReasons'] = async (reasons) => {
          if (reasons.some(({ reason }) => reason.message === poison)) throw new Error(poison)
          await stores.risk.writeReasons(reasons)
        }
        const result = await work({ stores: { ...stores, risk: { ...stores.risk, writeReasons } }, journal })
        commits += 1
        return result
      }),
  })
  return {
    consume: (...request) => events.consume(...request),
    get commits() {
      return commits
    },
  }
}

test('requests that come together share commits; each is taken whole, in its provider’s name (OKTA-V10, OKTA-V18, OKTA-V19)', async () => {
  await using storage = await openTemporarySqlite()
  const riskEvents = await open(storage)
  const clients = ['first', 'second', 'third', 'stranger', undefined]
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, at) =>
      riskEvents.consume(clients[at % 5], [event(`203.0.113.${at % 20}`), event(`198.51.100.${at}`)], by),
    ),
  )
  expect(outcomes.map((outcome) => outcome.status === 'fulfilled')).toEqual(
    outcomes.map((_, at) => at % 5 < 3),
  )
  expect(riskEvents.commits).toBeLessThan(10)
  expect(await storage.stores.riskProviders.counts()).toEqual(
    new Map([
      ['first', { taken: 40, ignored: 0 }],
      ['second', { taken: 40, ignored: 0 }],
      ['third', { taken: 0, ignored: 40 }],
    ]),
  )
  const logged = await storage.stores.systemLog.page({
    position: { order: 'persisted', since: new Date(0) },
    eventTypes: ['security.risk.signal.consume'],
    limit: 1_000,
  })
  expect(logged).toHaveLength(80)
})

test('a request that cannot be stored is 503 by itself, and those it came with are taken', async () => {
  await using storage = await openTemporarySqlite()
  const riskEvents = await open(storage)
  const outcomes = await Promise.allSettled(
    ['a', poison, 'b', 'c', poison].map((message, at) =>
      riskEvents.consume('first', [event(`203.0.113.${at}`, message)], by),
    ),
  )
  expect(
    outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? 'taken' : (outcome.reason as { code: string }).code,
    ),
  ).toEqual(['taken', 'hub.unavailable', 'taken', 'taken', 'hub.unavailable'])
  expect((await storage.stores.riskProviders.counts()).get('first')).toEqual({ taken: 3, ignored: 0 })
})
