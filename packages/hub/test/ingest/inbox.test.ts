import { describe, expect, test } from 'vitest'
import { createInbox } from '../../src/ingest/inbox.ts'
import type { SignalStore } from '../../src/signals/signal-store.ts'
import { acceptedSet, openWithProvider } from './stored-sets.ts'

/** The store itself, with a note of how many SETs came with each commit, and a fault to switch on. */
function watched(store: Pick<SignalStore, 'append'>) {
  const batches: number[] = []
  const fault = { on: false }
  return {
    batches,
    fault,
    async append(sets: Parameters<SignalStore['append']>[0]) {
      batches.push(sets.length)
      if (fault.on) throw new Error('disk full')
      return store.append(sets)
    },
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `set-${at}`)

describe('the inbox', () => {
  test('one commit serves many: what comes during a commit goes with the next', async () => {
    await using database = await openWithProvider()
    const store = watched(database.storage.stores.signals)
    await using inbox = createInbox(store)
    const first = inbox.append(acceptedSet('first'))
    await Promise.resolve() // its commit begins
    const answers = await Promise.all([first, ...names(500).map((jti) => inbox.append(acceptedSet(jti)))])
    expect(answers).toEqual(Array<string>(501).fill('stored'))
    expect(store.batches).toEqual([1, 500])
  })

  test('a commit has at most so many', async () => {
    await using database = await openWithProvider()
    const store = watched(database.storage.stores.signals)
    await using inbox = createInbox(store, { batchMax: 200, waitingMax: 1_000 })
    await Promise.all(names(500).map((jti) => inbox.append(acceptedSet(jti))))
    expect(store.batches).toEqual([200, 200, 100])
  })

  test('the same jti a hundred times at once is stored once', async () => {
    await using database = await openWithProvider()
    await using inbox = createInbox(database.storage.stores.signals)
    const answers = await Promise.all(Array.from({ length: 100 }, () => inbox.append(acceptedSet('same'))))
    expect(answers.filter((answer) => answer === 'stored')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'repeated')).toHaveLength(99)
  })

  test('nobody is told that a SET is stored when its commit failed; the next commit is a new one', async () => {
    await using database = await openWithProvider()
    const store = watched(database.storage.stores.signals)
    await using inbox = createInbox(store)
    store.fault.on = true
    const lost = await Promise.allSettled(names(3).map((jti) => inbox.append(acceptedSet(jti))))
    expect(lost).toMatchObject(Array(3).fill({ reason: { code: 'hub.unavailable', retryAfterS: 5 } }))
    store.fault.on = false
    expect(await inbox.append(acceptedSet('set-0'))).toBe('stored')
    expect(await database.storage.stores.signals.counts()).toMatchObject({ accepted: 1, repeated: 0 })
  })

  test('one more than may wait is turned away, and the others are not', async () => {
    await using database = await openWithProvider()
    await using inbox = createInbox(database.storage.stores.signals, { batchMax: 10, waitingMax: 20 })
    const answers = await Promise.allSettled(names(21).map((jti) => inbox.append(acceptedSet(jti))))
    expect(answers.slice(0, 20)).toEqual(Array(20).fill({ status: 'fulfilled', value: 'stored' }))
    expect(answers[20]).toMatchObject({ reason: { code: 'hub.overloaded', retryAfterS: 1 } })
    expect(inbox.waiting()).toBe(0)
  })

  test('disposing waits for what is under way', async () => {
    await using database = await openWithProvider()
    const inbox = createInbox(database.storage.stores.signals)
    const answer = inbox.append(acceptedSet('last'))
    await inbox[Symbol.asyncDispose]()
    expect(await database.storage.stores.signals.counts()).toMatchObject({ accepted: 1 })
    expect(await answer).toBe('stored')
  })
})
