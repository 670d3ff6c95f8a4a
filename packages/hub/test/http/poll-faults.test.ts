import { describe, expect, test } from 'vitest'
import type { EmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startEmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { ada, caep, clientAuth, startReceiver, type Receiver } from '../conformance/receiver.ts'

const revoked = caep('session-revoked')
const patience = { timeout: 20_000, interval: 20 }

/** A second provider of the same hub, with a transmitter of its own. */
async function addNeighbour(receiver: Receiver): Promise<EmulatedTransmitter> {
  const neighbour = await startEmulatedTransmitter({ alg: 'ES256' })
  const created = await receiver.hub.api('POST', '/api/v1/security-events-providers', {
    name: 'neighbour',
    type: 'emulated',
    settings: { well_known_url: neighbour.wellKnownUrl },
  })
  const { id } = (await created.json()) as { id: string }
  const stream = `/v1/providers/${id}/stream`
  expect((await receiver.hub.api('PUT', stream, { delivery: 'poll', auth: clientAuth })).status).toBe(200)
  return neighbour
}

/** A poll of its own makes the hub notice the fault now, not when the long poll that is open ends. */
function wakeUp(transmitter: EmulatedTransmitter): string {
  return transmitter.send({ type: revoked, subject: ada })
}

describe('a fault of one transmitter loses none of its SETs and does not affect other providers', () => {
  test.each<
    [
      string,
      (transmitter: EmulatedTransmitter) => Promise<unknown> | void,
      (transmitter: EmulatedTransmitter) => void,
    ]
  >([
    ['a dead transmitter', (t) => void (t.down = true), (t) => void (t.down = false)],
    [
      'an unreachable token endpoint',
      (t) => {
        t.fail('token', 'reset', Infinity)
        t.revokeTokens()
      },
      (t) => t.mend('token'),
    ],
    ['a poll endpoint that hangs', (t) => t.fail('poll', 'hang', Infinity), (t) => t.mend('poll')],
    [
      'a poll endpoint that says 500',
      (t) => t.fail('poll', { status: 500 }, Infinity),
      (t) => t.mend('poll'),
    ],
    ['answers that are much too large', (t) => t.fail('poll', 'oversized', 3), (t) => t.mend('poll')],
    [
      'a key set that changes before it is published',
      (t) => t.rotateKey({ unpublished: true }),
      (t) => t.publishKeys(),
    ],
    [
      'a key set that cannot be fetched just when the key changes',
      async (t) => {
        t.fail('keys', 'reset', Infinity)
        await t.rotateKey({ withdrawn: true })
      },
      (t) => t.mend('keys'),
    ],
  ])('%s (RFC 8936 §2.4, SSF 1.0 §7.1.1, §4.1.4)', { timeout: 90_000 }, async (_, breakIt, mendIt) => {
    await using receiver = await startReceiver('poll', { transmitter: { alg: 'ES256', longPollMs: 500 } })
    const { transmitter } = receiver
    await using neighbour = await addNeighbour(receiver)
    const first = wakeUp(transmitter)
    expect(await receiver.verdict(first)).toBe('taken')

    await breakIt(transmitter)
    const during = [wakeUp(transmitter), wakeUp(transmitter)]
    for (let count = 0; count < 5; count += 1) {
      const jti = neighbour.send({ type: revoked, subject: ada })
      await expect.poll(() => neighbour.stream().acked, patience).toContain(jti)
    }
    expect(transmitter.stream().acked).not.toContain(during[0])
    mendIt(transmitter)
    for (const jti of during) expect(await receiver.verdict(jti)).toBe('taken')
    expect(transmitter.stream()).toMatchObject({ setErrs: [], waiting: [] })
  })

  test('deactivating the provider stops its polls, and activating it fetches the held SETs', async () => {
    await using receiver = await startReceiver('poll', { transmitter: { alg: 'ES256' } })
    const { transmitter } = receiver
    await using neighbour = await addNeighbour(receiver)
    const provider = `/api/v1/security-events-providers/${receiver.providerId}/lifecycle`
    expect(await receiver.verdict(wakeUp(transmitter))).toBe('taken')
    expect((await receiver.hub.api('POST', `${provider}/deactivate`)).ok).toBe(true)
    await expect.poll(() => openPolls(transmitter), patience).toBe(0)
    const held = wakeUp(transmitter)
    const polls = transmitter.requests.length
    for (const jti of [wakeUp(neighbour), wakeUp(neighbour)]) {
      await expect.poll(() => neighbour.stream().acked, patience).toContain(jti)
    }
    expect(transmitter.requests).toHaveLength(polls)
    expect((await receiver.hub.api('POST', `${provider}/activate`)).ok).toBe(true)
    expect(await receiver.verdict(held)).toBe('taken')
    expect(transmitter.stream().setErrs).toEqual([])
  })

  test('deleting the provider ends its polls', async () => {
    await using receiver = await startReceiver('poll', { transmitter: { alg: 'ES256' } })
    const { transmitter } = receiver
    await expect.poll(() => openPolls(transmitter), patience).toBe(1)
    const path = `/api/v1/security-events-providers/${receiver.providerId}`
    expect((await receiver.hub.api('POST', `${path}/lifecycle/deactivate`)).ok).toBe(true)
    expect((await receiver.hub.api('DELETE', path)).ok).toBe(true)
    await expect.poll(() => openPolls(transmitter), patience).toBe(0)
  })
})

function openPolls({ requests }: EmulatedTransmitter): number {
  return requests.filter(({ endpoint, gone }) => endpoint === 'poll' && !gone.aborted).length
}
