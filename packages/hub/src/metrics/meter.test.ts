import { expect, test } from 'vitest'
import { readExposition, valueOf } from '../../test/metrics/exposition.ts'
import { handlingCells } from './handling.ts'
import { createMeter, createRequestMeter } from './meter.ts'
import { createInstruments } from './registry.ts'

const world = { now: () => new Date(0) }

test('the number of series per provider is bounded, however many providers are created and deleted', async () => {
  const instruments = createInstruments(handlingCells())
  const meter = createMeter(instruments, world)
  for (let number = 1; number <= 2_500; number++) meter.setAccepted(`sse${number}`, 'push', 'stored')
  meter.setAccepted('sse1', 'push', 'stored')
  const families = readExposition(await instruments.registry.metrics())
  expect(families.get('watchbell_sets_total')?.samples).toHaveLength(2_001)
  expect(valueOf(families, 'watchbell_sets_total', { provider: 'sse1' })).toBe(2)
  expect(valueOf(families, 'watchbell_sets_total', { provider: 'other' })).toBe(500)
  expect(valueOf(families, 'watchbell_sets_total')).toBe(2_501)
})

test('failed commits have their own count', async () => {
  const instruments = createInstruments(handlingCells())
  const meter = createMeter(instruments, world)
  meter.committed('sets', { items: 7, stored: true }, meter.now())
  meter.committed('sets', { items: 9, stored: false }, meter.now())
  const families = readExposition(await instruments.registry.metrics())
  expect(valueOf(families, 'watchbell_commit_items_sum')).toBe(7)
  expect(valueOf(families, 'watchbell_commit_duration_seconds_count')).toBe(1)
  expect(valueOf(families, 'watchbell_commit_failures_total', { kind: 'sets' })).toBe(1)
})

test('deletions by retention are counted by kind, and dropped weekly partitions separately', async () => {
  const instruments = createInstruments(handlingCells())
  const meter = createMeter(instruments, world)
  meter.deleted('signals', { rows: 500, parts: 0 })
  meter.deleted('signals', { rows: 0, parts: 1 })
  meter.deleted('log_entries', { rows: 0, parts: 0 })
  const families = readExposition(await instruments.registry.metrics())
  const rows = (what: string) => valueOf(families, 'watchbell_retention_rows_total', { what })
  expect([rows('signals'), rows('log_entries')]).toEqual([500, 0])
  const parts = (what: string) => valueOf(families, 'watchbell_retention_parts_total', { what })
  expect([parts('signals'), parts('log_entries')]).toEqual([1, 0]) // a series that begins with 1 shows no increase
})

test.each([
  [100, '1xx'],
  [202, '2xx'],
  [304, '3xx'],
  [499, '4xx'],
  [503, '5xx'],
  [undefined, 'aborted'],
])('a request that ends with status %s counts as %s', async (status, shown) => {
  const instruments = createInstruments(handlingCells())
  const request = createRequestMeter(instruments).begin({ method: 'GET', route: undefined, traceparent: 'x' })
  request.end(status)
  const families = readExposition(await instruments.registry.metrics())
  expect(families.get('watchbell_http_requests_total')?.samples).toEqual([
    {
      name: 'watchbell_http_requests_total',
      labels: { method: 'GET', route: 'none', status: shown },
      value: 1,
    },
  ])
})

test('two hubs in one process count separately', async () => {
  const [one, two] = [createInstruments(handlingCells()), createInstruments(handlingCells())]
  createMeter(one, world).setRefused('push', 'set.malformed')
  const families = readExposition(await two.registry.metrics())
  expect(valueOf(families, 'watchbell_set_refusals_total')).toBeUndefined()
})
