import { Client, DefaultRequestExecutor } from '@okta/okta-sdk-nodejs'
import { describe, expect, test, vi } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { registerApp } from './oauth-app.ts'

const scopes = ['okta.securityEventsProviders.manage', 'okta.logs.read']
const withoutCache = { cacheMiddleware: null } as const // the default one hides what the server does (OKTA §12)

function tokenClient(hub: TestHub, orgUrl = hub.origin): Client {
  return new Client({ orgUrl, token: hub.adminToken, ...withoutCache })
}

async function oauthClient(
  hub: TestHub,
  over: { readonly granted?: string; readonly dpop?: boolean; readonly scopes?: string[] } = {},
): Promise<Client> {
  const { clientId, pem } = await registerApp(hub, over.granted ?? scopes.join(' '), {
    dpop_bound_access_tokens: over.dpop ?? false,
  })
  return new Client({
    orgUrl: hub.origin,
    authorizationMode: 'PrivateKey',
    clientId,
    scopes: over.scopes ?? scopes,
    privateKey: pem,
    ...withoutCache,
  })
}

const modes: readonly [name: string, connect: (hub: TestHub) => Promise<Client>][] = [
  ['an SSWS token', async (hub) => tokenClient(hub)],
  ['OAuth', (hub) => oauthClient(hub)],
  ['OAuth with DPoP', (hub) => oauthClient(hub, { dpop: true })],
]

/** What the SDK threw. */
async function thrownBy(work: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(Error)
  return error as Record<string, unknown> // compared by the caller
}

const plain = (name: string) => ({
  name,
  type: 'okta',
  settings: { issuer: `https://${name}.example`, jwks_url: `https://${name}.example/keys` },
})

async function collected<T>(items: {
  each(visit: (item: T) => void): Promise<unknown>
}): Promise<readonly T[]> {
  const all: T[] = []
  await items.each((item) => void all.push(item))
  return all
}

describe.each(modes)("Okta's SDK with %s", (_name, connect) => {
  test("OKTA-R70, OKTA-R71: makes the calls of Okta's own integration test", async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    const { ssfReceiverApi: api } = await connect(hub)
    const settings = { well_known_url: transmitter.wellKnownUrl }

    const created = await api.createSecurityEventsProviderInstance({
      instance: { name: 'first name', type: 'okta', settings },
    })
    expect(created).toMatchObject({ name: 'first name', type: 'okta', status: 'ACTIVE', settings })
    const securityEventProviderId = created.id ?? ''
    const listed = await collected(await api.listSecurityEventsProviderInstances())
    expect(listed.map(({ name }) => name)).toEqual(['first name'])
    expect(await api.deactivateSecurityEventsProviderInstance({ securityEventProviderId })).toMatchObject({
      status: 'INACTIVE',
    })
    expect(await api.activateSecurityEventsProviderInstance({ securityEventProviderId })).toMatchObject({
      status: 'ACTIVE',
    })
    const replaced = await api.replaceSecurityEventsProviderInstance({
      securityEventProviderId,
      instance: { name: 'second name', type: 'okta', settings },
    })
    expect(replaced).toMatchObject({ id: securityEventProviderId, name: 'second name', settings })
    await api.deleteSecurityEventsProviderInstance({ securityEventProviderId })
    expect(await thrownBy(api.getSecurityEventsProviderInstance({ securityEventProviderId }))).toMatchObject({
      status: 404,
      errorCode: 'E0000007',
    })
  })

  test('OKTA-R27: gets, edits and puts back the same object, for both kinds of settings', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    const { ssfReceiverApi: api } = await connect(hub)
    for (const [name, settings] of [
      ['plain', plain('plain').settings],
      ['known', { well_known_url: transmitter.wellKnownUrl }],
    ] as const) {
      const { id: securityEventProviderId = '' } = await api.createSecurityEventsProviderInstance({
        instance: { name, type: 'okta', settings },
      })
      const fetched = await api.getSecurityEventsProviderInstance({ securityEventProviderId })
      const before = JSON.stringify(fetched.settings)
      fetched.name = `${name} edited`
      const replaced = await api.replaceSecurityEventsProviderInstance({
        securityEventProviderId,
        instance: fetched as Parameters<typeof api.replaceSecurityEventsProviderInstance>[0]['instance'], // OKTA-R27: what was fetched is sent back
      })
      expect(replaced.name).toBe(`${name} edited`)
      expect(JSON.stringify(replaced.settings)).toBe(before)
    }
  })

  test('reads the System Log over several pages, as dates and objects', async () => {
    await using hub = await startTestHub()
    const client = await connect(hub)
    for (let at = 0; at < 5; at++) {
      await client.ssfReceiverApi.createSecurityEventsProviderInstance({ instance: plain(`vendor-${at}`) })
    }
    const recent = await collected(
      await client.systemLogApi.listLogEvents({
        since: new Date(Date.now() - 3_600_000).toISOString(),
        until: new Date(Date.now() + 3_600_000).toISOString(),
        filter: 'eventType eq "security.events.provider.create"',
        limit: 2,
        sortOrder: 'DESCENDING',
      }),
    )
    expect(recent.map(({ target }) => target?.[0]?.displayName)).toEqual(
      [4, 3, 2, 1, 0].map((at) => `https://vendor-${at}.example`),
    )
    expect(recent[0]).toMatchObject({
      published: expect.any(Date),
      actor: { displayName: expect.any(String) },
      outcome: { result: 'SUCCESS' },
      severity: 'INFO',
    })
    const found = await collected(
      await client.systemLogApi.listLogEvents({ q: 'vendor-3', sortOrder: 'DESCENDING' }),
    )
    expect(found).toHaveLength(1)
  })

  test('throws errors with all members', async () => {
    await using hub = await startTestHub()
    const { ssfReceiverApi: api, systemLogApi } = await connect(hub)
    const shape = { errorId: expect.stringMatching(/^oae/), headers: expect.anything() }
    await api.createSecurityEventsProviderInstance({ instance: plain('a') })

    const taken = await thrownBy(
      api.createSecurityEventsProviderInstance({ instance: { ...plain('b'), name: 'a' } }),
    )
    expect(taken).toMatchObject({
      status: 400,
      errorCode: 'E0000001',
      errorSummary: 'Api validation failed: name',
      errorLink: 'E0000001',
      errorCauses: [{ errorSummary: 'Security Events Provider name must be unique' }],
      message:
        'Okta HTTP 400 E0000001 Api validation failed: name. Security Events Provider name must be unique',
      ...shape,
    })
    const securityEventProviderId = 'sse00000000000000000'
    expect(await thrownBy(api.getSecurityEventsProviderInstance({ securityEventProviderId }))).toMatchObject({
      status: 404,
      errorCode: 'E0000007',
      errorSummary: `Not found: Resource not found: ${securityEventProviderId} (SecurityEventsProvider)`,
      errorCauses: [],
      ...shape,
    })
    const filter = await thrownBy(
      systemLogApi.listLogEvents({ filter: 'eventType zz "x"' }).then((events) => collected(events)),
    )
    expect(filter).toMatchObject({ status: 400, errorCode: 'E0000053', ...shape })
  })
})

describe('bad credentials', () => {
  test('a wrong token is refused', async () => {
    await using hub = await startTestHub()
    const client = new Client({ orgUrl: hub.origin, token: 'wrong', ...withoutCache })
    const securityEventProviderId = 'sse1'
    expect(
      await thrownBy(client.ssfReceiverApi.getSecurityEventsProviderInstance({ securityEventProviderId })),
    ).toMatchObject({
      status: 401,
      errorCode: 'E0000011',
      errorSummary: 'Invalid token provided',
      errorCauses: [],
    })
  })

  test.each([false, true])('OKTA-X13, OKTA-X14: a missing scope is 403; DPoP: %s', async (dpop) => {
    await using hub = await startTestHub()
    const read = 'okta.securityEventsProviders.read'
    const { ssfReceiverApi: api } = await oauthClient(hub, { granted: read, scopes: [read], dpop })
    expect(await collected(await api.listSecurityEventsProviderInstances())).toEqual([])
    const error = await thrownBy(api.createSecurityEventsProviderInstance({ instance: plain('a') }))
    expect(error).toMatchObject({ status: 403 })
    const { headers } = error as unknown as { headers: Headers } // as the SDK says
    const scheme = dpop ? 'DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512",' : 'Bearer'
    expect(headers.get('www-authenticate')).toBe(
      `${scheme} authorization_uri="${hub.origin}/oauth2/v1/authorize", realm="${hub.origin}", scope="okta.securityEventsProviders.manage", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/security-events-providers"`,
    )
  })

  test('OKTA-O16: after a refused token request it calls with "Bearer undefined" and gets 401', async () => {
    await using hub = await startTestHub()
    const client = await oauthClient(hub, { granted: 'okta.clients.read' })
    const error = await thrownBy(
      client.ssfReceiverApi.getSecurityEventsProviderInstance({ securityEventProviderId: 'sse1' }),
    )
    expect(error).toMatchObject({ status: 401, errorCode: 'E0000011' })
  })

  test('a deleted service app is refused', async () => {
    await using hub = await startTestHub()
    const client = await oauthClient(hub)
    expect(await collected(await client.ssfReceiverApi.listSecurityEventsProviderInstances())).toEqual([])
    await hub.api('DELETE', `/oauth2/v1/clients/${client.clientId}`)
    const error = await thrownBy(
      client.ssfReceiverApi.getSecurityEventsProviderInstance({ securityEventProviderId: 'sse1' }),
    )
    expect(error['status']).toBe(401)
  })
})

describe('URLs and retries', () => {
  test('OKTA-A6: an org URL with a final slash works', async () => {
    await using hub = await startTestHub()
    const client = tokenClient(hub, `${hub.origin}/`)
    const created = await client.ssfReceiverApi.createSecurityEventsProviderInstance({ instance: plain('a') })
    expect(created.id).toMatch(/^sse/)
  })

  test('OKTA-Q2 to OKTA-Q4: after 429 it waits for the reset, retries and gets its answer', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1' } })
    const requestExecutor = new DefaultRequestExecutor()
    const client = new Client({ orgUrl: hub.origin, token: hub.adminToken, requestExecutor, ...withoutCache })
    const waits: number[] = []
    const retries: unknown[] = []
    requestExecutor.on('backoff', (_request, _response, requestId: string, delayMs: number) => {
      waits.push(delayMs)
      retries.push(requestId)
      // From here on the clock is turned by hand: that of the SDK's timer and that of the hub's window.
      vi.useFakeTimers({ toFake: ['Date', 'setTimeout'], now: Date.now() })
      setImmediate(() => {
        vi.advanceTimersByTime(delayMs)
        const now = Date.now()
        vi.useRealTimers()
        vi.useFakeTimers({ toFake: ['Date'], now })
      })
    })
    requestExecutor.on('resume', ({ headers }: { headers: Record<string, unknown> }) =>
      retries.push(headers['X-Okta-Retry-For'], headers['X-Okta-Retry-Count']),
    )
    try {
      const { ssfReceiverApi: api } = client
      const { id: securityEventProviderId = '' } = await api.createSecurityEventsProviderInstance({
        instance: plain('a'),
      })
      expect(await api.getSecurityEventsProviderInstance({ securityEventProviderId })).toMatchObject({
        name: 'a',
      })
    } finally {
      vi.useRealTimers()
    }
    expect(waits).toHaveLength(1)
    expect(waits[0]).toBeGreaterThan(0)
    expect(waits[0]).toBeLessThanOrEqual(62_000)
    expect(retries).toEqual([expect.stringMatching(/^req/), retries[0], 1])
  })

  test('with no retries left it throws the 429', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1' } })
    const requestExecutor = new DefaultRequestExecutor({ maxRetries: 0, requestTimeout: 0 })
    const client = new Client({ orgUrl: hub.origin, token: hub.adminToken, requestExecutor, ...withoutCache })
    await client.ssfReceiverApi.createSecurityEventsProviderInstance({ instance: plain('a') })
    expect(
      await thrownBy(client.ssfReceiverApi.createSecurityEventsProviderInstance({ instance: plain('b') })),
    ).toMatchObject({ status: 429, errorCode: 'E0000047', errorCauses: [] })
  })
})
