import { expect, test } from 'vitest'
import { handlingCells } from '../../src/metrics/handling.ts'
import { createHubState } from '../../src/metrics/hub-state.ts'
import { createInstruments } from '../../src/metrics/registry.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { acceptedSet, openWithProvider } from '../ingest/stored-sets.ts'
import { readExposition, valueOf } from './exposition.ts'

test('what waits in the database is seen with its age, and so is the pool; a database that is gone is 0', async () => {
  await using hub = await startTestHub()
  await using opened = new AsyncDisposableStack()
  const { storage } = opened.use(await openWithProvider())
  const sets = ['a', 'b', 'c'].map((jti) => acceptedSet(jti))
  await storage.stores.signals.append(sets)
  const received = sets[0]?.receivedAt.getTime() ?? 0
  for (const ageS of [30, 40]) {
    await storage.transaction(({ erasures }) =>
      erasures.begin(0, {
        id: `era${ageS}`,
        subject: { id: `00u${ageS}`, kind: 'user' },
        requestedAt: new Date(received + 42_000 - ageS * 1_000),
        requestedBy: { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined },
        names: { pseudonym: 'erased', identifiers: [], displayName: undefined },
      }),
    )
  }
  const instruments = createInstruments(handlingCells())
  const read = createHubState(instruments, {
    now: () => new Date(received + 42_000),
    inFlight: () => 7,
    hub: hub.hub,
    storage: { ...storage, poolStats: () => ({ total: 5, idle: 2, waiting: 1 }) },
  })
  const value = async (name: string, labels = {}) => {
    await read()
    return valueOf(readExposition(await instruments.registry.metrics()), name, labels)
  }
  expect(await value('watchbell_database_up')).toBe(1)
  expect(await value('watchbell_signals_pending')).toBe(3)
  expect(await value('watchbell_signals_oldest_pending_age_seconds')).toBe(42)
  expect(await value('watchbell_erasures_pending')).toBe(2)
  expect(await value('watchbell_erasures_oldest_pending_age_seconds')).toBe(40)
  await storage.stores.erasures.finish(['era40'], new Date())
  expect(await value('watchbell_erasures_oldest_pending_age_seconds')).toBe(30)
  await storage.stores.erasures.finish(['era30'], new Date())
  expect(await value('watchbell_erasures_pending')).toBe(0)
  expect(await value('watchbell_erasures_oldest_pending_age_seconds')).toBe(0)
  expect(await value('watchbell_signals_failed')).toBe(0)
  expect(await value('watchbell_http_requests_in_flight')).toBe(7)
  expect(await value('watchbell_database_pool_connections', { state: 'busy' })).toBe(3)
  expect(await value('watchbell_database_pool_connections', { state: 'idle' })).toBe(2)
  expect(await value('watchbell_database_pool_waiting')).toBe(1)

  await opened.disposeAsync()
  expect(await value('watchbell_database_up')).toBe(0)
  expect(await value('watchbell_signals_pending')).toBeUndefined()
  expect(await value('watchbell_signals_oldest_pending_age_seconds')).toBeUndefined()
  expect(await value('watchbell_erasures_pending')).toBeUndefined()
  expect(await value('watchbell_erasures_oldest_pending_age_seconds')).toBeUndefined()
  expect(await value('watchbell_inbox_waiting')).toBe(0)
})
