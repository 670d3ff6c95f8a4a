import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import type { Storage } from '../../src/stores.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import { dump } from '../../src/storage/transfer/dump.ts'
import { provider, set } from '../contract/signal-store.ts'
import { exported, imported, postgresSite, sites, sqliteSite } from '../transfer-databases.ts'
import { childEnvironment } from '../child-environment.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
const now = new Date('2026-01-01T12:00:00Z')
const idp = provider('idp')

async function openStorage(kind: string, at: string): Promise<Storage> {
  return kind === 'SQLite'
    ? (await openSqliteInThread(at, now)).storage
    : openPostgres({ url: at, connectionsMax: 4, migrateAt: now })
}

test.each(sites)('an export of a live hub on %s is of one moment', async (kind, open) => {
  await using site = await open()
  await using storage = await openStorage(kind, site.at)
  await storage.stores.providers.insert(idp)
  let jti = 0
  const append = (count: number): Promise<unknown> =>
    storage.stores.signals.append(Array.from({ length: count }, () => set(idp, `jti${(jti += 1)}`)))
  for (let batch = 0; batch < 20; batch++) await append(100)

  // Between any two pages something comes in: what was read of one table and what is read of the next must fit.
  const lines: string[] = []
  {
    await using source = await site.source()
    for await (const { text } of dump(source, { version: '0', now })) {
      lines.push(...text.trimEnd().split('\n'))
      await append(1)
    }
  }
  const { end } = JSON.parse(lines.at(-1) ?? '') as { end: { counts: Record<string, number> } } // the closing line
  const { signals, signal_keys, inbox } = end.counts
  expect(signals).toBeGreaterThanOrEqual(2_000)
  expect([signal_keys, inbox]).toEqual([signals, signals])
  expect(lines).toContain(
    JSON.stringify({ table: 'counters', row: { name: 'accepted', shard: 0, value: signals } }),
  )

  await using copy = await (kind === 'SQLite' ? sqliteSite : postgresSite)()
  await imported(copy, lines)
  await using copied = await openStorage(kind, copy.at)
  expect(await copied.stores.signals.counts()).toMatchObject({ accepted: signals, pending: signals })
  await copied.stores.signals.append([set(idp, 'behind all others')])
  expect((await copied.stores.signals.list({ limit: 1 })).signals).toMatchObject([
    { jti: 'behind all others' },
  ])
})

test('nobody reads or writes a PostgreSQL database while it is being filled', async () => {
  await using site = await postgresSite()
  const client = new Client({ connectionString: site.at, options: '-c lock_timeout=50' })
  await client.connect()
  try {
    {
      await using _target = await site.target()
      for (const statement of ['SELECT 1 FROM api_tokens', "INSERT INTO issuers VALUES ('a')"]) {
        await expect(client.query(statement)).rejects.toThrow('lock timeout')
      }
    }
    expect((await client.query('SELECT 1 FROM api_tokens')).rows).toEqual([])
  } finally {
    await client.end()
  }
})

test.each(sites)('an import into %s that is killed leaves an empty database behind', async (kind, open) => {
  await using first = await sqliteSite()
  {
    await using storage = await openStorage('SQLite', first.at)
    await storage.stores.providers.insert(idp)
    await storage.stores.signals.append(Array.from({ length: 10_000 }, (_, at) => set(idp, `jti${at}`)))
  }
  const lines = await exported(first)
  await using site = await open()
  const env =
    kind === 'SQLite'
      ? { WATCHBELL_DATA: site.at }
      : { WATCHBELL_DATABASE_URL: site.at, WATCHBELL_SECRET_KEY: Buffer.alloc(32).toString('base64') }
  const child = spawn(process.execPath, [main, 'import', '-'], {
    env: { ...childEnvironment, ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.stdin.on('error', () => undefined) // what it had not read when it was killed
  const ended = once(child, 'exit')
  for (const line of lines.slice(0, -1)) {
    if (!child.stdin.write(`${line}\n`)) await once(child.stdin, 'drain') // it has read what came before
  }
  child.kill('SIGKILL')
  await ended
  expect((await exported(site)).slice(1, -1)).toEqual([])
  await imported(site, lines)
  expect((await exported(site)).slice(1)).toEqual(lines.slice(1))
})

test('wide rows make short pages: memory does not grow with them', async () => {
  await using site = await sqliteSite()
  {
    await using storage = await openStorage('SQLite', site.at)
    await storage.stores.providers.insert(idp)
    const token = 'x'.repeat(60_000)
    for (let batch = 0; batch < 4; batch++) {
      const sets = Array.from({ length: 100 }, (_, at) => set(idp, `${batch} ${at}`, { token }))
      await storage.stores.signals.append(sets)
    }
  }
  await using source = await site.source()
  const lengths: number[] = []
  for await (const { text } of dump(source, { version: '0', now })) lengths.push(text.length)
  expect(Math.max(...lengths)).toBeLessThan(1_500_000)
})
