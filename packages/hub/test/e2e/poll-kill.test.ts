import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { places } from './places.ts'
import { serve, type ServeProcess } from './serve.ts'
import { freePort } from '../free-port.ts'

const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
/** On PostgreSQL the lease of the killed node has to run out each time. */
const rounds = { SQLite: 5, PostgreSQL: 2 }
const patience = { timeout: 60_000, interval: 50 }

async function connect(hub: ServeProcess, { issuer, wellKnownUrl }: EmulatedTransmitter): Promise<string> {
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: issuer,
    type: 'emulated',
    settings: { well_known_url: wellKnownUrl },
  })
  const { id } = (await created.json()) as { id: string }
  const connected = await hub.api('PUT', `/v1/providers/${id}/stream`, {
    delivery: 'poll',
    auth: { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' },
  })
  expect(connected.status).toBe(200)
  return id
}

test.each(places)(
  'on %s: after kill -9 between the answer to a poll and the commit, SETs come again and are handled once (RFC 8936 §2.4)',
  { timeout: 180_000 },
  async (database, open) => {
    await using folder = await temporaryFolder()
    const { environment, outcome } = await open(folder.path)
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256', pollEventsMax: 50 })
    const port = await freePort()
    const sent: string[] = []
    const send = (): void => {
      const jti = transmitter.send({
        type: revoked,
        subject: { format: 'email', email: `${sent.length}@example.com` },
      })
      sent.push(jti)
    }

    for (let round = 0; round < rounds[database]; round += 1) {
      const hub = await serve(port, environment)
      if (round === 0) await connect(hub, transmitter)
      const acked = transmitter.stream().acked.length
      for (let count = 0; count < 500; count += 1) send()
      // killed in the midst of it: some are acknowledged, some were handed out and not yet, some still wait
      await expect.poll(() => transmitter.stream().acked.length, patience).toBeGreaterThan(acked)
      await delay(Math.floor(Math.random() * 100))
      await hub.stop('SIGKILL')
    }
    const { waiting } = transmitter.stream()
    expect(waiting.length + transmitter.stream().acked.length).toBeGreaterThanOrEqual(sent.length)

    const hub = await serve(port, environment)
    await expect.poll(() => transmitter.stream().waiting.length, patience).toBe(0)
    await expect
      .poll(
        async () =>
          ((await (await hub.api('GET', '/v1/signals/counts')).json()) as { pending: number }).pending,
        patience,
      )
      .toBe(0)
    expect(await hub.stop('SIGTERM')).toBe(0)

    expect(transmitter.stream().setErrs).toEqual([])
    const { stored, logged } = await outcome()
    const present = new Set(stored)
    expect(sent.filter((jti) => !present.has(jti))).toEqual([])
    expect(present.size).toBe(stored.length)
    expect(logged.filter(({ times }) => times !== 1)).toEqual([])
    const known = new Set(logged.map(({ jti }) => jti))
    expect(sent.filter((jti) => !known.has(jti))).toEqual([])
  },
)

test.each(places)(
  'on %s: a restart goes on where it was: what came meanwhile is fetched, nothing twice (RFC 8936 §2.4)',
  { timeout: 60_000 },
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const port = await freePort()
    const first = await serve(port, environment)
    await connect(first, transmitter)
    const before = transmitter.send({ type: revoked, subject: { format: 'opaque', id: '1' } })
    await expect.poll(() => transmitter.stream().acked, patience).toContain(before)
    expect(await first.stop('SIGTERM')).toBe(0)
    const meanwhile = transmitter.send({ type: revoked, subject: { format: 'opaque', id: '2' } })
    const second = await serve(port, environment)
    await expect.poll(() => transmitter.stream().acked, patience).toContain(meanwhile)
    const { signals } = (await (await second.api('GET', '/v1/signals?outcome=handled')).json()) as {
      signals: { jti: string; repeats: number }[]
    }
    expect(signals.find(({ jti }) => jti === before)).toMatchObject({ repeats: 0 })
    expect(await second.stop('SIGTERM')).toBe(0)
  },
)
