import { describe, expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { createRefusalRecorder } from '../../src/ingest/refusals.ts'
import type { RefusalBatch, SignalStore } from '../../src/signals/signal-store.ts'
import type { Refusal } from '../../src/signals/signal.ts'
import { idp, openWithProvider } from './stored-sets.ts'

function refusal(name: string, providerId: string = idp.id): Refusal {
  return {
    id: `rfs${name}`,
    providerId,
    proven: false,
    iss: idp.issuer,
    jti: name,
    receivedAt: new Date('2026-01-01T12:00:00Z'),
    code: 'set.bad_signature',
    reason: 'It does not verify.',
    via: 'push',
    source: '192.0.2.9',
  }
}

/** The store itself, with a note of what came to it, and a fault to switch on. */
function watched(store: Pick<SignalStore, 'recordRefusals'>) {
  const batches: RefusalBatch[] = []
  const fault = { on: false }
  return {
    batches,
    fault,
    async recordRefusals(batch: RefusalBatch) {
      batches.push(batch)
      if (fault.on) throw new Error('disk full')
      await store.recordRefusals(batch)
    },
  }
}

describe('refusals', () => {
  test('a flood is counted whole, and what is written does not grow with it', async () => {
    await using database = await openWithProvider()
    const { signals } = database.storage.stores
    const store = watched(signals)
    await using recorder = createRefusalRecorder(store, silentLogger, 10)
    await Promise.all(Array.from({ length: 5_000 }, (_, at) => recorder.record(refusal(`${at}`))))
    expect(await signals.counts()).toMatchObject({
      refused: [{ providerId: idp.id, code: 'set.bad_signature', count: 5_000 }],
    })
    expect(store.batches.map(({ kept, counts }) => [kept.length, counts.length])).toEqual([[10, 1]])
    const { signals: ring } = await signals.list({ limit: 100, outcome: 'refused' })
    expect(ring.map(({ jti }) => jti)).toEqual(Array.from({ length: 10 }, (_, at) => `${4_999 - at}`))
  })

  test('none is lost when storing fails: they are counted with the next, or at the end', async () => {
    await using database = await openWithProvider()
    const { signals } = database.storage.stores
    const store = watched(signals)
    const recorder = createRefusalRecorder(store, silentLogger)
    store.fault.on = true
    await Promise.all([recorder.record(refusal('1')), recorder.record(refusal('2'))]) // answered all the same
    await recorder.count(idp.id, 'request.rate_limited')
    store.fault.on = false
    await recorder.record(refusal('3'))
    expect((await signals.counts()).refused).toEqual([
      { providerId: idp.id, code: 'request.rate_limited', count: 1 },
      { providerId: idp.id, code: 'set.bad_signature', count: 3 },
    ])
    store.fault.on = true
    await recorder.record(refusal('4'))
    store.fault.on = false
    await recorder[Symbol.asyncDispose]()
    expect((await signals.counts()).refused.map(({ count }) => count)).toEqual([1, 4])
  })

  test('those that come while a round is written are in the next one', async () => {
    await using database = await openWithProvider()
    const { signals } = database.storage.stores
    const store = watched(signals)
    await using recorder = createRefusalRecorder(store, silentLogger)
    const first = recorder.record(refusal('1'))
    while (store.batches.length === 0) await Promise.resolve() // until its round has begun
    await Promise.all([first, recorder.record(refusal('2')), recorder.record(refusal('3', 'sseother'))])
    expect(store.batches.map(({ kept }) => kept.map(({ jti }) => jti))).toEqual([['1'], ['2', '3']])
    expect((await signals.counts()).refused.reduce((sum, { count }) => sum + count, 0)).toBe(3)
  })

  test('so many rings in one round: what comes on top is counted and not kept', async () => {
    await using database = await openWithProvider()
    const { signals } = database.storage.stores
    const store = watched(signals)
    await using recorder = createRefusalRecorder(store, silentLogger)
    await Promise.all(Array.from({ length: 150 }, (_, at) => recorder.record(refusal(`${at}`, `sse${at}`))))
    expect(store.batches.map(({ kept, counts }) => [kept.length, counts.length])).toEqual([[100, 150]])
    expect((await signals.counts()).refused).toHaveLength(150)
  })
})
