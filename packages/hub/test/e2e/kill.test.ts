import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { places } from './places.ts'
import { register, serve, type ServeProcess } from './serve.ts'
import { freePort } from '../free-port.ts'

const rounds = 5
const senders = 16

test.each(places)(
  'on %s: after kill -9 at any moment, every SET that got 202 is there and is handled exactly once',
  { timeout: 180_000 },
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment, outcome } = await open(folder.path)
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const port = await freePort()
    const accepted = new Map<string, string>()
    let serial = 0

    const sendUntilItDies = async (hub: ServeProcess, jtiPrefix: string): Promise<void> => {
      for (;;) {
        const jti = `${jtiPrefix}-${(serial += 1)}`
        const set = transmitter.sign({
          type: 'session-revoked',
          aud: hub.origin,
          subject: { format: 'email', email: `${jti}@example.com` },
          jti,
        })
        const status = await hub.push(set).then(
          (answer) => answer.status,
          () => undefined,
        )
        if (status === undefined) return
        expect(status).toBe(202)
        accepted.set(jti, set)
      }
    }

    let registered = false
    for (let round = 0; round < rounds; round += 1) {
      const hub = await serve(port, environment)
      if (!registered) {
        await register(hub, transmitter)
        registered = true
      }
      const sending = Array.from({ length: senders }, (_, sender) =>
        sendUntilItDies(hub, `${round}-${sender}`),
      )
      await delay(200 + Math.floor(Math.random() * 600))
      await hub.stop('SIGKILL')
      await Promise.all(sending)
    }

    const hub = await serve(port, environment)
    // Repeats of what was accepted before change nothing.
    for (const set of [...accepted.values()].slice(-20)) expect((await hub.push(set)).status).toBe(202)
    await expect
      .poll(
        async () =>
          ((await (await hub.api('GET', '/v1/signals/counts')).json()) as { pending: number }).pending,
        {
          timeout: 30_000,
        },
      )
      .toBe(0)
    expect(await hub.stop('SIGTERM')).toBe(0)

    expect(accepted.size).toBeGreaterThan(rounds * senders)
    const { stored, logged } = await outcome()
    const present = new Set(stored)
    expect(present.size).toBe(stored.length)
    expect([...accepted.keys()].filter((jti) => !present.has(jti))).toEqual([])
    expect(logged.filter(({ times }) => times !== 1)).toEqual([])
    expect(logged.map(({ jti }) => jti).toSorted((a, b) => a.localeCompare(b))).toEqual(
      stored.toSorted((a, b) => a.localeCompare(b)),
    )
  },
)
