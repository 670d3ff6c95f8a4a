import { hash } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import { describe, expect, test } from 'vitest'
import { startLocalServer, type LocalServer } from '../../test/local-server.ts'
import { eventCatalogue } from '@watchbell/receiver/events'
import { pollMethod, pushMethod } from './emulated-streams.ts'
import {
  startEmulatedTransmitter,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from './emulated-transmitter.ts'

const ada = { format: 'email', email: 'ada@example.com' }
const grace = { format: 'email', email: 'grace@example.com' }
const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const changed = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const streamUpdated = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'

type Json = Record<string, unknown>

const start = (options: EmulatedTransmitterOptions = {}) =>
  startEmulatedTransmitter({ alg: 'EdDSA', longPollMs: 50, ...options })

/** A management call with the static token, or with another one. */
async function call(
  transmitter: EmulatedTransmitter,
  method: string,
  path: string,
  body?: unknown,
  authorization = 'Bearer static-token',
): Promise<{ status: number; headers: Headers; json: Json }> {
  const response = await fetch(transmitter.origin + path, {
    method,
    headers: { authorization, 'content-type': 'application/json', 'content-language': 'en' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    json: text === '' ? {} : (JSON.parse(text) as Json),
  }
}

async function create(transmitter: EmulatedTransmitter, body: object = {}): Promise<Json> {
  const { status, json } = await call(transmitter, 'POST', '/ssf/streams', body)
  expect(status).toBe(201)
  return json
}

const push = (receiver: LocalServer, authorization?: string) => ({
  delivery: {
    method: pushMethod,
    endpoint_url: `${receiver.origin}/events`,
    ...(authorization !== undefined && { authorization_header: authorization }),
  },
})

async function poll(transmitter: EmulatedTransmitter, body: object = { returnImmediately: true }) {
  const { json } = await call(transmitter, 'POST', `/ssf/poll/${transmitter.stream().id}`, body)
  return { sets: json['sets'] as Record<string, string>, moreAvailable: json['moreAvailable'] === true }
}

function claims(token = ''): Json {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Json
}

/** A receiver that answers pushes as told, 202 at first, and shows their headers and tokens. */
async function startReceiver(answers: number[] = []) {
  const pushed: { headers: Record<string, unknown>; token: string }[] = []
  const server = await startLocalServer((request, response) => {
    let token = ''
    request.on('data', (chunk: Buffer) => (token += chunk.toString()))
    request.on('end', () => {
      pushed.push({ headers: request.headers, token })
      const status = answers.shift() ?? 202
      response
        .writeHead(status, status === 429 ? { 'retry-after': '30' } : {})
        .end(status === 400 ? '{"err":"invalid_key","description":"no"}' : '')
    })
  })
  return Object.assign(server, { pushed })
}

describe('metadata', () => {
  test('are complete and public (SSF 1.0 §7.2.3, §7.1, CAEP interop §2.3)', async () => {
    await using transmitter = await start({ criticalSubjectMembers: ['tenant'] })
    const response = await fetch(transmitter.wellKnownUrl)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
    const at = (path: string): string => transmitter.origin + path
    expect(await response.json()).toEqual({
      spec_version: '1_0',
      issuer: transmitter.issuer,
      jwks_uri: at('/jwks.json'),
      delivery_methods_supported: [pushMethod, pollMethod],
      configuration_endpoint: at('/ssf/streams'),
      status_endpoint: at('/ssf/status'),
      add_subject_endpoint: at('/ssf/subjects:add'),
      remove_subject_endpoint: at('/ssf/subjects:remove'),
      verification_endpoint: at('/ssf/verify'),
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:6750' }],
      default_subjects: 'ALL',
      critical_subject_members: ['tenant'],
    })
  })

  test('include those of the authorization server and of the protected resources (RFC 8414, RFC 9728)', async () => {
    await using transmitter = await start()
    const { json } = await call(transmitter, 'GET', '/.well-known/oauth-protected-resource/ssf/streams')
    expect(json).toMatchObject({
      resource: `${transmitter.origin}/ssf/streams`,
      authorization_servers: [transmitter.origin],
      scopes_supported: ['ssf.read', 'ssf.manage'],
    })
    const server = await call(transmitter, 'GET', '/.well-known/oauth-authorization-server')
    expect(server.json).toMatchObject({ issuer: transmitter.origin, token_endpoint: transmitter.tokenUrl })
  })
})

describe('access tokens (SSF 1.0 §8, CAEP interop §2.7.3)', () => {
  const form = (members: Record<string, string>, headers: Record<string, string> = {}) => ({
    method: 'POST',
    headers,
    body: new URLSearchParams({ grant_type: 'client_credentials', ...members }),
  })
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  })

  test.each([
    ['client_secret_basic', form({}, basic('receiver', 'receiver')), 200],
    ['client_secret_post', form({ client_id: 'receiver', client_secret: 'receiver' }), 200],
    ['a subset of the scopes', form({ scope: 'ssf.read' }, basic('receiver', 'receiver')), 200],
    ['another secret', form({}, basic('receiver', 'other')), 401],
    ['another client', form({ client_id: 'other', client_secret: 'receiver' }), 401],
    ['no client', form({}), 401],
    ['an unknown scope', form({ scope: 'ssf.all' }, basic('receiver', 'receiver')), 400],
    ['another grant', form({ grant_type: 'password' }, basic('receiver', 'receiver')), 400],
    ['GET', { method: 'GET' }, 405],
  ])('%s gives %j', async (_, request, status) => {
    await using transmitter = await start()
    const response = await fetch(transmitter.tokenUrl, request)
    const body = (await response.json()) as Json
    expect(response.status).toBe(status)
    expect('access_token' in body).toBe(status === 200)
  })

  test('private_key_jwt is accepted with the key of that client only', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const stranger = await generateKeyPair('ES256')
    const jwks = { keys: [await exportJWK(publicKey)] }
    await using transmitter = await start({ clients: [{ id: 'app', jwks }] })
    const assert = async (key: CryptoKey, audience: string, id: string): Promise<number> => {
      const assertion = await new SignJWT({ jti: 'j' })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(id)
        .setSubject(id)
        .setAudience(audience)
        .setExpirationTime('1m')
        .sign(key)
      const members = {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }
      return (await fetch(transmitter.tokenUrl, form(members))).status
    }
    expect(await assert(privateKey, transmitter.tokenUrl, 'app')).toBe(200)
    expect(await assert(privateKey, transmitter.origin, 'app')).toBe(200)
    expect(await assert(privateKey, 'https://elsewhere.example', 'app')).toBe(401)
    expect(await assert(privateKey, transmitter.tokenUrl, 'other')).toBe(401)
    expect(await assert(stranger.privateKey, transmitter.tokenUrl, 'app')).toBe(401)
  })

  test('a proof without the current nonce gets that nonce, from the token endpoint and the API', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    await using transmitter = await start({ dpop: true, dpopNonces: true })
    const proof = (url: string, nonce: string | null, accessToken?: string): Promise<string> =>
      new SignJWT({
        htm: accessToken === undefined ? 'POST' : 'GET',
        htu: url,
        jti: crypto.randomUUID(),
        ...(nonce !== null && { nonce }),
        ...(accessToken !== undefined && { ath: hash('sha256', accessToken, 'base64url') }),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt()
        .sign(privateKey)
    const ask = async (nonce: string | null) => {
      const dpop = await proof(transmitter.tokenUrl, nonce)
      const response = await fetch(transmitter.tokenUrl, form({}, { ...basic('receiver', 'receiver'), dpop }))
      const { error, access_token } = (await response.json()) as { error?: string; access_token?: string }
      return { status: response.status, nonce: response.headers.get('dpop-nonce'), error, access_token }
    }
    const first = await ask(null)
    expect(first).toMatchObject({ status: 400, error: 'use_dpop_nonce', nonce: expect.stringMatching(/./) })
    expect(await ask('made up')).toMatchObject({ status: 400, error: 'use_dpop_nonce', nonce: first.nonce })
    const { status, access_token: token = '' } = await ask(first.nonce)
    expect(status).toBe(200)

    const url = `${transmitter.origin}/ssf/streams`
    const use = async (nonce: string | null) => {
      const headers = { authorization: `DPoP ${token}`, dpop: await proof(url, nonce, token) }
      const { status, headers: said } = await fetch(url, { headers })
      return { status, nonce: said.get('dpop-nonce'), challenge: said.get('www-authenticate') ?? '' }
    }
    const refused = await use(first.nonce)
    expect([refused.status, refused.challenge]).toEqual([
      401,
      expect.stringMatching(/^DPoP .*error="use_dpop_nonce"/),
    ])
    expect((await use(refused.nonce)).status).toBe(200)
    transmitter.rotateNonces()
    expect((await use(refused.nonce)).status).toBe(401)
  })

  test('end with their lifetime or by revocation, and have only the requested scopes', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z')
    const world = { now: () => new Date(now), newUuid: () => crypto.randomUUID(), fetch }
    await using transmitter = await start({ world, tokenLifetimeS: 60 })
    const token = async (scope: string): Promise<string> => {
      const response = await fetch(transmitter.tokenUrl, form({ scope }, basic('receiver', 'receiver')))
      return `Bearer ${((await response.json()) as { access_token: string }).access_token}`
    }
    const use = (authorization: string, method = 'GET') =>
      call(transmitter, method, '/ssf/streams', method === 'GET' ? undefined : {}, authorization)

    const first = await token('ssf.read')
    expect((await use(first)).status).toBe(200)
    const lacking = await use(first, 'POST')
    expect([lacking.status, lacking.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ])
    now += 60_000
    expect((await use(first)).status).toBe(401)
    const second = await token('ssf.manage')
    expect((await use(second)).status).toBe(200)
    transmitter.revokeTokens()
    expect((await use(second)).status).toBe(401)
    transmitter.misbehaving.add('tokens-never-good')
    expect((await use(await token('ssf.manage'))).status).toBe(401)
    expect(transmitter.tokensIssued).toBe(3)
  })

  test.each([
    ['none', ''],
    ['an unknown one', 'Bearer who'],
    ['another scheme', 'SSWS static-token'],
  ])(
    '%s is 401 with the place of the metadata, on every endpoint (SSF 1.0 §7.1.1, RFC 9728 §5.1)',
    async (_, authorization) => {
      await using transmitter = await start()
      const { stream_id: id } = await create(transmitter)
      for (const path of [
        '/ssf/streams',
        '/ssf/status',
        '/ssf/verify',
        '/ssf/subjects:add',
        `/ssf/poll/${String(id)}`,
      ]) {
        const { status, headers } = await call(transmitter, 'POST', path, {}, authorization)
        expect([status, headers.get('www-authenticate')]).toEqual([
          401,
          expect.stringContaining(
            `resource_metadata="${transmitter.origin}/.well-known/oauth-protected-resource${path}"`,
          ),
        ])
      }
    },
  )

  test('a token in the query is refused (CAEP interop §2.7.3)', async () => {
    await using transmitter = await start()
    expect((await fetch(`${transmitter.origin}/ssf/streams?access_token=static-token`)).status).toBe(401)
  })
})

describe('stream configuration', () => {
  test('create without delivery makes a poll stream with its own URL (SSF 1.0 §8.1.1.1, §6.1.2)', async () => {
    await using transmitter = await start({ minVerificationIntervalS: 60, inactivityTimeoutS: 3_600 })
    const stream = await create(transmitter, {
      description: 'ours',
      events_requested: [revoked, 'urn:unknown'],
    })
    expect(stream).toEqual({
      stream_id: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
      iss: transmitter.issuer,
      aud: `${transmitter.issuer}/receivers/static`,
      delivery: {
        method: pollMethod,
        endpoint_url: `${transmitter.origin}/ssf/poll/${String(stream['stream_id'])}`,
      },
      events_supported: eventCatalogue
        .filter(({ family }) => family === 'caep' || family === 'risc')
        .map(({ type }) => type),
      events_requested: [revoked, 'urn:unknown'],
      events_delivered: [revoked],
      description: 'ours',
      min_verification_interval: 60,
      inactivity_timeout: 3_600,
    })
  })

  test.each([
    ['text instead of JSON', 'x'],
    ['an array', []],
    ['a delivery that is no object', { delivery: 'poll' }],
    ['an unknown method', { delivery: { method: 'urn:ietf:rfc:0' } }],
    ['push without a URL', { delivery: { method: pushMethod } }],
    ['push to something else', { delivery: { method: pushMethod, endpoint_url: 'ftp://x' } }],
    [
      'an authorization that is no string',
      { delivery: { method: pushMethod, endpoint_url: 'https://x', authorization_header: 1 } },
    ],
    ['events that are no array', { events_requested: revoked }],
    ['a description that is no string', { description: {} }],
  ])('create with %s is answered with 400 (SSF 1.0 §8.1.1.1)', async (_, body) => {
    await using transmitter = await start()
    expect((await call(transmitter, 'POST', '/ssf/streams', body)).status).toBe(400)
    expect(transmitter.streams).toHaveLength(0)
  })

  test('a second create is 409, or makes a second stream when several are allowed (SSF 1.0 §8.1.1.1)', async () => {
    await using transmitter = await start()
    await create(transmitter)
    expect((await call(transmitter, 'POST', '/ssf/streams', {})).status).toBe(409)
    await using generous = await start({ streamsPerReceiver: 2 })
    const ids = [await create(generous), await create(generous)].map((stream) => stream['stream_id'])
    expect(new Set(ids).size).toBe(2)
    expect((await call(generous, 'GET', '/ssf/streams')).json).toHaveLength(2)
  })

  test('read answers one stream by id, all without id, and 404 for an unknown id (SSF 1.0 §8.1.1.2)', async () => {
    await using transmitter = await start()
    expect((await call(transmitter, 'GET', '/ssf/streams')).json).toEqual([])
    const stream = await create(transmitter)
    const { json } = await call(transmitter, 'GET', `/ssf/streams?stream_id=${String(stream['stream_id'])}`)
    expect(json).toEqual(stream)
    expect((await call(transmitter, 'GET', '/ssf/streams')).json).toEqual([stream])
    expect((await call(transmitter, 'GET', '/ssf/streams?stream_id=other')).status).toBe(404)
  })

  test('PATCH changes the members that it names, PUT also deletes those that it does not name (SSF 1.0 §8.1.1.3)', async () => {
    await using transmitter = await start()
    await using receiver = await startReceiver()
    const { stream_id: id } = await create(transmitter, { description: 'one', events_requested: [revoked] })
    const patched = await call(transmitter, 'PATCH', '/ssf/streams', {
      stream_id: id,
      description: 'two',
      ...push(receiver),
    })
    expect(patched).toMatchObject({
      status: 200,
      json: { description: 'two', events_delivered: [revoked], delivery: push(receiver).delivery },
    })
    const put = await call(transmitter, 'PUT', '/ssf/streams', { stream_id: id, events_requested: [changed] })
    expect(put).toMatchObject({
      status: 200,
      json: { events_delivered: [changed], delivery: { method: pollMethod } },
    })
    expect(put.json).not.toHaveProperty('description')
  })

  test.each<[string, (id: unknown) => object, number]>([
    ['no stream_id', () => ({ description: 'x' }), 400],
    ['another stream_id', () => ({ stream_id: 'other' }), 404],
    ['another aud', (id) => ({ stream_id: id, aud: 'https://other.example' }), 400],
    ['another iss', (id) => ({ stream_id: id, iss: 'https://other.example' }), 400],
    ['other events_delivered', (id) => ({ stream_id: id, events_delivered: [] }), 400],
    ['a malformed delivery', (id) => ({ stream_id: id, delivery: {} }), 400],
  ])('PATCH and PUT with %s are refused (SSF 1.0 §8.1.1.3)', async (_, body, status) => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    for (const method of ['PATCH', 'PUT']) {
      expect((await call(transmitter, method, '/ssf/streams', body(id))).status).toBe(status)
    }
  })

  test('members of the transmitter may be sent unchanged, and 202 may be the only answer (SSF 1.0 §8.1.1.3)', async () => {
    await using transmitter = await start({ misbehaving: ['answers-202'] })
    const stream = await create(transmitter)
    const answer = await call(transmitter, 'PUT', '/ssf/streams', { ...stream, description: 'new' })
    expect(answer).toMatchObject({ status: 202, json: {} })
    expect(transmitter.stream().description).toBe('new')
  })

  test('delete is 204, then 404, and 400 without id (SSF 1.0 §8.1.1.5)', async () => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    const remove = async (query: string): Promise<number> =>
      (await call(transmitter, 'DELETE', `/ssf/streams${query}`)).status
    expect(await remove('')).toBe(400)
    expect(await remove(`?stream_id=${String(id)}`)).toBe(204)
    expect(await remove(`?stream_id=${String(id)}`)).toBe(404)
  })

  test('a receiver does not see the stream of another receiver (SSF 1.0 §8)', async () => {
    await using transmitter = await start({ bearerTokens: ['static-token', 'second'] })
    const { stream_id: id } = await create(transmitter)
    const second = (method: string, path: string, body?: object) =>
      call(transmitter, method, path, body, 'Bearer second')
    expect((await second('GET', '/ssf/streams')).json).toEqual([])
    expect((await second('GET', `/ssf/status?stream_id=${String(id)}`)).status).toBe(404)
    expect((await second('POST', '/ssf/verify', { stream_id: id })).status).toBe(404)
    expect((await second('POST', `/ssf/poll/${String(id)}`, {})).status).toBe(404)
  })
})

describe('status', () => {
  test('is read and set, and a bad status is 400 (SSF 1.0 §8.1.2.1)', async () => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    const path = `/ssf/status?stream_id=${String(id)}`
    expect((await call(transmitter, 'GET', path)).json).toEqual({ stream_id: id, status: 'enabled' })
    const answer = await call(transmitter, 'POST', '/ssf/status', {
      stream_id: id,
      status: 'paused',
      reason: 'lunch',
    })
    expect(answer).toMatchObject({ status: 200, json: { stream_id: id, status: 'paused', reason: 'lunch' } })
    for (const [body, status] of [
      [{ stream_id: id, status: 'off' }, 400],
      [{ stream_id: id }, 400],
      [{ status: 'paused' }, 400],
      [{ stream_id: 'other', status: 'paused' }, 404],
    ] as const) {
      expect((await call(transmitter, 'POST', '/ssf/status', body)).status).toBe(status)
    }
  })

  test('paused holds events in order, disabled drops them (SSF 1.0 §8.1.2.1)', async () => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    const set = (status: string) => call(transmitter, 'POST', '/ssf/status', { stream_id: id, status })
    await set('paused')
    const held = [
      transmitter.send({ type: revoked, subject: ada }),
      transmitter.send({ type: changed, subject: ada }),
    ]
    expect((await poll(transmitter)).sets).toEqual({})
    await set('enabled')
    expect(Object.keys((await poll(transmitter)).sets)).toEqual(held)
    await set('disabled')
    transmitter.send({ type: revoked, subject: ada })
    await set('enabled')
    expect((await poll(transmitter)).sets).toEqual({})
  })

  test('changes by the transmitter are announced, also while the stream is paused or disabled (SSF 1.0 §8.1.5)', async () => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    transmitter.setStatus('paused', 'maintenance')
    transmitter.send({ type: revoked, subject: ada })
    const { sets } = await poll(transmitter)
    const [announced] = Object.values(sets)
    expect(Object.keys(sets)).toHaveLength(1)
    expect(claims(announced)).toMatchObject({
      sub_id: { format: 'opaque', id },
      events: { [streamUpdated]: { status: 'paused', reason: 'maintenance' } },
    })
  })

  test('a stream is paused after inactivity_timeout without a poll or call of the receiver (SSF 1.0 §8.1.1)', async () => {
    let now = 0
    const world = { now: () => new Date(now), newUuid: () => crypto.randomUUID(), fetch }
    await using transmitter = await start({ world, inactivityTimeoutS: 60 })
    const { stream_id: id } = await create(transmitter)
    for (const alive of [
      () => poll(transmitter),
      () => call(transmitter, 'GET', `/ssf/status?stream_id=${String(id)}`),
    ]) {
      now += 59_000
      await alive()
      transmitter.pauseInactive()
      expect(transmitter.stream().status).toBe('enabled')
    }
    now += 61_000
    transmitter.pauseInactive()
    expect(transmitter.stream()).toMatchObject({ status: 'paused', reason: 'inactivity' })
  })
})

describe('subjects', () => {
  test.each<[string, 'ALL' | 'NONE', object[], object[], object, boolean]>([
    ['everybody by default', 'ALL', [], [], ada, true],
    ['not who was removed', 'ALL', [], [ada], ada, false],
    ['nobody by default', 'NONE', [], [], ada, false],
    ['who was added', 'NONE', [ada], [], ada, true],
    ['not somebody else', 'NONE', [ada], [], grace, false],
    [
      'a complex one that the added one leaves open',
      'NONE',
      [{ format: 'complex', user: ada }],
      [],
      { format: 'complex', user: ada, device: grace },
      true,
    ],
    [
      'not a complex one that differs in a member',
      'NONE',
      [{ format: 'complex', user: ada }],
      [],
      { format: 'complex', user: grace },
      false,
    ],
    ['not a complex one for a simple one', 'NONE', [ada], [], { format: 'complex', user: ada }, false],
  ])('%s (SSF 1.0 §8.1.3.1, §8.1.3.2)', async (_, defaultSubjects, added, removed, subject, delivered) => {
    await using transmitter = await start({ defaultSubjects })
    const { stream_id: id } = await create(transmitter)
    for (const one of added) {
      const { status } = await call(transmitter, 'POST', '/ssf/subjects:add', { stream_id: id, subject: one })
      expect(status).toBe(200)
    }
    for (const one of removed) {
      const { status } = await call(transmitter, 'POST', '/ssf/subjects:remove', {
        stream_id: id,
        subject: one,
      })
      expect(status).toBe(204)
    }
    const jti = transmitter.send({ type: revoked, subject })
    expect(Object.keys((await poll(transmitter)).sets)).toEqual(delivered ? [jti] : [])
  })

  test('bad subjects are 400, unknown streams 404, and removed subjects may get events (SSF 1.0 §8.1.3.2, §9.3)', async () => {
    await using transmitter = await start({ misbehaving: ['removed-subjects-go-on'] })
    const { stream_id: id } = await create(transmitter)
    for (const [body, status] of [
      [{ stream_id: id }, 400],
      [{ stream_id: id, subject: 'ada' }, 400],
      [{ stream_id: 'other', subject: ada }, 404],
    ] as const) {
      expect((await call(transmitter, 'POST', '/ssf/subjects:add', body)).status).toBe(status)
      expect((await call(transmitter, 'POST', '/ssf/subjects:remove', body)).status).toBe(status)
    }
    await call(transmitter, 'POST', '/ssf/subjects:remove', { stream_id: id, subject: ada })
    const jti = transmitter.send({ type: revoked, subject: ada })
    expect(Object.keys((await poll(transmitter)).sets)).toEqual([jti])
  })
})

describe('verification', () => {
  test('is 204, and an event about the stream with the state follows (SSF 1.0 §8.1.4)', async () => {
    await using transmitter = await start()
    const { stream_id: id, aud } = await create(transmitter)
    const { status } = await call(transmitter, 'POST', '/ssf/verify', { stream_id: id, state: 's' })
    expect(status).toBe(204)
    const [[jti, token] = []] = Object.entries((await poll(transmitter)).sets)
    const { iat, ...rest } = claims(token)
    expect(iat).toEqual(expect.any(Number))
    expect(rest).toEqual({
      iss: transmitter.issuer,
      aud,
      jti,
      txn: jti,
      sub_id: { format: 'opaque', id },
      events: { [verification]: { state: 's' } },
    }) // SSF 1.0 §4.1: no sub, no exp
  })

  test('an unsolicited event has no state, unless a misbehaviour adds one (SSF 1.0 §8.1.4)', async () => {
    await using transmitter = await start()
    await create(transmitter)
    await transmitter.verify()
    transmitter.misbehaving.add('verify-unasked-state').add('verify-wrong-subject')
    await transmitter.verify()
    const [first, second] = Object.values((await poll(transmitter)).sets).map(claims)
    expect(first?.['events']).toEqual({ [verification]: {} })
    expect(second?.['events']).toEqual({ [verification]: { state: 'not-asked-for' } })
    expect(second?.['sub_id']).toEqual({ format: 'opaque', id: `not-${transmitter.stream().id}` })
  })

  test('is 429 within the minimal interval, and 204 later or without an interval (SSF 1.0 §8.1.4)', async () => {
    let now = 0
    const world = { now: () => new Date(now), newUuid: () => crypto.randomUUID(), fetch }
    await using strict = await start({ world, minVerificationIntervalS: 30 })
    const { stream_id: id } = await create(strict)
    const verify = () => call(strict, 'POST', '/ssf/verify', { stream_id: id })
    expect((await verify()).status).toBe(204)
    now += 29_500
    const tooSoon = await verify()
    expect([tooSoon.status, tooSoon.headers.get('retry-after')]).toEqual([429, '1'])
    now += 500
    expect((await verify()).status).toBe(204)
    expect((await call(strict, 'POST', '/ssf/verify', { stream_id: id, state: 1 })).status).toBe(400)
  })
})

describe('push delivery (SSF 1.0 §6.1.1)', () => {
  test('has the media type, Accept and the registered Authorization', async () => {
    await using transmitter = await start()
    await using receiver = await startReceiver()
    await create(transmitter, push(receiver, 'Secret abc'))
    const jti = transmitter.send({ type: revoked, subject: ada })
    await transmitter.pushAll()
    expect(receiver.pushed).toHaveLength(1)
    expect(receiver.pushed[0]?.headers).toMatchObject({
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      authorization: 'Secret abc',
    })
    expect(claims(receiver.pushed[0]?.token)).toMatchObject({ jti })
    expect(transmitter.stream()).toMatchObject({ waiting: [], pushes: [{ jti, status: 202 }] })
  })

  test.each([408, 429, 500, 503])('%d is retried, in order', async (status) => {
    await using transmitter = await start({ pushRetryMs: 3_600_000 })
    await using receiver = await startReceiver([status])
    await create(transmitter, push(receiver))
    const jtis = [
      transmitter.send({ type: revoked, subject: ada }),
      transmitter.send({ type: changed, subject: ada }),
    ]
    await transmitter.pushAll() // the first fails; whether this turn or the one before saw it does not matter
    await transmitter.pushAll()
    expect(transmitter.stream().pushes.map((push) => push.jti)).toEqual([jtis[0], ...jtis])
    expect(transmitter.stream().pushes.map((push) => push.status)).toEqual([status, 202, 202])
  })

  test.each([400, 401, 403, 404])('%d is final', async (status) => {
    await using transmitter = await start()
    await using receiver = await startReceiver([status])
    await create(transmitter, push(receiver))
    transmitter.send({ type: revoked, subject: ada })
    await transmitter.pushAll()
    await transmitter.pushAll()
    expect(transmitter.stream()).toMatchObject({ waiting: [], pushes: [{ status }] })
    if (status === 400)
      expect(transmitter.stream().pushes[0]).toMatchObject({ err: 'invalid_key', description: 'no' })
  })

  test('a receiver that was unreachable gets the SET later', async () => {
    await using transmitter = await start({ pushRetryMs: 3_600_000 })
    const gone = await startReceiver()
    await create(transmitter, push(gone))
    await gone[Symbol.asyncDispose]()
    const jti = transmitter.send({ type: revoked, subject: ada })
    await transmitter.pushAll()
    await using back = await startLocalServer((_request, response) => void response.writeHead(202).end(), {
      port: gone.port,
    })
    await transmitter.pushAll()
    expect(back.requests).toEqual(['/events'])
    expect(transmitter.stream().pushes.at(-1)).toMatchObject({ jti, status: 202 })
  })

  test('retries follow after a pause', async () => {
    await using transmitter = await start({ pushRetryMs: 10 })
    await using receiver = await startReceiver([503, 500])
    await create(transmitter, push(receiver))
    transmitter.send({ type: revoked, subject: ada })
    await expect.poll(() => transmitter.stream().waiting).toEqual([])
    expect(transmitter.stream().pushes.map(({ status }) => status)).toEqual([503, 500, 202])
  })

  test('SETs that a pause held back are pushed when the stream is enabled, however soon (SSF 1.0 §8.1.2.1)', async () => {
    await using transmitter = await start()
    await using receiver = await startReceiver()
    await create(transmitter, push(receiver))
    transmitter.setStatus('paused')
    const jti = transmitter.send({ type: revoked, subject: ada })
    transmitter.setStatus('enabled')
    await expect.poll(() => transmitter.stream().waiting).toEqual([])
    expect(transmitter.stream().pushes.map((push) => push.jti)).toContain(jti)
  })

  test('every SET is pushed twice when the misbehaviour is set (RFC 8935 §2)', async () => {
    await using transmitter = await start({ misbehaving: ['sets-again'] })
    await using receiver = await startReceiver()
    await create(transmitter, push(receiver))
    transmitter.send({ type: revoked, subject: ada })
    await transmitter.pushAll()
    expect(receiver.pushed).toHaveLength(2)
    expect(receiver.pushed[0]?.token).toBe(receiver.pushed[1]?.token)
  })

  test('a verification is pushed before the answer to create when the misbehaviour is set (SSF 1.0 §8.1.4)', async () => {
    await using transmitter = await start({ misbehaving: ['verify-at-creation'] })
    await using receiver = await startReceiver()
    const seen: number[] = []
    await create(transmitter, push(receiver))
    seen.push(receiver.pushed.length)
    expect(seen).toEqual([1])
    expect(claims(receiver.pushed[0]?.token)['events']).toEqual({ [verification]: {} })
  })
})

describe('poll delivery (SSF 1.0 §6.1.2)', () => {
  test('returns at most maxEvents and moreAvailable, and unacknowledged SETs again', async () => {
    await using transmitter = await start()
    await create(transmitter)
    const [a, b, c] = [1, 2, 3].map(() => transmitter.send({ type: revoked, subject: ada })) as [
      string,
      string,
      string,
    ]
    const first = await poll(transmitter, { maxEvents: 2, returnImmediately: true })
    expect([Object.keys(first.sets), first.moreAvailable]).toEqual([[a, b], true])
    const second = await poll(transmitter, { ack: [a], returnImmediately: true })
    expect([Object.keys(second.sets), second.moreAvailable]).toEqual([[b, c], false])
    expect(transmitter.stream().waiting.map(({ times }) => times)).toEqual([2, 1])
    expect((await poll(transmitter, { maxEvents: 0, ack: [b, c] })).sets).toEqual({})
    expect(transmitter.stream()).toMatchObject({ acked: [a, b, c], waiting: [] })
  })

  test('records setErrs with their language, and does not send those SETs again (RFC 8936 §2.6)', async () => {
    await using transmitter = await start()
    await create(transmitter)
    const jti = transmitter.send({ type: revoked, subject: ada })
    await poll(transmitter, {
      setErrs: { [jti]: { err: 'invalid_key', description: 'no' } },
      returnImmediately: true,
    })
    expect(transmitter.stream()).toMatchObject({
      acked: [],
      waiting: [],
      setErrs: [{ jti, err: 'invalid_key', description: 'no', contentLanguage: 'en' }],
    })
  })

  test('is held open until an event arrives, or until the time limit', async () => {
    await using transmitter = await start({ longPollMs: 10_000 })
    await create(transmitter)
    const waiting = poll(transmitter, {})
    await expect.poll(() => transmitter.stream().pollsAtOnceMax).toBe(1)
    const jti = transmitter.send({ type: revoked, subject: ada })
    expect(Object.keys((await waiting).sets)).toEqual([jti])
    await using impatient = await start({ longPollMs: 1 })
    await create(impatient)
    expect((await poll(impatient, {})).sets).toEqual({})
  })

  test.each([
    ['GET', 'GET', undefined, 405],
    ['text', 'POST', 'x', 400],
    ['a negative maxEvents', 'POST', { maxEvents: -1 }, 400],
    ['half an event', 'POST', { maxEvents: 0.5 }, 400],
  ])('%s is refused', async (_, method, body, status) => {
    await using transmitter = await start()
    const { stream_id: id } = await create(transmitter)
    expect((await call(transmitter, method, `/ssf/poll/${String(id)}`, body)).status).toBe(status)
  })

  test('a push stream cannot be polled', async () => {
    await using transmitter = await start()
    await using receiver = await startReceiver()
    const { stream_id: id } = await create(transmitter, push(receiver))
    expect((await call(transmitter, 'POST', `/ssf/poll/${String(id)}`, {})).status).toBe(404)
  })

  test('misbehaviours: keys other than the jti, more than maxEvents, SETs again after their ack (RFC 8936 §2.2, §2.4, §2.3)', async () => {
    await using transmitter = await start({
      misbehaving: ['poll-wrong-key', 'poll-ignores-max', 'sets-again'],
    })
    await create(transmitter)
    const [a, b] = [1, 2].map(() => transmitter.send({ type: revoked, subject: ada })) as [string, string]
    const { sets } = await poll(transmitter, { maxEvents: 1, returnImmediately: true })
    expect(Object.keys(sets)).toEqual([`not-${a}`, `not-${b}`])
    transmitter.misbehaving.delete('poll-wrong-key')
    expect(Object.keys((await poll(transmitter, { ack: [a], returnImmediately: true })).sets)).toEqual([a, b])
    expect(Object.keys((await poll(transmitter, { ack: [a], returnImmediately: true })).sets)).toEqual([b])
  })
})

describe('other misbehaviours', () => {
  test('answers of any status, no answer, too long answers and lost answers', async () => {
    await using transmitter = await start()
    await create(transmitter)
    const status = () => call(transmitter, 'GET', `/ssf/status?stream_id=${transmitter.stream().id}`)
    transmitter.fail('status', { status: 429, headers: { 'retry-after': '7' } })
    const limited = await status()
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    transmitter.fail('status', 'reset')
    await expect(status()).rejects.toThrow('fetch failed')
    transmitter.fail('status', 'lost_answer')
    await expect(status()).rejects.toThrow('fetch failed')
    transmitter.fail('status', 'oversized')
    expect(JSON.stringify((await status()).json).length).toBeGreaterThan(10_000_000)
    transmitter.fail('status', { delayMs: 1 })
    expect((await status()).status).toBe(200)
    transmitter.fail('status', 'hang', Infinity)
    const hanging = status()
    await expect
      .poll(() => transmitter.requests.filter(({ endpoint }) => endpoint === 'status'))
      .toHaveLength(6)
    transmitter.mend()
    await expect(hanging).rejects.toThrow('fetch failed')
    expect((await status()).status).toBe(200)
    transmitter.down = true
    await expect(status()).rejects.toThrow('fetch failed')
    transmitter.down = false
    expect((await status()).status).toBe(200)
  })

  test('a create with a wrong answer or none makes the stream', async () => {
    await using transmitter = await start({ misbehaving: ['create-wrong-iss'] })
    expect((await create(transmitter))['iss']).toBe('https://somebody-else.example')
    await using lost = await start()
    lost.fail('configuration', 'lost_answer')
    await expect(create(lost)).rejects.toThrow('fetch failed')
    expect(lost.streams).toHaveLength(1)
  })

  test('SETs with another issuer, another audience or a broken signature', async () => {
    await using transmitter = await start({ misbehaving: ['sets-wrong-iss', 'sets-wrong-aud'] })
    const { aud } = await create(transmitter)
    transmitter.send({ type: revoked, subject: ada })
    transmitter.misbehaving.clear()
    transmitter.send({ type: revoked, subject: ada, jti: 'same' })
    transmitter.misbehaving.add('sets-tampered')
    const before = Object.values((await poll(transmitter)).sets)
    expect(claims(before[0])).toMatchObject({
      iss: 'https://somebody-else.example',
      aud: `${String(aud)}/somebody-else`,
    })
    transmitter.send({ type: revoked, subject: ada, jti: 'same' })
    const [, sound = '', tampered = ''] = [
      ...before,
      ...Object.values((await poll(transmitter)).sets).slice(1),
    ]
    expect(claims(tampered)['jti']).toBe('same')
    expect(tampered.split('.')[2]).not.toBe(sound.split('.')[2])
  })

  test('a new key that signs before it is published', async () => {
    await using transmitter = await start()
    const kids = async (): Promise<string[]> => {
      const { keys } = (await (await fetch(transmitter.jwksUrl)).json()) as { keys: { kid: string }[] }
      return keys.map(({ kid }) => kid)
    }
    const before = await kids()
    const kid = await transmitter.rotateKey({ unpublished: true })
    expect(await kids()).toEqual(before)
    transmitter.publishKeys()
    expect(await kids()).toEqual([...before, kid])
    const next = await transmitter.rotateKey({ withdrawn: true })
    expect(await kids()).toEqual([...before, next])
  })
})
