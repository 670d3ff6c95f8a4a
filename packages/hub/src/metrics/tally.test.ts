import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createHandlerMeter, handlingCells, readHandling } from './handling.ts'
import { createTally, tallyLength } from './tally.ts'

test.each<[string, readonly number[], readonly number[], number]>([
  ['nothing', [], [0, 0], 0],
  ['what lies on a bound belongs to it', [1, 10], [1, 2], 2],
  ['what lies beyond the last bound is only in the count', [11, 1e9], [0, 0], 2],
  ['counts of larger bounds hold those of smaller ones', [0, 0.5, 5, 50], [2, 3], 4],
])('%s', (_what, values, atMost, count) => {
  const bounds = [1, 10]
  const tally = createTally(new Float64Array(tallyLength(bounds)), bounds)
  for (const value of values) tally.observe(value)
  const sum = values.reduce((total, value) => total + value, 0)
  expect(tally.read()).toEqual({ sum, count, bounds, atMost })
})

test('one thread counts, and another reads the counts', async () => {
  const cells = handlingCells()
  expect(readHandling(cells)).toMatchObject({ failed: 0, lag: { count: 0 }, batches: { count: 0 } })
  const code = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(({ createHandlerMeter }) => {
      const meter = createHandlerMeter(workerData.cells)
      const at = new Date(10_000)
      meter.handled({ receivedAt: [new Date(9_000), new Date(8_000), new Date(11_000)], failed: 2, at }, meter.now())
    })`
  const module = new URL('./handling.ts', import.meta.url).href
  const worker = new Worker(code, { eval: true, workerData: { module, cells } })
  expect(await once(worker, 'exit')).toEqual([0])
  // The third signal's clock was ahead: its lag counts as 0, not as negative.
  expect(readHandling(cells)).toMatchObject({ failed: 2, lag: { count: 3, sum: 3 }, batches: { count: 1 } })
})

test('counting continues from existing counts', () => {
  const cells = handlingCells()
  for (let round = 1; round <= 2; round++) {
    const meter = createHandlerMeter(cells)
    meter.handled({ receivedAt: [new Date(0)], failed: 1, at: new Date(500) }, meter.now())
  }
  expect(readHandling(cells)).toMatchObject({ failed: 2, lag: { count: 2, sum: 1 }, batches: { count: 2 } })
})
