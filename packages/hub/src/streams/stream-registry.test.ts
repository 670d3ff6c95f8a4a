import { expect, test } from 'vitest'
import { newStream } from '../../test/new-stream.ts'
import { createStreamRegistry } from './stream-registry.ts'
import type { StreamChanges, StreamStore } from './stream-store.ts'
import type { Stream } from './stream.ts'

/** Rows that other nodes change too, and reads of them that end when the test lets them. */
function rowsOf(...streams: readonly Stream[]) {
  const rows = new Map(streams.map((row) => [row.id, row]))
  const readings: (() => void)[] = []
  let slow = false
  const store: Pick<StreamStore, 'list' | 'update'> = {
    async list() {
      const read = [...rows.values()]
      if (slow) await new Promise<void>((resolve) => readings.push(resolve))
      return read
    },
    async update(id: string, changes: StreamChanges) {
      const known = rows.get(id)
      if (known !== undefined) rows.set(id, { ...known, ...changes })
    },
  }
  return {
    rows,
    open: () => createStreamRegistry(store as StreamStore), // the registry asks for no more than these two
    slowDown: () => void (slow = true),
    /** Ends reads until none is left. */
    async finish() {
      for (let turn = 0; turn < 50; turn++) {
        readings.shift()?.()
        await Promise.resolve()
      }
    },
  }
}

test('a refresh shows streams that another node created, changed or deleted', async () => {
  const { rows, open } = rowsOf(newStream('a'), newStream('b'))
  const registry = await open()
  rows.set('a', newStream('a', { status: 'paused' }))
  rows.delete('b')
  rows.set('c', newStream('c'))
  expect(registry.find('c')).toBeUndefined()
  await registry.refresh()
  expect(registry.list().map(({ id, status }) => [id, status])).toEqual([
    ['a', 'paused'],
    ['c', undefined],
  ])
  expect(registry.ofProvider('provider of b')).toBeUndefined()
  expect(registry.ofProvider('provider of c')?.id).toBe('c')
})

test('a refresh does not undo changes that this node makes during the read', async () => {
  const { rows, open, slowDown, finish } = rowsOf(newStream('a'), newStream('b'))
  const registry = await open()
  slowDown()
  const refreshing = registry.refresh()
  await Promise.resolve()
  await registry.note('a', { lastError: 'broken' })
  registry.forget('b')
  rows.delete('b')
  registry.remember(newStream('c'))
  rows.set('c', newStream('c'))
  rows.set('a', { ...newStream('a'), lastError: 'broken', status: 'paused' }) // a concurrent change by another node
  await finish()
  await refreshing
  expect(registry.list().map(({ id, status, lastError }) => [id, status, lastError])).toEqual([
    ['a', 'paused', 'broken'],
    ['c', undefined, undefined],
  ])
})

test('a stream that this node changes during every read keeps the state of this node', async () => {
  const { open, slowDown, finish } = rowsOf(newStream('a'))
  const registry = await open()
  slowDown()
  const refreshing = registry.refresh()
  const changing = (async () => {
    for (let turn = 0; turn < 40; turn++) {
      registry.remember(newStream('a', { lastError: `${turn}` }))
      await Promise.resolve()
    }
  })()
  await finish()
  await Promise.all([refreshing, changing])
  expect(registry.find('a')?.lastError).toBe('39')
})
