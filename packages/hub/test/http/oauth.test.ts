import { Client } from '@okta/okta-sdk-nodejs'
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import * as oauth from 'oauth4webapi'
import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { apiBodyBytesMax } from '../../src/http/server.ts'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'

interface Registered {
  readonly clientId: string
  readonly privateKey: CryptoKey
}

async function registerApp(hub: TestHub, over: object = {}, alg = 'ES256'): Promise<Registered> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const response = await hub.api('POST', '/oauth2/v1/clients', {
    client_name: 'test',
    jwks: { keys: [await exportJWK(publicKey)] },
    scope: 'okta.logs.read okta.securityEventsProviders.manage',
    ...over,
  })
  expect(response.status).toBe(201)
  const { client_id: clientId } = (await response.json()) as { client_id: string } // checked by its use
  return { clientId, privateKey }
}

function assertion(hub: TestHub, { clientId, privateKey }: Registered): Promise<string> {
  return new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(`${hub.origin}/oauth2/v1/token`)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
}

async function form(
  hub: TestHub,
  app: Registered,
  over: Record<string, string> = {},
): Promise<URLSearchParams> {
  return new URLSearchParams({
    grant_type: 'client_credentials',
    scope: 'okta.logs.read',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await assertion(hub, app),
    ...over,
  })
}

function post(hub: TestHub, body: URLSearchParams, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${hub.origin}/oauth2/v1/token`, { method: 'POST', body, headers })
}

async function accessToken(hub: TestHub, app: Registered): Promise<string> {
  const body = (await (await post(hub, await form(hub, app))).json()) as { access_token: string } // checked by its use
  return body.access_token
}

describe('anonymous forms', () => {
  test.each([
    [
      'of a megabyte',
      413,
      `grant_type=${'x'.repeat(1_000_000)}`,
      'The body is larger than this endpoint takes.',
    ],
    ['of 64 KiB and a byte', 413, 'x'.repeat(65_537), 'The body is larger than this endpoint takes.'],
    ['with 51 parameters', 400, '&'.repeat(50), 'The request has more than 50 parameters.'],
    [
      'with 50, of which one is twice',
      400,
      `a=1&a=1${'&'.repeat(48)}`,
      'The parameter a is given more than once.',
    ],
  ])('a form %s is refused with %i in the form of OAuth errors', async (_, status, body, message) => {
    await using hub = await startTestHub()
    const answer = await fetch(`${hub.origin}/oauth2/v1/token`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect([answer.status, await answer.json()]).toEqual([
      status,
      { error: 'invalid_request', error_description: message },
    ])
  })

  test('parameters in the query are read as well (OKTA-O11)', async () => {
    await using hub = await startTestHub()
    const query = Array.from({ length: 26 }, (_, at) => `q${at}=`).join('&')
    const answer = await post(hub, new URLSearchParams(query.replaceAll('q', 'b')), {})
    expect(await answer.json()).toMatchObject({ error_description: expect.stringContaining('grant_type') })
    const both = await fetch(`${hub.origin}/oauth2/v1/token?${query}`, {
      method: 'POST',
      body: new URLSearchParams(query.replaceAll('q', 'b')),
    })
    expect([both.status, await both.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'The request has more than 50 parameters.' },
    ])
  })
})

describe('an independent OAuth client', () => {
  const insecure = { [oauth.allowInsecureRequests]: true } as const // the hub under test speaks plain http on loopback

  async function discover(hub: TestHub): Promise<oauth.AuthorizationServer> {
    const issuer = new URL(hub.origin)
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    return oauth.processDiscoveryResponse(issuer, response)
  }

  test.each(['RS256', 'PS256', 'ES256', 'Ed25519'])(
    'discovers the hub and gets a valid bearer token (%s)',
    async (alg) => {
      await using hub = await startTestHub()
      const app = await registerApp(hub, {}, alg)
      const server = await discover(hub)
      const client = { client_id: app.clientId }
      const response = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        oauth.PrivateKeyJwt(app.privateKey),
        new URLSearchParams({ scope: 'okta.logs.read' }),
        insecure,
      )
      const token = await oauth.processClientCredentialsResponse(server, client, response)
      expect(token).toMatchObject({ token_type: 'bearer', expires_in: 3_600, scope: 'okta.logs.read' })
      const call = await oauth.protectedResourceRequest(
        token.access_token,
        'GET',
        new URL(`${hub.origin}/api/v1/logs`),
        undefined,
        undefined,
        insecure,
      )
      expect(call.status).toBe(200)
      expect(await call.json()).toBeInstanceOf(Array)
    },
  )

  test('gets a DPoP token by answering the challenge, and uses it (OKTA-O23, OKTA-O24)', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub, { dpop_bound_access_tokens: true })
    const server = await discover(hub)
    const client = { client_id: app.clientId }
    const DPoP = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
    const request = () =>
      oauth.clientCredentialsGrantRequest(
        server,
        client,
        oauth.PrivateKeyJwt(app.privateKey),
        new URLSearchParams({ scope: 'okta.logs.read' }),
        { DPoP, ...insecure },
      )
    const challenge: unknown = await oauth
      .processClientCredentialsResponse(server, client, await request())
      .catch((error: unknown) => error)
    expect(oauth.isDPoPNonceError(challenge)).toBe(true)
    const token = await oauth.processClientCredentialsResponse(server, client, await request())
    expect(token.token_type).toBe('dpop')
    for (let times = 0; times < 2; times++) {
      const url = new URL(`${hub.origin}/api/v1/logs?limit=1`)
      const call = await oauth.protectedResourceRequest(
        token.access_token,
        'GET',
        url,
        undefined,
        undefined,
        {
          DPoP,
          ...insecure,
        },
      )
      expect(call.status).toBe(200)
    }
  })
})

describe("Okta's own SDK in PrivateKey mode", () => {
  test.each([false, true])(
    'lists and creates providers and reads the log, DPoP: %s (OKTA-O20, OKTA-O21)',
    async (bound) => {
      await using hub = await startTestHub()
      const app = await registerApp(hub, { dpop_bound_access_tokens: bound }, 'RS256')
      const client = new Client({
        orgUrl: hub.origin,
        authorizationMode: 'PrivateKey',
        clientId: app.clientId,
        scopes: ['okta.logs.read', 'okta.securityEventsProviders.manage'],
        privateKey: await exportPKCS8(app.privateKey),
        cacheMiddleware: null,
      })
      const created = await client.ssfReceiverApi.createSecurityEventsProviderInstance({
        instance: {
          name: 'Acme',
          type: 'acme',
          settings: { issuer: 'https://acme.example', jwks_url: 'https://acme.example/jwks' },
        },
      })
      expect(created).toMatchObject({ name: 'Acme', status: 'ACTIVE' })
      const types: unknown[] = []
      await (
        await client.systemLogApi.listLogEvents({ limit: 10 })
      ).each((event) => {
        types.push(event.eventType)
      })
      expect(types).toContain('security.events.provider.create')
    },
  )
})

describe('POST /oauth2/v1/token over HTTP', () => {
  test('reads parameters from the query (OKTA-O11) and forbids storing the answer', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub)
    const response = await fetch(`${hub.origin}/oauth2/v1/token?${(await form(hub, app)).toString()}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({
      token_type: 'Bearer',
      expires_in: 3_600,
      access_token: expect.any(String),
      scope: 'okta.logs.read',
    })
  })

  test('refuses with the errors of OKTA-O15', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub)
    const some = expect.any(String)
    const cases: [Record<string, string>, number, string, unknown][] = [
      [{ scope: '' }, 400, 'invalid_scope', 'No scopes were requested.'],
      [
        { scope: 'okta.clients.read' },
        400,
        'consent_required',
        'You are not allowed any of the requested scopes.',
      ],
      [{ grant_type: 'password' }, 400, 'unsupported_grant_type', some],
      [{ client_assertion: 'x' }, 401, 'invalid_client', some],
      [{ client_secret: 'x' }, 401, 'invalid_client', some],
      [{ client_assertion_type: 'x' }, 400, 'invalid_request', some],
    ]
    for (const [over, status, error, description] of cases) {
      const response = await post(hub, await form(hub, app, over))
      expect([response.status, await response.json()]).toEqual([
        status,
        { error, error_description: description },
      ])
      expect(response.headers.get('content-type')).toMatch(/^application\/json/)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  test.each([
    ['application/json', 400],
    ['', 400],
    [';;;', 400],
    ['application/x-www-form-urlencoded', 413],
  ])('an unsupported body is refused in the form of OAuth errors (OKTA-O15): %j', async (type, status) => {
    await using hub = await startTestHub()
    const response = await fetch(`${hub.origin}/oauth2/v1/token`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: new Blob([status === 413 ? 'x'.repeat(apiBodyBytesMax + 1) : '{}']),
    })
    expect([response.status, await response.json()]).toEqual([
      status,
      { error: 'invalid_request', error_description: expect.stringMatching(/./) },
    ])
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('only a client that tries Basic gets a 401 with a Basic challenge (OKTA-O15, RFC 6749 §5.2)', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub)
    const challenge = async (authorization: string | undefined): Promise<unknown> => {
      const response = await post(hub, await form(hub, app, { client_assertion: 'x' }), {
        ...(authorization !== undefined && { authorization }),
      })
      expect([response.status, await response.json()]).toMatchObject([401, { error: 'invalid_client' }])
      return response.headers.get('www-authenticate')
    }
    expect(await challenge('Basic eDp5')).toBe(`Basic realm="${hub.origin}"`)
    expect([await challenge(undefined), await challenge('Bearer undefined')]).toEqual([null, null])
  })

  test('asks a DPoP client for a proof, then for a nonce (OKTA-O22, OKTA-O23)', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub, { dpop_bound_access_tokens: true })
    const bare = await post(hub, await form(hub, app))
    expect([bare.status, await bare.json()]).toEqual([
      400,
      { error: 'invalid_dpop_proof', error_description: 'The DPoP proof JWT header is missing.' },
    ])
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const proof = await new SignJWT({ htm: 'POST', htu: `${hub.origin}/oauth2/v1/token`, jti: randomUUID() })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
      .setIssuedAt()
      .sign(privateKey)
    const challenge = await post(hub, await form(hub, app), { dpop: proof })
    expect([challenge.status, await challenge.json()]).toEqual([
      400,
      { error: 'use_dpop_nonce', error_description: 'Authorization server requires nonce in DPoP proof.' },
    ])
    expect(challenge.headers.get('dpop-nonce')).toMatch(/^[\w.-]+$/)
  })
})

describe('failures of authorisation over HTTP (9.4)', () => {
  test('an invalid token gets 401 and a header (OKTA-X12, OKTA-O16)', async () => {
    await using hub = await startTestHub()
    const response = await fetch(`${hub.origin}/api/v1/logs?since=x`, {
      headers: { authorization: 'Bearer undefined' },
    })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer authorization_uri="${hub.origin}/oauth2/v1/authorize", realm="${hub.origin}", scope="okta.logs.read", error="invalid_token", error_description="The access token is invalid.", resource="/api/v1/logs"`,
    )
  })

  test('a missing scope gets 403 and a header without a body (OKTA-X13)', async () => {
    await using hub = await startTestHub()
    const token = await accessToken(hub, await registerApp(hub))
    const response = await fetch(`${hub.origin}/oauth2/v1/clients`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(403)
    expect(await response.text()).toBe('')
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer authorization_uri="${hub.origin}/oauth2/v1/authorize", realm="${hub.origin}", scope="okta.clients.read", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/oauth2/v1/clients"`,
    )
  })

  test('missing credentials and a wrong API token have their errors (OKTA-X10, OKTA-X11)', async () => {
    await using hub = await startTestHub()
    const bare = await fetch(`${hub.origin}/api/v1/logs`)
    expect([bare.status, await bare.json()]).toEqual([
      403,
      expect.objectContaining({ errorCode: 'E0000005' }),
    ])
    const wrong = await fetch(`${hub.origin}/api/v1/logs`, { headers: { authorization: 'SSWS wrong' } })
    expect([wrong.status, await wrong.json()]).toEqual([
      401,
      expect.objectContaining({ errorCode: 'E0000011' }),
    ])
  })
})

describe('service apps over HTTP (RFC 7591, RFC 7592)', () => {
  test('create, get, replace, list by pages, delete', async () => {
    await using hub = await startTestHub()
    const { clientId } = await registerApp(hub)
    const path = `/oauth2/v1/clients/${clientId}`
    const app = (await (await hub.api('GET', path)).json()) as Record<string, unknown> // compared below
    expect(app).toEqual({
      client_id: expect.stringMatching(/^0oa\w{17}$/),
      client_id_issued_at: expect.any(Number),
      client_name: 'test',
      application_type: 'service',
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: ['client_credentials'],
      response_types: ['token'],
      jwks: { keys: [expect.objectContaining({ kty: 'EC' })] },
      scope: 'okta.logs.read okta.securityEventsProviders.manage',
      dpop_bound_access_tokens: false,
    })
    const edited = await hub.api('PUT', path, { ...app, client_name: 'renamed' })
    expect([edited.status, await edited.json()]).toEqual([200, { ...app, client_name: 'renamed' }])

    await registerApp(hub)
    const first = await hub.api('GET', '/oauth2/v1/clients?limit=1')
    const next = /<([^>]*)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = await hub.api('GET', next.replace(hub.origin, ''))
    const names = [...((await first.json()) as object[]), ...((await second.json()) as object[])].map(
      (one) => 'client_name' in one && one.client_name,
    )
    expect(new Set(names)).toEqual(new Set(['renamed', 'test']))
    expect(second.headers.get('link')).not.toContain('rel="next"')

    expect((await hub.api('DELETE', path)).status).toBe(204)
    const gone = await hub.api('GET', path)
    expect([gone.status, await gone.json()]).toEqual([
      404,
      expect.objectContaining({ errorCode: 'E0000007' }),
    ])
  })

  test('a private key is refused, with its field as the cause', async () => {
    await using hub = await startTestHub()
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const response = await hub.api('POST', '/oauth2/v1/clients', {
      client_name: 'careless',
      jwks: { keys: [await exportJWK(privateKey)] },
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      errorCode: 'E0000001',
      errorCauses: [{ errorSummary: expect.stringMatching(/^jwks\.keys\[0\]: .*private/) }],
    })
    expect(await (await hub.api('GET', '/oauth2/v1/clients')).json()).toEqual([])
  })

  test('refuses bad page lengths', async () => {
    await using hub = await startTestHub()
    for (const limit of ['0', '-1', 'x', '1e3', '']) {
      const response = await hub.api('GET', `/oauth2/v1/clients?limit=${limit}`)
      expect([response.status, await response.json()]).toEqual([
        400,
        expect.objectContaining({ errorCode: 'E0000001' }),
      ])
    }
  })
})

describe('discovery', () => {
  test('the server metadata and the keys are public and not limited (OKTA-Q6, OKTA-O30)', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1' } })
    for (const path of [
      '/.well-known/oauth-authorization-server',
      '/oauth2/v1/keys',
      '/.well-known/okta-organization',
    ]) {
      for (let times = 0; times < 3; times++) {
        const response = await fetch(hub.origin + path)
        expect(response.status).toBe(200)
        expect(response.headers.has('x-rate-limit-limit')).toBe(false)
      }
    }
    const { keys } = (await (await fetch(`${hub.origin}/oauth2/v1/keys`)).json()) as { keys: object[] } // compared below
    expect(keys).toEqual([
      { kty: 'RSA', kid: expect.any(String), use: 'sig', alg: 'RS256', e: 'AQAB', n: expect.any(String) },
    ])
  })

  test('the organisation has the newer pipeline and a fixed id (OKTA-O32)', async () => {
    await using hub = await startTestHub()
    const ask = async () => (await fetch(`${hub.origin}/.well-known/okta-organization`)).json()
    expect(await ask()).toMatchObject({
      id: expect.stringMatching(/^00o\w{17}$/),
      pipeline: 'idx',
      _links: { organization: { href: hub.origin } },
    })
    expect(await ask()).toEqual(await ask())
  })

  test('an API token has a user; a service app has none (OKTA-O31)', async () => {
    await using hub = await startTestHub()
    const me = await hub.api('GET', '/api/v1/users/me')
    expect(me.status).toBe(200)
    expect(await me.json()).toMatchObject({
      id: expect.stringMatching(/^00u\w{17}$/),
      status: 'ACTIVE',
      created: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
      profile: { login: expect.any(String) },
    })
    const token = await accessToken(hub, await registerApp(hub))
    const app = await fetch(`${hub.origin}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(app.status).toBe(403)
  })
})
