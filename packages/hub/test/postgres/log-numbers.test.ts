import { expect, test } from 'vitest'
import { numberAt } from '../../src/storage/sql/number-at.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

const hourMs = 3_600_000

async function lastNumber(url: string): Promise<number> {
  const [row] = await runOn(url, `SELECT pg_sequence_last_value('log_events_sequence_seq')::float8 AS last`)
  return Number(row?.['last'])
}

test('a hub that starts numbers the log on above all that can have been given before, as after a restore', async () => {
  const databaseUrl = await emptyDatabase()
  const secretKey = Buffer.alloc(32, 'test').toString('base64')
  const before = Date.now()
  await using hub = await startTestHub({ settings: { databaseUrl, secretKey } })
  const user = { kind: 'user', login: 'ada', emails: [], identifiers: [] }
  expect((await hub.api('POST', '/v1/subjects', user)).status).toBe(201)
  expect(await lastNumber(databaseUrl)).toBeGreaterThan(numberAt(before))
  const [row] = await runOn(databaseUrl, 'SELECT max(sequence)::float8 AS max FROM log_events')
  expect(Number(row?.['max'])).toBeGreaterThan(numberAt(before))
})

test('numbers are never lowered, nor raised beyond the clock of the server', async () => {
  const url = await emptyDatabase()
  await using storage = await openPostgres({ url, connectionsMax: 2, migrateAt: new Date() })
  await storage.raiseLogNumbers(new Date())
  const last = await lastNumber(url)
  await storage.raiseLogNumbers(new Date(Date.now() - hourMs))
  expect(await lastNumber(url)).toBe(last)
  await storage.raiseLogNumbers(new Date(Date.now() + 400 * 24 * hourMs))
  expect(await lastNumber(url)).toBeLessThan(numberAt(Date.now() + hourMs))
})
