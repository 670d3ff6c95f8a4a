import { expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import type { ErasureBody } from '../../src/wire/erasures.ts'
import { freePort } from '../free-port.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { places } from './places.ts'
import { register, serve, type ServeProcess } from './serve.ts'

const people = 20
const signalsOfEach = 60
const nameOf = (person: number): string => `person${person}@example.com`

async function get<Body>(hub: ServeProcess, path: string): Promise<Body> {
  const answer = await hub.api('GET', path)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Body
}

test.each(places)(
  'on %s: after kill -9 in the middle of a walk, erasures go on from there, and nothing is counted twice or left out',
  { timeout: 180_000 },
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const port = await freePort()
    let hub = await serve(port, environment)
    await register(hub, transmitter)
    for (let round = 0; round < signalsOfEach; round += 1) {
      await Promise.all(
        Array.from({ length: people }, async (_, person) => {
          const subject = { format: 'email', email: nameOf(person) }
          const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject })
          expect((await hub.push(set)).status).toBe(202)
        }),
      )
    }
    const pending = async () => (await get<{ pending: number }>(hub, '/v1/signals/counts')).pending
    await expect.poll(pending, { timeout: 60_000 }).toBe(0)

    const erased = Array.from({ length: people - 1 }, (_, person) => nameOf(person)) // the last one stays
    const begun = await Promise.all(
      erased.map(async (name) => {
        const answer = await hub.api('DELETE', `/v1/subjects/${encodeURIComponent(name)}`)
        expect(answer.status).toBe(202)
        return (await answer.json()) as ErasureBody
      }),
    )
    const isInTheMiddle = async (): Promise<boolean> => {
      const { erasures } = await get<{ erasures: readonly ErasureBody[] }>(hub, '/v1/erasures')
      if (erasures.every(({ state }) => state === 'done'))
        throw new Error('The walk was too fast to be killed.')
      return erasures.some(({ progress }) => (progress?.rows ?? 0) > 0)
    }
    while (!(await isInTheMiddle()));
    await hub.stop('SIGKILL')
    const killedAt = Date.now()
    hub = await serve(port, environment)

    const shown = () => Promise.all(begun.map(({ id }) => get<ErasureBody>(hub, `/v1/erasures/${id}`)))
    await expect
      .poll(async () => new Set((await shown()).map(({ state }) => state)), { timeout: 60_000 })
      .toEqual(new Set(['done']))
    const done = await shown()
    const interrupted = done.filter(
      ({ started_at: started, finished_at: finished }) =>
        Date.parse(started ?? '') < killedAt && Date.parse(finished ?? '') >= killedAt,
    )
    expect(interrupted.length).toBeGreaterThan(0)
    expect(done.map(({ rewritten }) => rewritten.signals)).toEqual(erased.map(() => signalsOfEach))

    const log = await (await hub.api('GET', '/api/v1/logs?limit=1000')).text()
    for (const name of erased) {
      expect(await get(hub, `/v1/signals?subject=${encodeURIComponent(name)}`)).toMatchObject({ signals: [] })
      expect(log).not.toContain(name)
    }
    const kept = `/v1/signals?limit=200&subject=${encodeURIComponent(nameOf(people - 1))}`
    expect((await get<{ signals: readonly unknown[] }>(hub, kept)).signals).toHaveLength(signalsOfEach)
    expect(await hub.stop('SIGTERM')).toBe(0)
  },
)
