import { expect, test } from 'vitest'
import { logEvent, type LogEvent } from './log-event.ts'
import { createLogRecorder } from './log-recorder.ts'

const entry = (eventType: string): LogEvent =>
  logEvent(
    { now: () => new Date(0), newUuid: () => eventType },
    {
      eventType,
      displayMessage: '',
      by: { id: 'a', type: 'User', displayName: 'a', alternateId: undefined },
      target: null,
      debugData: {},
    },
  )

/** Commits that the test ends. */
function heldStore() {
  const batches: { readonly types: readonly string[]; end(error?: Error): void }[] = []
  return {
    batches,
    append: (entries: readonly LogEvent[]) =>
      new Promise<void>((resolve, reject) => {
        batches.push({
          types: entries.map(({ eventType }) => eventType),
          end: (error) => (error === undefined ? resolve() : reject(error)),
        })
      }),
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('entries that arrive during a commit share the next one, in their order, and each resolves with its own commit', async () => {
  const store = heldStore()
  const recorder = createLogRecorder(store, { batchMax: 2, waitingMax: 10 })
  const done: string[] = []
  const record = (type: string) => void recorder.record(entry(type)).then(() => done.push(type))
  record('a')
  await turn()
  for (const type of ['b', 'c', 'd']) record(type)
  await turn()
  expect(store.batches.map(({ types }) => types)).toEqual([['a']])
  store.batches[0]?.end()
  await turn()
  expect(done).toEqual(['a'])
  store.batches[1]?.end()
  await turn()
  expect(store.batches.map(({ types }) => types)).toEqual([['a'], ['b', 'c'], ['d']])
  expect(done).toEqual(['a', 'b', 'c'])
  store.batches[2]?.end()
  await recorder[Symbol.asyncDispose]()
  expect(done).toEqual(['a', 'b', 'c', 'd'])
})

test('a failed commit rejects only its own entries', async () => {
  const store = heldStore()
  const recorder = createLogRecorder(store)
  const first = recorder.record(entry('a'))
  await turn()
  const second = recorder.record(entry('b'))
  store.batches[0]?.end(new Error('disk full'))
  await expect(first).rejects.toMatchObject({ code: 'hub.unavailable' })
  await turn()
  store.batches[1]?.end()
  await expect(second).resolves.toBeUndefined()
})

test('entries beyond the maximum that may wait are refused', async () => {
  const store = heldStore()
  const recorder = createLogRecorder(store, { batchMax: 1, waitingMax: 2 })
  const first = recorder.record(entry('a'))
  await turn()
  const waiting = [recorder.record(entry('b')), recorder.record(entry('c'))]
  await expect(recorder.record(entry('d'))).rejects.toMatchObject({ code: 'hub.overloaded' })
  for (let at = 0; at < 3; at++) {
    store.batches[at]?.end()
    await turn()
  }
  await Promise.all([first, ...waiting])
})
