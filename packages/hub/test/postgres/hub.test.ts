import { expect, test } from 'vitest'
import { startTestHub, startTransmitter } from '../../src/testing/index.ts'
import { createDatabase, runOn, startPostgresServer } from '../postgres-server.ts'

const secretKey = Buffer.alloc(32, 'test').toString('base64')
const subject = { format: 'email', email: 'ada@example.com' } as const

test('a hub whose database hangs says that it is not ready while it does', async () => {
  await using server = await startPostgresServer()
  const databaseUrl = await createDatabase(server.url, 'template0')
  await using hub = await startTestHub({ settings: { databaseUrl, secretKey } })
  const ready = async (): Promise<number> => (await fetch(`${hub.origin}/readyz`)).status
  expect(await ready()).toBe(200)
  const backends = await runOn(
    databaseUrl,
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  const processes = [...backends.map(({ pid }) => Number(pid)), server.pid ?? 0]
  for (const pid of processes) process.kill(pid, 'SIGSTOP')
  try {
    expect(await ready()).toBe(503)
  } finally {
    for (const pid of processes) process.kill(pid, 'SIGCONT')
  }
  await expect.poll(ready, { timeout: 10_000 }).toBe(200)
})

test('a hub whose database goes away says so to everyone, and loses and doubles nothing', async () => {
  await using server = await startPostgresServer()
  const databaseUrl = await createDatabase(server.url, 'template0')
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  await using hub = await startTestHub({ settings: { databaseUrl, secretKey } })
  await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'idp',
    type: 'test',
    settings: { well_known_url: transmitter.wellKnownUrl },
  })
  const sets = Array.from({ length: 3 }, () =>
    transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject }),
  )
  const push = async (set: string | undefined): Promise<number> => (await hub.push(set ?? '')).status
  expect(await push(sets[0])).toBe(202)

  await server.stop('immediate')
  const answers = await Promise.all([
    hub.push(sets[0] ?? ''),
    hub.push(sets[1] ?? ''),
    hub.api('GET', '/v1/signals'),
    hub.api('GET', '/api/v1/logs'),
    hub.api('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'ada@example.com' },
      action: { name: 'sign_in' },
      resource: { type: 'application', id: 'wiki' },
    }),
  ])
  for (const answer of answers) {
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
  }
  expect((await fetch(`${hub.origin}/readyz`)).status).toBe(503)
  expect((await fetch(`${hub.origin}/healthz`)).status).toBe(200)

  await server.start()
  await expect.poll(async () => (await fetch(`${hub.origin}/readyz`)).status).toBe(200)
  for (const set of sets) expect(await push(set)).toBe(202)
  await hub.handleAll()
  const { signals } = (await (await hub.api('GET', '/v1/signals')).json()) as {
    readonly signals: readonly { readonly outcome: string }[]
  } // see docs/api.md
  expect(signals.map(({ outcome }) => outcome)).toEqual(['handled', 'handled', 'handled'])
  const received = await hub.api(
    'GET',
    '/api/v1/logs?filter=eventType+eq+"security.events.provider.receive_event"',
  )
  expect(await received.json()).toHaveLength(3)
})
