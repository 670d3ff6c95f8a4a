import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { pollMethod, pushMethod } from '../../src/testing/emulated-streams.ts'
import type { MisbehaviourName } from '../../src/testing/misbehaviours.ts'
import { ada, caep, clientAuth, deliveries, startReceiver, type Receiver } from './receiver.ts'

// The management part of the OpenID Foundation's receiver plans: what a receiver does with a stream at a transmitter.

const methods = { push: pushMethod, poll: pollMethod }

/** Requests to the configuration endpoint with this method. */
const sent = ({ transmitter }: Receiver, method: string) =>
  transmitter.requests.filter((request) => request.endpoint === 'configuration' && request.method === method)
const bodyOf = ({ body }: { readonly body: string }) => JSON.parse(body) as Record<string, unknown>
const path = ({ providerId }: Receiver): string => `/v1/providers/${providerId}/stream`

describe.each(deliveries)('a %s stream', (delivery) => {
  test('is created with what a receiver may say and nothing else (SSF 1.0 §6.1.1, §8.1.1, §8.1.1.1)', async () => {
    await using receiver = await startReceiver(delivery, { connect: { description: 'ours' } })
    const [create] = sent(receiver, 'POST')
    const body = bodyOf(create ?? { body: '{}' })
    expect(Object.keys(body).toSorted()).toEqual(['delivery', 'description', 'events_requested'])
    expect(body['delivery']).toMatchObject({ method: methods[delivery] })
    const requested = body['events_requested'] as string[]
    expect(requested).toContain(caep('session-revoked'))
    expect(requested.filter((type) => type.includes('/ssf/event-type/'))).toEqual([])
    const stream = receiver.stream()
    expect(await receiver.shown()).toMatchObject({
      transmitter: { stream_id: stream.id, aud: [stream.aud] },
      status: 'enabled',
    })
    if (delivery === 'push') expect(stream.authorization).toMatch(/^Bearer \S{32,}$/)
  })

  test('is read, with its status (SSF 1.0 §8.1.2.1, CAEP interop §2.3.8.2)', async () => {
    await using receiver = await startReceiver(delivery)
    expect(
      receiver.transmitter.requests.filter(
        ({ endpoint, method, query }) =>
          endpoint === 'status' && method === 'GET' && query.get('stream_id') === receiver.stream().id,
      ),
    ).not.toEqual([])
  })

  test('is updated: PATCH names the stream, what changes, and no member of the transmitter (SSF 1.0 §8.1.1.3, SSF-C6)', async () => {
    await using receiver = await startReceiver(delivery)
    const events = [caep('session-revoked'), caep('credential-change')]
    const answer = await receiver.hub.api('PATCH', path(receiver), {
      events_requested: events,
      description: 'new',
    })
    expect(answer.status).toBe(200)
    expect(receiver.stream()).toMatchObject({ eventsRequested: events, description: 'new' })
    const patches = sent(receiver, 'PATCH').map(bodyOf)
    expect(patches).not.toEqual([])
    for (const patch of patches) {
      expect(patch['stream_id']).toBe(receiver.stream().id)
      expect(
        Object.keys(patch).filter((name) => /^(iss|aud|events_supported|events_delivered)$/.test(name)),
      ).toEqual([])
    }
  })

  test('is replaced by another PUT, and stays one stream (SSF 1.0 §8.1.1.1, §8.1.1.4)', async () => {
    await using receiver = await startReceiver(delivery)
    const { id } = receiver.stream()
    expect((await receiver.connect({ events_requested: [caep('session-revoked')] })).ok).toBe(true)
    expect(receiver.stream()).toMatchObject({ id, eventsRequested: [caep('session-revoked')] })
  })

  test('is deleted by its id, at the transmitter too (SSF 1.0 §8.1.1.5)', async () => {
    await using receiver = await startReceiver(delivery)
    const { id } = receiver.stream()
    const answer = await receiver.hub.api('DELETE', path(receiver))
    expect(answer.status).toBe(204)
    expect(sent(receiver, 'DELETE').map(({ query }) => query.get('stream_id'))).toEqual([id])
    expect(receiver.transmitter.streams).toHaveLength(0)
    expect((await receiver.hub.api('GET', path(receiver))).status).toBe(404)
  })

  test('that is there already is adopted and repaired (SSF 1.0 §8.1.1.1)', async () => {
    await using receiver = await startReceiver(delivery, { connect: false })
    const { transmitter } = receiver
    const token = await accessToken(transmitter.tokenUrl)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ events_requested: [caep('session-presented')] })
    await fetch(`${transmitter.origin}/ssf/streams`, { method: 'POST', headers, body })
    const { id } = receiver.stream()
    expect((await receiver.connect({ events_requested: [caep('session-revoked')] })).ok).toBe(true)
    expect(receiver.stream()).toMatchObject({
      id,
      method: methods[delivery],
      eventsRequested: [caep('session-revoked')],
    })
    const jti = transmitter.send({ type: caep('session-revoked'), subject: ada })
    expect(await receiver.verdict(jti)).toBe('taken')
  })

  test('has its updates taken up also when the transmitter only says 202 (SSF 1.0 §8.1.1.3)', async () => {
    await using receiver = await startReceiver(delivery, { transmitter: { misbehaving: ['answers-202'] } })
    const answer = await receiver.hub.api('PATCH', path(receiver), { description: 'later' })
    expect(answer.ok).toBe(true)
    expect(receiver.stream().description).toBe('later')
  })

  test.each<MisbehaviourName>(['create-wrong-iss'])(
    'is not used when the transmitter does this: %s (SSF 1.0 §8.1.1.1.1)',
    async (name) => {
      await using receiver = await startReceiver(delivery, {
        connect: false,
        transmitter: { misbehaving: [name] },
      })
      const answer = await receiver.connect()
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(JSON.stringify(await answer.json())).toContain('somebody-else.example')
      const shown = await receiver.shown()
      expect(shown.last_error).toContain('iss')
      expect(shown).not.toHaveProperty('transmitter')
      expect(receiver.transmitter.requests.filter(({ endpoint }) => endpoint === 'verification')).toEqual([])
    },
  )

  test('is not made from metadata that name another issuer (SSF 1.0 §7.2.4)', async () => {
    await using receiver = await startReceiver(delivery, { connect: false })
    const { transmitter } = receiver
    const metadata = (await (await fetch(transmitter.wellKnownUrl)).json()) as object
    transmitter.fail(
      'metadata',
      { status: 200, body: { ...metadata, issuer: 'https://somebody-else.example' } },
      Infinity,
    )
    const answer = await receiver.connect()
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(receiver.transmitter.streams).toHaveLength(0)
  })

  test('is paused and enabled by us, at the transmitter too (CAEP interop §2.3.8.2)', async () => {
    await using receiver = await startReceiver(delivery)
    for (const status of ['paused', 'enabled'] as const) {
      const answer = await receiver.hub.api('PUT', `${path(receiver)}/status`, {
        status,
        reason: 'maintenance',
      })
      expect(answer.ok).toBe(true)
      expect(receiver.stream()).toMatchObject({ status, reason: 'maintenance' })
      expect(await receiver.shown()).toMatchObject({ status })
    }
  })

  test('outlives its access token, ended or revoked (SSF 1.0 §8, CAEP interop §2.7)', async () => {
    await using receiver = await startReceiver(delivery)
    const { transmitter } = receiver
    const issued = transmitter.tokensIssued
    transmitter.revokeTokens()
    const answer = await receiver.hub.api('PATCH', path(receiver), { description: 'with a new token' })
    expect(answer.ok).toBe(true)
    expect(receiver.stream().description).toBe('with a new token')
    expect(transmitter.tokensIssued).toBeGreaterThan(issued)
  })
})

describe('how it authenticates (SSF 1.0 §8, CAEP interop §2.7, §2.7.2)', () => {
  test.each([
    ['a static token', { method: 'bearer', token: 'static-token' }, {}],
    ['client_secret_basic', clientAuth, {}],
    ['client_secret_post', { ...clientAuth, method: 'client_secret_post' }, {}],
    ['a secret with DPoP', { ...clientAuth, dpop: true }, { dpop: true }],
    ['a secret with DPoP and nonces', { ...clientAuth, dpop: true }, { dpop: true, dpopNonces: true }],
  ])('%s, the token endpoint by discovery', async (_, auth, options) => {
    for (const delivery of deliveries) {
      await using receiver = await startReceiver(delivery, { connect: { auth }, transmitter: options })
      const jti = receiver.transmitter.send({ type: caep('session-revoked'), subject: ada })
      expect(await receiver.verdict(jti)).toBe('taken')
    }
  })

  test('private_key_jwt', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [await exportJWK(publicKey)] }
    const auth = { method: 'private_key_jwt', client_id: 'app', client_key: await exportJWK(privateKey) }
    await using receiver = await startReceiver('poll', {
      connect: { auth },
      transmitter: { clients: [{ id: 'app', jwks }] },
    })
    expect(receiver.stream().receiver).toBe('app')
  })

  test.each([
    ['another secret', { ...clientAuth, client_secret: 'other' }],
    ['another token', { method: 'bearer', token: 'other' }],
  ])('%s makes no stream, and the reason is said', async (_, auth) => {
    await using receiver = await startReceiver('poll', { connect: false })
    const answer = await receiver.connect({ auth })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(receiver.transmitter.streams).toHaveLength(0)
  })
})

async function accessToken(tokenUrl: string): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'receiver',
    client_secret: 'receiver',
  })
  const answer = await fetch(tokenUrl, { method: 'POST', body })
  return ((await answer.json()) as { access_token: string }).access_token
}
