import '../on-postgres.ts'
import { expect, test } from 'vitest'
import { startHubWithProvider } from '../http/with-provider.ts'
import { valueOf } from './exposition.ts'
import { scrape, scraped } from './scraped-hub.ts'

test('on PostgreSQL the handler of another thread is counted, the backlog is read, and the pool is shown', async () => {
  await using site = await startHubWithProvider({ hub: { settings: scraped } })
  for (const set of [site.sign(), site.sign()]) expect((await site.hub.push(set)).status).toBe(202)
  await site.hub.handleAll()
  const families = await scrape(site.hub)
  const value = (name: string, labels = {}) => valueOf(families, name, labels)
  expect(value('watchbell_sets_total', { provider: site.providerId, outcome: 'stored' })).toBe(2)
  expect(value('watchbell_handling_lag_seconds_count')).toBe(2)
  expect(value('watchbell_handler_batch_duration_seconds_count')).toBeGreaterThan(0)
  expect(value('watchbell_database_up')).toBe(1)
  expect(value('watchbell_signals_pending')).toBe(0)
  expect(value('watchbell_database_pool_connections')).toBeGreaterThan(0)
  expect(value('watchbell_database_pool_waiting')).toBe(0)
})
