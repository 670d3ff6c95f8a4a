import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generateSigningKey, publicJwk } from '@watchbell/receiver/set'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { privateJwk } from '../../src/testing/transmitter-keys.ts'
import { startLocalServer } from '../local-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { ada, bearer, refusalOf, startStreamSite, type StreamSite } from './with-stream.ts'

const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

function calls(site: StreamSite, ...endpoints: readonly string[]): string[] {
  return site.transmitter.requests
    .filter(({ endpoint }) => endpoint !== undefined && endpoints.includes(endpoint))
    .map(({ method, endpoint }) => `${method} ${endpoint ?? ''}`)
}

async function health(site: StreamSite): Promise<Record<string, string>> {
  const { checks } = (await (await site.api('GET', '/health')).json()) as {
    checks: { name: string; result: string; detail: string }[]
  }
  return Object.fromEntries(checks.map(({ name, result, detail }) => [name, `${result}: ${detail}`]))
}

describe('connecting by push', () => {
  test('creates the stream, stores the answer of the transmitter, and verifies the stream (SSF 1.0 §6.1.1, §8.1.1, §8.1.1.1.1, §8.1.4.1, CAEP interop §2.3.8.2)', async () => {
    await using site = await startStreamSite({ transmitter: { minVerificationIntervalS: 60 } })
    const connected = await site.connect({ description: 'Ours' })
    const remote = site.transmitter.stream()
    expect(connected).toMatchObject({
      delivery: 'push',
      push_url: `${site.hub.origin}/ssf/streams/${connected.id}/events`,
      auth: { method: 'bearer' },
      transmitter: {
        stream_id: remote.id,
        iss: site.transmitter.issuer,
        aud: [remote.aud],
        min_verification_interval: 60,
      },
      status: 'enabled',
      last_error: null,
    })
    expect(connected.id).toMatch(/^str[0-9A-Za-z]{17}$/)
    expect(calls(site, 'configuration', 'status', 'verification')).toEqual([
      'POST configuration',
      'GET status',
      'POST verification',
    ])
    const created = JSON.parse(
      site.transmitter.requests.find(({ method }) => method === 'POST')?.body ?? '',
    ) as {
      delivery: { authorization_header: string }
      events_requested: string[]
    }
    expect(Object.keys(created)).toEqual(['delivery', 'events_requested', 'description']) // nothing of the transmitter's
    expect(created.delivery).toEqual({
      method: 'urn:ietf:rfc:8935',
      endpoint_url: connected.push_url,
      authorization_header: expect.stringMatching(/^Bearer [\w-]{43}$/),
    })
    expect(created.events_requested).toContain(sessionRevoked)
    expect(created.events_requested.filter((type) => type.startsWith(ssf) || type.includes('scim'))).toEqual(
      [],
    )

    await site.transmitter.pushAll()
    await expect.poll(async () => (await site.shown()).verified_at).not.toBeNull()
    expect(await site.logs('watchbell.stream.create')).toMatchObject([
      { actor: { type: 'User' }, target: [{ id: connected.id, type: 'Stream' }, { id: site.providerId }] },
    ])
  })

  test('only SETs with the audience of the stream are accepted, on both paths (SSF 1.0 §4.1.6, §8.1.1.1.1)', async () => {
    await using site = await startStreamSite()
    await site.connect()
    const sent = site.transmitter.send({ type: sessionRevoked, subject: ada })
    site.transmitter.send({ type: sessionRevoked, subject: ada, aud: site.hub.origin })
    await site.transmitter.pushAll()
    const stream = site.transmitter.stream()
    expect(stream.pushes.filter(({ jti }) => jti === sent)).toMatchObject([{ status: 202 }])
    expect(stream.pushes.at(-1)).toMatchObject({ status: 400, err: 'invalid_audience' })

    await site.hub.handleAll()
    const [signal] = await site.signals(`?outcome=handled&jti=${sent}`)
    const again = await site.hub.push((await tokenOf(site, signal?.id)) ?? '')
    expect(again.status).toBe(202) // a repeat over Okta's path
  })

  test('a verification that is pushed before the answer to create is accepted (SSF 1.0 §8.1.4, §8.1.4.2)', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-at-creation'] } })
    await site.connect()
    await site.transmitter.pushAll()
    await expect
      .poll(() => site.transmitter.stream().pushes.filter(({ status }) => status === 202))
      .toHaveLength(2)
    expect((await site.shown()).verified_at).not.toBeNull()
  })

  test('an answer with another iss is refused, and the created stream is deleted (SSF 1.0 §8.1.1.1.1)', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['create-wrong-iss'] } })
    const { status, message } = await refusalOf(await site.api('PUT', '', bearer))
    expect([status, message]).toEqual([502, expect.stringContaining('its iss is')])
    const created = ['POST configuration', 'DELETE configuration']
    expect(calls(site, 'configuration', 'status', 'verification')).toEqual(created)
    expect(site.transmitter.streams).toEqual([])
    const shown = await site.shown()
    expect(shown).toMatchObject({
      connected: false,
      status: 'unknown',
      last_error: expect.stringContaining('its iss is'),
    })
    expect(shown.transmitter).toBeUndefined()
    await site.hub.hub.intake.keeper.runOnce(new AbortController().signal)
    expect(calls(site, 'configuration')).toEqual(created) // nor later, by itself
  })

  test('an existing stream is adopted on 409, repaired and enabled (SSF 1.0 §8.1.1.1, §8.1.1.4)', async () => {
    await using site = await startStreamSite({ transmitter: { streamsPerReceiver: 1 } })
    await createElsewhere(site, {
      delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://other.example/' },
    })
    const existing = site.transmitter.stream()
    site.transmitter.setStatus('paused', 'Nobody took it')
    const connected = await site.connect()
    expect(connected).toMatchObject({ status: 'enabled', transmitter: { stream_id: existing.id } })
    expect(site.transmitter.stream().endpointUrl).toBe(connected.push_url)
    const patch = site.transmitter.requests.find(({ method }) => method === 'PATCH')
    expect(JSON.parse(patch?.body ?? '')).toMatchObject({ stream_id: existing.id }) // SSF 1.0 §8.1.1.3
  })

  test('a stream whose create lost its answer is found, not created again', async () => {
    await using site = await startStreamSite()
    site.transmitter.fail('configuration', 'lost_answer')
    expect((await site.api('PUT', '', bearer)).status).toBe(502)
    expect(await site.connect()).toMatchObject({ transmitter: { stream_id: site.transmitter.stream().id } })
  })

  test('a second PUT repairs the stream, makes no second one, and sends nothing when nothing changed', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await site.transmitter.pushAll()
    const before = calls(site, 'configuration').length
    await site.connect()
    expect(calls(site, 'configuration').slice(before)).toEqual(['GET configuration'])
    await site.connect({ description: 'Another' })
    expect(site.transmitter.stream().description).toBe('Another')
  })
})

async function tokenOf(site: StreamSite, signalId = ''): Promise<string | undefined> {
  const answer = await site.hub.api('GET', `/v1/signals/${signalId}?include=token`)
  return ((await answer.json()) as { token?: string }).token
}

/** Somebody made a stream with our credentials before. */
async function createElsewhere(site: StreamSite, body: object): Promise<void> {
  const answer = await fetch(`${site.transmitter.origin}/ssf/streams`, {
    method: 'POST',
    headers: { authorization: 'Bearer static-token', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(answer.status).toBe(201)
}

describe('authentication at the transmitter (SSF 1.0 §8, CAEP interop §2.7, §2.7.2)', () => {
  const client = { client_id: 'receiver', client_secret: 'receiver' }

  test.each([
    ['client_secret_basic, all discovered', { method: 'client_secret_basic', ...client }, {}],
    ['client_secret_post', { method: 'client_secret_post', ...client }, {}],
    ['a given scope', { method: 'client_secret_basic', ...client, scope: 'ssf.manage ssf.read' }, {}],
    ['DPoP', { method: 'client_secret_basic', ...client, dpop: true }, { dpop: true }],
  ])('%s', async (_, auth, transmitter) => {
    await using site = await startStreamSite({ transmitter })
    await site.connect({ auth })
    expect(site.transmitter.tokensIssued).toBe(1) // one serves for all
  })

  test('private_key_jwt', async () => {
    const key = await generateSigningKey('ES256')
    await using site = await startStreamSite({
      transmitter: { clients: [{ id: 'hub', jwks: { keys: [publicJwk(key)] } }] },
    })
    await site.connect({ auth: { method: 'private_key_jwt', client_id: 'hub', client_key: privateJwk(key) } })
    expect(site.transmitter.tokensIssued).toBe(1)
  })

  test('a configured token endpoint or authorization server is not discovered', async () => {
    await using site = await startStreamSite()
    const auth = { method: 'client_secret_basic', ...client }
    await site.connect({ auth: { ...auth, token_url: site.transmitter.tokenUrl } })
    expect(calls(site, 'oauth_metadata')).toEqual([])
    await site.connect({
      auth: { ...auth, authorization_server: site.transmitter.origin, scope: 'ssf.manage' },
    })
    expect(calls(site, 'oauth_metadata')).toEqual(['GET oauth_metadata'])
  })

  test('a refused or expired token is replaced once, and a token that is always refused is reported', async () => {
    await using site = await startStreamSite()
    const auth = { method: 'client_secret_basic', ...client }
    await site.connect({ auth })
    site.transmitter.revokeTokens()
    expect((await site.api('GET', '/status')).status).toBe(200)
    expect(site.transmitter.tokensIssued).toBe(2)
    site.transmitter.misbehaving.add('tokens-never-good')
    site.transmitter.revokeTokens()
    const { status, message } = await refusalOf(await site.api('GET', '/status'))
    expect([status, message]).toEqual([502, expect.stringContaining('answered with status 401')])
    expect(site.transmitter.tokensIssued).toBe(3)
  })

  test('a DPoP nonce is used when required, at the token endpoint and at the API (RFC 9449 §8, §9)', async () => {
    await using site = await startStreamSite({ transmitter: { dpop: true, dpopNonces: true } })
    const answers = (endpoint: string): number =>
      site.transmitter.requests.filter((request) => request.endpoint === endpoint).length
    await site.connect({ auth: { method: 'client_secret_basic', ...client, dpop: true } })
    expect(site.transmitter.tokensIssued).toBe(1)
    expect(answers('token')).toBe(2) // without a nonce, and with it

    const before = answers('status')
    expect((await site.api('GET', '/status')).status).toBe(200)
    expect(answers('status') - before).toBe(1) // it is kept …
    site.transmitter.rotateNonces()
    expect((await site.api('GET', '/status')).status).toBe(200)
    expect(answers('status') - before).toBe(3) // … and replaced, while the token stays
    expect(site.transmitter.tokensIssued).toBe(1)

    site.transmitter.rotateNonces()
    site.transmitter.revokeTokens()
    expect((await site.api('GET', '/status')).status).toBe(200)
    expect(site.transmitter.tokensIssued).toBe(2)
  })

  test('a transmitter that always requires another nonce is an error', async () => {
    await using site = await startStreamSite({ transmitter: { dpop: true } })
    await site.connect({ auth: { method: 'client_secret_basic', ...client, dpop: true } })
    const headers = {
      'dpop-nonce': 'another',
      'www-authenticate': 'DPoP realm="ssf", error="use_dpop_nonce"',
    }
    site.transmitter.fail('status', { status: 401, headers, body: {} }, Number.POSITIVE_INFINITY)
    const { status, message } = await refusalOf(await site.api('GET', '/status'))
    expect([status, message]).toEqual([502, expect.stringContaining('answered with status 401')])
    expect(calls(site, 'status').length).toBeLessThan(8)
  })

  test('concurrent requests share one token', async () => {
    await using site = await startStreamSite()
    await site.connect({ auth: { method: 'client_secret_basic', ...client } })
    site.transmitter.revokeTokens()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => site.api('POST', '/subjects', { subject: ada })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(10).fill(204))
    expect(site.transmitter.tokensIssued).toBe(2)
  })

  test.each([
    [
      'a wrong secret',
      { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'wrong' },
      'invalid_client',
    ],
    ['a wrong bearer token', { method: 'bearer', token: 'wrong' }, 'does not accept our credentials'],
  ])('%s gets a clear error, and its credentials are stored only encrypted', async (_, auth, why) => {
    await using site = await startStreamSite()
    const { status, message } = await refusalOf(await site.api('PUT', '', { ...bearer, auth }))
    expect([status, message]).toEqual([502, expect.stringContaining(why)])
    expect((await health(site))['token']).toMatch(/^failed: /)
    expect(site.transmitter.streams).toEqual([])
  })
})

describe('faults of the transmitter', () => {
  test.each([
    ['configuration', { status: 403, body: { error: 'insufficient_scope' } }, 502, 'insufficient_scope'],
    ['configuration', { status: 500 }, 502, 'status 500'],
    ['configuration', { status: 201, body: { stream_id: 'a' } }, 502, 'its iss is missing'],
    ['configuration', { status: 201, body: [] }, 502, 'not a JSON object'],
    ['configuration', 'reset', 502, 'Creating the stream failed'],
    ['configuration', 'oversized', 502, 'more than 262144 bytes'],
    ['metadata', { status: 404 }, 502, 'status 404'],
    ['token', { status: 500 }, 502, 'no access token'],
    ['token', { status: 200, body: {} }, 502, 'no access token'],
    ['token', 'reset', 502, 'No access token could be requested'],
    ['oauth_metadata', { status: 200, body: { issuer: 'https://other.example' } }, 502, 'no access token'],
  ] as const)('%s %j', async (endpoint, fault, status, why) => {
    await using site = await startStreamSite()
    site.transmitter.fail(endpoint, fault, Number.POSITIVE_INFINITY)
    const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
    const refused = await refusalOf(await site.api('PUT', '', { ...bearer, auth }))
    expect([refused.status, refused.message]).toEqual([status, expect.stringContaining(why)])
    expect((await site.shown()).last_error).toContain(why)
    site.transmitter.mend()
    expect(await site.connect({ auth })).toMatchObject({ last_error: null })
  })

  test.each([
    ['no configuration_endpoint', {}, 'no configuration_endpoint'],
    [
      'one that is no URL',
      { configuration_endpoint: 'streams' },
      'configuration_endpoint that cannot be used',
    ],
    ['one that may not be reached', { configuration_endpoint: 'https://169.254.169.254/x' }, 'link-local'],
    [
      'no delivery by push',
      { configuration_endpoint: '{origin}/x', delivery_methods_supported: ['urn:ietf:rfc:8936'] },
      'does not deliver by push',
    ],
    [
      'another issuer than the provider',
      { issuer: '{origin}/', configuration_endpoint: '{origin}/x' },
      'Update the provider',
    ],
  ])('metadata with %s (SSF 1.0 §7.2.4)', async (_, members, why) => {
    await using hub = await startTestHub()
    let issuer = ''
    await using server = await startLocalServer((_request, response) => {
      const document = {
        issuer: server.origin,
        jwks_uri: `${server.origin}/jwks`,
        ...members,
        ...(issuer && { issuer }),
      }
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(document).replaceAll('{origin}', server.origin))
    })
    issuer = server.origin
    const settings = { well_known_url: `${server.origin}/.well-known/ssf-configuration` }
    const created = await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'P',
      type: 'test',
      settings,
    })
    const { id } = (await created.json()) as { id: string }
    issuer = ''
    const refused = await refusalOf(await hub.api('PUT', `/v1/providers/${id}/stream`, bearer))
    expect([refused.status, refused.message]).toEqual([expect.any(Number), expect.stringContaining(why)])
    expect(refused.status).toBeLessThan(503)
  })

  test('all faults of a request body are reported together', async () => {
    await using site = await startStreamSite()
    const bad: readonly [unknown, string][] = [
      [undefined, 'must be a JSON object'],
      [[], 'must be a JSON object'],
      [{}, 'delivery'],
      [{ ...bearer, delivery: 'pull' }, 'push or poll'],
      [{ ...bearer, deliver: 'push' }, 'is not known here'],
      [{ ...bearer, events_requested: [] }, '1 to 100 strings'],
      [{ ...bearer, events_requested: [`${ssf}verification`] }, 'they come anyway'],
      [{ ...bearer, description: 'a\nb' }, 'without control characters'],
      [{ ...bearer, subjects: 'some' }, 'all or listed'],
      [{ ...bearer, auth: undefined }, 'auth'],
      [{ ...bearer, auth: { method: 'basic' } }, 'must be one of bearer'],
      [{ ...bearer, auth: { method: 'bearer' } }, 'is needed with bearer'],
      [{ ...bearer, auth: { method: 'bearer', token: 'Bearer x' } }, 'without spaces'],
      [{ ...bearer, auth: { method: 'client_secret_basic', client_secret: 'x' } }, 'client_id'],
      [{ ...bearer, auth: { method: 'client_secret_post', client_id: 'x' } }, 'client_secret'],
      [{ ...bearer, auth: { method: 'private_key_jwt', client_id: 'x' } }, 'a private JWK'],
      [
        { ...bearer, auth: { method: 'private_key_jwt', client_id: 'x', client_key: { kty: 'RSA' } } },
        'that can sign',
      ],
      [
        {
          ...bearer,
          auth: {
            method: 'client_secret_basic',
            client_id: 'x',
            client_secret: 'x',
            token_url: 'http://8.8.8.8/',
          },
        },
        'over http',
      ],
    ]
    for (const [body, why] of bad) {
      const { status, message } = await refusalOf(await site.api('PUT', '', body))
      expect([status, message]).toEqual([400, expect.stringContaining(why)])
    }
    const { message } = await refusalOf(await site.api('PUT', '', { delivery: 'x', subjects: 'y', auth: {} }))
    for (const field of ['delivery', 'subjects', 'auth.method']) expect(message).toContain(field)
    expect(site.transmitter.requests.filter(({ endpoint }) => endpoint === 'configuration')).toEqual([])
    expect((await site.api('GET')).status).toBe(404)
    expect((await site.hub.api('PUT', '/v1/providers/sse00000000000000000/stream', bearer)).status).toBe(404)
  })
})

describe('secrets', () => {
  test('are in no answer, in no log entry and not unencrypted in the database', async () => {
    await using folder = await temporaryFolder()
    const secrets: string[] = ['extremely-secret-client-secret']
    {
      await using site = await startStreamSite({
        hub: { folder: folder.path },
        transmitter: { clients: [{ id: 'receiver', secret: secrets[0] ?? '' }] },
      })
      const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: secrets[0] }
      const answer = await site.api('PUT', '', { ...bearer, auth })
      secrets.push(site.transmitter.stream().authorization ?? '')
      const shown = [
        await answer.text(),
        await (await site.api('GET')).text(),
        JSON.stringify(await site.logs('watchbell.stream.create')),
      ]
      for (const secret of secrets) {
        expect(secret.length).toBeGreaterThan(20)
        for (const text of shown) expect(text).not.toContain(secret.replace('Bearer ', ''))
      }
    }
    for (const file of readdirSync(folder.path)) {
      const bytes = readFileSync(join(folder.path, file)).toString('latin1')
      for (const secret of secrets) expect(bytes).not.toContain(secret.replace('Bearer ', ''))
    }
  })

  test('survive a restart, and a read_only token neither sees nor changes them', async () => {
    await using folder = await temporaryFolder()
    await using site = await startStreamSite()
    let providerId: string
    {
      await using hub = await startTestHub({ folder: folder.path })
      const created = await hub.api('POST', '/api/v1/security-events-providers', {
        name: 'Emulated',
        type: 'test',
        settings: { well_known_url: site.transmitter.wellKnownUrl },
      })
      providerId = ((await created.json()) as { id: string }).id
      expect((await hub.api('PUT', `/v1/providers/${providerId}/stream`, bearer)).status).toBe(200)
    }
    await using hub = await startTestHub({ folder: folder.path })
    const status = await hub.api('GET', `/v1/providers/${providerId}/stream/status`)
    expect([status.status, await status.json()]).toEqual([200, { status: 'enabled', status_reason: null }])
    const { secret } = await hub.hub.apiTokens.create({ name: 'eyes', role: 'read_only' })
    const as = (method: string, path: string): Promise<Response> =>
      fetch(`${hub.origin}/v1/providers/${providerId}/stream${path}`, {
        method,
        headers: { authorization: `SSWS ${secret}` },
      })
    expect((await as('GET', '')).status).toBe(200)
    expect((await as('DELETE', '')).status).toBe(403)
    expect((await as('POST', '/verify')).status).toBe(403)
  })
})
