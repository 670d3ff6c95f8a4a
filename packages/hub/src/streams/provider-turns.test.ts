import { expect, test } from 'vitest'
import { openTemporarySqlite } from '../../test/contract/open-sqlite.ts'
import { realWorld } from '../base/world.ts'
import { isHubError } from '../base/hub-error.ts'
import { createProviderTurns, type TurnLimits } from './provider-turns.ts'

const world = realWorld(globalThis.fetch)
const limits: TurnLimits = { leaseMs: 5_000, tryMs: 5, waitMs: 20_000 }

/** Nodes that share one store. */
async function openNodes(count: number, over: Partial<TurnLimits> = {}) {
  const storage = await openTemporarySqlite()
  let refreshed = 0
  const deps = {
    world,
    leases: storage.stores.leases,
    refresh: async () => void refreshed++,
  }
  return {
    nodes: Array.from({ length: count }, () => createProviderTurns(deps, { ...limits, ...over })),
    refreshed: () => refreshed,
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
}

test('work of several nodes for one provider never overlaps, and each sees the changes of the others', async () => {
  await using open = await openNodes(3)
  let running = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
  }
  await Promise.all(open.nodes.flatMap((node) => [node.take('sse1', work), node.take('sse1', work)]))
  expect(most).toBe(1)
  expect(open.refreshed()).toBe(6)
})

test('work for another provider does not wait', async () => {
  await using open = await openNodes(2)
  const [one, other] = open.nodes
  const { promise, resolve } = Promise.withResolvers<void>()
  const held = one?.take('sse1', () => promise)
  expect(await other?.take('sse2', async () => 'done')).toBe('done')
  resolve()
  await held
})

test('work that fails releases the turn and rejects with its error', async () => {
  await using open = await openNodes(2)
  const [one, other] = open.nodes
  const failing = one?.take('sse1', () => Promise.reject(new Error('no')))
  await expect(failing).rejects.toThrow('no')
  expect(await other?.take('sse1', async () => 'done')).toBe('done')
  expect(await one?.take('sse1', async () => 'done')).toBe('done')
})

test('a node that waits for too long is refused with stream.busy', async () => {
  await using open = await openNodes(2, { waitMs: 0 })
  const [one, other] = open.nodes
  const { promise, resolve } = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const held = one?.take('sse1', () => (began.resolve(), promise))
  await began.promise
  await expect(other?.take('sse1', async () => 'done')).rejects.toSatisfy(
    (error) => isHubError(error, 'stream.busy') && error.retryAfterS === 5,
  )
  resolve()
  await held
})
