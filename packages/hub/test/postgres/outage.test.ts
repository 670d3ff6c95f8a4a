import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { sampleProvider } from '../contract/provider-store.ts'
import { createDatabase, runOn, startPostgresServer, type PostgresServer } from '../postgres-server.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgresServer() // of our own: it is taken away and brought back
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

async function openHere() {
  const url = await createDatabase(server.url, 'template0')
  const broken: Error[] = []
  const storage = await openPostgres({
    url,
    connectionsMax: 3,
    migrateAt: new Date(),
    onBroken: (error) => broken.push(error),
  })
  return { url, storage, broken, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
}

const unavailable = { code: 'hub.unavailable', retryAfterS: 5 }

test.each(['fast', 'immediate'] as const)(
  'a server that is gone (%s) makes the hub unavailable, and it comes back by itself',
  async (how) => {
    await using opened = await openHere()
    const { storage } = opened
    const provider = sampleProvider()
    await Promise.all([storage.stores.providers.list(), storage.stores.providers.insert(provider)])
    const inside = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const underWay = storage.transaction(async ({ providers }) => {
      await providers.insert(sampleProvider())
      inside.resolve()
      await mayEnd.promise
      await providers.insert(sampleProvider())
    })
    await inside.promise

    await server.stop(how)
    mayEnd.resolve()
    await expect(underWay).rejects.toMatchObject(unavailable)
    await expect(storage.stores.providers.list()).rejects.toMatchObject(unavailable)
    await expect(storage.transaction(({ providers }) => providers.list())).rejects.toMatchObject(unavailable)
    await expect(storage.stores.signals.append([])).resolves.toEqual([])
    await expect(storage.stores.apiTokens.findLiveByHash('x')).rejects.toMatchObject(unavailable)

    await server.start()
    expect(await storage.stores.providers.list()).toEqual([provider]) // and nothing of what was under way
    await storage.transaction(({ providers }) => providers.insert(sampleProvider()))
    expect(await storage.stores.providers.list()).toHaveLength(2)
  },
)

test('connections that an administrator ends while nobody uses them are replaced', async () => {
  await using opened = await openHere()
  const { storage, url, broken } = opened
  await Promise.all([storage.stores.providers.list(), storage.stores.streams.list()])
  const { total } = storage.poolStats()
  await runOn(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  await expect.poll(() => broken.length, { timeout: 10_000 }).toBe(total) // one that has not heard of its end yet would be used, and fail
  for (const error of broken) expect(Object.keys(error)).not.toContain('client') // which would fill the log
  expect(await storage.stores.providers.list()).toEqual([])
})

test('what other nodes change is told by name, and all of it when some may have been missed', async () => {
  await using opened = await openHere()
  const { storage, url } = opened
  const other = await openPostgres({ url, connectionsMax: 1 })
  const told: string[] = []
  const listening = storage.onChange((table) => told.push(table))
  const toldOf = async (...tables: string[]): Promise<void> => {
    await expect.poll(() => told, { timeout: 20_000 }).toEqual(expect.arrayContaining(tables))
    told.length = 0
  }
  await toldOf('all') // it listens from here on
  await other.stores.providers.insert(sampleProvider())
  await toldOf('providers')
  await other.stores.apiTokens.markUsed('00T1', new Date())
  await other.stores.dialects.set('sse1', { dialects: [], audiences: ['a'] })
  await expect.poll(() => told).toContain('provider_dialects')
  expect(told).not.toContain('api_tokens') // nobody needs to know when it was used last
  told.length = 0

  await server.stop('immediate')
  await expect(other.stores.providers.list()).rejects.toMatchObject(unavailable)
  await server.start()
  await toldOf('all')
  await other.stores.dialects.set('sse1', undefined)
  await toldOf('provider_dialects')
  await listening[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})
