import { expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { realWorld } from '../../src/base/world.ts'
import { createHandler, paceOverConnections } from '../../src/handling/handler.ts'
import { journaled } from '../../src/journal/journal.ts'
import { createRiskRules } from '../../src/risk/risk-rules.ts'
import { openPostgres, type PostgresStorage } from '../../src/storage/postgres/open-postgres.ts'
import { acceptedSet, idp } from '../ingest/stored-sets.ts'
import { temporaryDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

const signal = new AbortController().signal

/** Two nodes on one database. */
async function openTwo() {
  await using opened = new AsyncDisposableStack()
  const { url } = opened.use(await temporaryDatabase())
  const open = async (): Promise<PostgresStorage> =>
    opened.use(await openPostgres({ url, connectionsMax: 4, migrateAt: new Date(0) }))
  const [one, other] = [await open(), await open()]
  const held = opened.move()
  return { url, one, other, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** Keeps a node at the task until it is told to end. */
async function busyWith(node: PostgresStorage) {
  const begun = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  const done = node.alone('handling', async () => {
    begun.resolve()
    await mayEnd.promise
    return 'done'
  })
  await begun.promise
  return { done, end: mayEnd.resolve }
}

test('while one node is at a task another leaves it be, and takes it over afterwards', async () => {
  await using nodes = await openTwo()
  const first = await busyWith(nodes.one)
  expect(await nodes.other.alone('handling', async () => 'begun')).toBeUndefined()
  first.end()
  expect(await first.done).toBe('done')
  expect(await nodes.other.alone('handling', async () => 'begun')).toBe('begun')
})

test('a task that fails is free again, and its failure is told', async () => {
  await using nodes = await openTwo()
  await expect(nodes.one.alone('handling', () => Promise.reject(new Error('no luck')))).rejects.toThrow(
    'no luck',
  )
  expect(await nodes.other.alone('handling', async () => 'begun')).toBe('begun')
})

test('a node that lost its connection holds nobody up, and ends what it began', async () => {
  await using nodes = await openTwo()
  const first = await busyWith(nodes.one)
  await runOn(
    nodes.url,
    `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND datname = current_database()`,
  )
  await expect.poll(() => nodes.other.alone('handling', async () => 'begun')).toBe('begun')
  first.end()
  expect(await first.done).toBe('done')
  expect(await nodes.one.alone('handling', async () => 'again')).toBe('again')
})

test('the handler of a node works out nothing while another handles, and says that there is something', async () => {
  await using nodes = await openTwo()
  await nodes.one.stores.providers.insert(idp)
  await nodes.one.stores.signals.append([acceptedSet('a'), acceptedSet('b')])
  const looked: number[] = []
  const world = realWorld(globalThis.fetch)
  await using handler = createHandler({
    storage: journaled(
      {
        ...nodes.other,
        stores: {
          ...nodes.other.stores,
          signals: {
            ...nodes.other.stores.signals,
            claimOldest: (max) => {
              looked.push(max)
              return nodes.other.stores.signals.claimOldest(max)
            },
          },
        },
      },
      world,
    ),
    world,
    logger: silentLogger,
    rules: createRiskRules([]),
    origin: 'https://hub.example',
    ignoreUnknownUsers: false,
    pace: paceOverConnections,
  })
  const first = await busyWith(nodes.one)
  expect(await handler.runOnce(signal)).toBe(1)
  expect(looked).toEqual([1]) // whether there is something at all
  first.end()
  await first.done
  expect(await handler.runOnce(signal)).toBe(2)
  const second = await busyWith(nodes.one)
  expect(await handler.runOnce(signal)).toBe(0)
  second.end()
  await second.done
  expect(await nodes.one.stores.signals.counts()).toMatchObject({ accepted: 2, pending: 0 })
})
