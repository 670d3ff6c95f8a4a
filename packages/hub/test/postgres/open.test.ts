import { expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { openClustered } from '../../src/run/clustered.ts'
import { openPostgres, type PostgresStorage } from '../../src/storage/postgres/open-postgres.ts'
import { migrations } from '../../src/storage/migrations/index.ts'
import { emptyDatabase, postgresServerUrl } from '../postgres-database.ts'
import { createDatabase, databaseUrl, runOn, startPostgresServer } from '../postgres-server.ts'
import { sampleProvider } from '../contract/provider-store.ts'

const open = (url: string): Promise<PostgresStorage> =>
  openPostgres({ url, connectionsMax: 2, migrateAt: new Date('2026-03-17T06:00:00Z') })

async function reasonOf(opening: Promise<PostgresStorage>): Promise<string> {
  const outcome = await opening.then(
    async (storage) => {
      await storage[Symbol.asyncDispose]()
      return 'it opened'
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  return outcome
}

test('nodes that start at once on an empty database all serve, and every step was taken once', async () => {
  const url = await emptyDatabase()
  const nodes = await Promise.all([open(url), open(url), open(url)])
  const provider = sampleProvider()
  await nodes[0]?.stores.providers.insert(provider)
  for (const node of nodes) expect(await node.stores.providers.list()).toEqual([provider])
  const steps = await runOn(url, 'SELECT name, applied_at::text FROM migrations ORDER BY name')
  const taken = String(Date.parse('2026-03-17T06:00:00Z'))
  expect(steps).toEqual(migrations.map(({ name }) => ({ name, applied_at: taken })))
  await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
})

test('a later start finds nothing to do and what was stored', async () => {
  const url = await emptyDatabase()
  const provider = sampleProvider()
  {
    await using first = await open(url)
    await first.stores.providers.insert(provider)
  }
  await using second = await open(url)
  expect(await second.stores.providers.list()).toEqual([provider])
})

test('a database that a newer Watchbell wrote is left alone', async () => {
  const url = await emptyDatabase()
  await (await open(url))[Symbol.asyncDispose]()
  await runOn(url, `INSERT INTO migrations VALUES ('9999-from-the-future', 0)`)
  expect(await reasonOf(open(url))).toMatch(/newer Watchbell.*9999-from-the-future/)
})

test('a step that fails leaves nothing of the others', async () => {
  const url = await emptyDatabase()
  await runOn(url, 'CREATE TABLE provider_dialects (somebody_elses TEXT)')
  expect(await reasonOf(open(url))).toContain('provider_dialects')
  const tables = await runOn(url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
  expect(tables).toEqual([{ tablename: 'provider_dialects' }])
})

test('what cannot be used is named, with the reason and without the password', async () => {
  const server = new URL(await postgresServerUrl())
  server.password = 'hunter2'
  const gone = new URL(server)
  gone.port = '1'
  const reasons = [
    await reasonOf(open(databaseUrl(server.href, 'watchbell_nowhere'))),
    await reasonOf(open(databaseUrl(gone.href, 'watchbell'))),
  ]
  expect(reasons).toEqual([
    expect.stringMatching(/watchbell_nowhere at .* cannot be used: .*does not exist/),
    expect.stringMatching(/watchbell at .*:1 cannot be used: .*ECONNREFUSED/),
  ])
  expect(reasons.join()).not.toContain('hunter2')
})

test('a server that may lose what was committed is used, and told of as an error', async () => {
  await using server = await startPostgresServer()
  const url = await createDatabase(server.url, 'template0')
  const told: { readonly facts: object; readonly message: string }[] = []
  const start = async (): Promise<void> => {
    const hub = await openClustered({
      url,
      now: new Date(),
      logger: { ...silentLogger, error: (facts, message) => void told.push({ facts, message }) },
      onDeath: (error) => expect.unreachable(error.message),
      logLevel: 'error',
      origin: 'https://hub.example',
      riskOverrides: [],
      unknownUsers: 'welcome',
    })
    await hub[Symbol.asyncDispose]()
  }
  await start()
  expect(told).toEqual([])
  await runOn(url, 'ALTER SYSTEM SET fsync = off')
  await runOn(url, 'ALTER SYSTEM SET full_page_writes = off')
  await runOn(url, 'SELECT pg_reload_conf()')
  await expect.poll(() => runOn(url, 'SHOW full_page_writes')).toEqual([{ full_page_writes: 'off' }])
  await start()
  expect(told).toEqual([
    {
      facts: { settings: ['fsync', 'full_page_writes'] },
      message: expect.stringContaining('turn on fsync and full_page_writes'),
    },
  ])
})

test('a database whose encoding cannot hold every text is refused', async () => {
  const server = await postgresServerUrl()
  const name = `watchbell_test_ascii_${process.pid}`
  await runOn(server, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII'`)
  expect(await reasonOf(open(databaseUrl(server, name)))).toContain('encoding SQL_ASCII')
})
