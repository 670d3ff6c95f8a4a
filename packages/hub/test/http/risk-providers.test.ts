import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { logEntries, refusal, registerServiceApp } from './service-app.ts'

const path = '/api/v1/risk/providers'

interface Body {
  readonly id: string
  readonly name: string
  readonly clientId: string
  readonly action: string
  readonly created: string
  readonly lastUpdated: string
  readonly _links: object
}

async function newClient(hub: TestHub): Promise<string> {
  return (await registerServiceApp(hub, 'okta.riskEvents.manage')).clientId
}

async function create(hub: TestHub, over: object = {}): Promise<Body> {
  const clientId = await newClient(hub)
  const answer = await hub.api('POST', path, { name: `Partner ${clientId}`, clientId, ...over })
  expect(answer.status).toBe(201) // OKTA-K2
  return (await answer.json()) as Body // checked by its use
}

describe('the life of a risk provider', () => {
  test('create answers 201 with the object, and get and list show it (OKTA-K1 to OKTA-K3, OKTA-K20 to OKTA-K26)', async () => {
    await using hub = await startTestHub()
    const clientId = await newClient(hub)
    const answer = await hub.api('POST', path, { name: 'Partner', clientId, action: 'enforce_and_log' })
    expect(answer.status).toBe(201)
    const made = (await answer.json()) as Body
    const iso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/
    expect(made).toEqual({
      id: expect.stringMatching(/^rkp[0-9A-Za-z]{17}$/),
      name: 'Partner',
      clientId,
      action: 'enforce_and_log',
      created: expect.stringMatching(iso),
      lastUpdated: made.created,
      _links: {
        self: { href: `${hub.origin}${path}/${made.id}`, hints: { allow: ['GET', 'PUT', 'DELETE'] } },
      },
    })
    expect(await (await hub.api('GET', `${path}/${made.id}`)).json()).toEqual(made)
    expect(await (await hub.api('GET', path)).json()).toEqual([made])
  })

  test('the default action is log_only (OKTA-K22)', async () => {
    await using hub = await startTestHub()
    expect(await create(hub)).toMatchObject({ action: 'log_only' })
  })

  test('the object that get returns can be edited and put back whole, also with times without milliseconds (OKTA-K23)', async () => {
    await using hub = await startTestHub()
    const made = await create(hub)
    const short = (time: string): string => time.replace(/\.\d{3}/, '')
    const answer = await hub.api('PUT', `${path}/${made.id}`, {
      ...made,
      name: 'Renamed',
      created: short(made.created),
      lastUpdated: short(made.lastUpdated),
    })
    expect(answer.status).toBe(200)
    const { lastUpdated, ...rest } = (await answer.json()) as Body
    expect({ ...made, name: 'Renamed' }).toMatchObject(rest)
    expect(Date.parse(lastUpdated)).toBeGreaterThanOrEqual(Date.parse(made.lastUpdated))
    expect(await (await hub.api('GET', `${path}/${made.id}`)).json()).toEqual({ ...rest, lastUpdated })
  })

  test('delete answers 204 without a body, and name and client are free again (OKTA-K5)', async () => {
    await using hub = await startTestHub()
    const made = await create(hub)
    const answer = await hub.api('DELETE', `${path}/${made.id}`)
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    expect((await hub.api('GET', `${path}/${made.id}`)).status).toBe(404)
    const { name, clientId } = made
    expect((await hub.api('POST', path, { name, clientId })).status).toBe(201)
  })

  test('every change is in the System Log under an event type of Watchbell, with the changed members (OKTA-L75)', async () => {
    await using hub = await startTestHub()
    const { id, name, clientId } = await create(hub)
    await hub.api('PUT', `${path}/${id}`, { name, clientId, action: 'enforce_and_log' })
    await hub.api('DELETE', `${path}/${id}`)
    const before = { name, clientId, action: 'log_only' }
    const after = { ...before, action: 'enforce_and_log' }
    const entry = async (kind: string) => (await logEntries(hub, `watchbell.risk.provider.${kind}`)).at(-1)
    expect(await entry('create')).toMatchObject({
      target: [{ id, type: 'RiskProvider', detailEntry: before }],
    })
    expect(await entry('update')).toMatchObject({ target: [{ changeDetails: { from: before, to: after } }] })
    expect(await entry('delete')).toMatchObject({ target: [{ id, detailEntry: after }] })
  })
})

describe('refusals', () => {
  test('a body that is no JSON object is refused', async () => {
    await using hub = await startTestHub()
    const bodies = [
      ['"x"', 'E0000001'],
      ['null', 'E0000001'],
      ['[]', 'E0000001'],
      ['', 'E0000001'],
      ['{"name":', 'E0000003'],
      ['{"name":"a","name":"b","clientId":"c"}', 'E0000003'],
    ] as const
    for (const [body, code] of bodies) {
      const answer = await fetch(hub.origin + path, {
        method: 'POST',
        headers: { authorization: `SSWS ${hub.adminToken}`, 'content-type': 'application/json' },
        body,
      })
      expect(await refusal(answer)).toMatchObject({ status: 400, code })
    }
    expect(await (await hub.api('GET', path)).json()).toEqual([])
  })

  test('every bad field is a cause that starts with its name (OKTA-X1, OKTA-X4)', async () => {
    await using hub = await startTestHub()
    const { status, code, summary, causes } = await refusal(
      await hub.api('POST', path, { name: 'n'.repeat(51), clientId: 7, action: 'maybe' }),
    )
    expect([status, code, summary]).toEqual([400, 'E0000001', 'Api validation failed: name'])
    expect(causes.map((cause) => cause.split(':')[0])).toEqual(['name', 'clientId', 'action'])
  })

  test('a client id without a service app is refused (OKTA-K30)', async () => {
    await using hub = await startTestHub()
    for (const clientId of ['0oaNoSuchServiceApp1', 'null', '%']) {
      const { status, code, causes } = await refusal(await hub.api('POST', path, { name: 'a', clientId }))
      expect([status, code, causes.map((cause) => cause.split(':')[0])]).toEqual([
        400,
        'E0000001',
        ['clientId'],
      ])
    }
    const { id, name } = await create(hub)
    const { status } = await refusal(await hub.api('PUT', `${path}/${id}`, { name, clientId: '0oaNone' }))
    expect(status).toBe(400)
  })

  test('a taken name or client is refused on create and replace (OKTA-K20, OKTA-K29)', async () => {
    await using hub = await startTestHub()
    const [one, other] = [await create(hub), await create(hub)]
    const clientId = await newClient(hub)
    const tries = [
      [hub.api('POST', path, { name: one.name, clientId }), 'name'],
      [hub.api('POST', path, { name: 'new', clientId: one.clientId }), 'clientId'],
      [hub.api('PUT', `${path}/${other.id}`, { ...other, name: one.name }), 'name'],
      [hub.api('PUT', `${path}/${other.id}`, { ...other, clientId: one.clientId }), 'clientId'],
    ] as const
    for (const [request, field] of tries) {
      const { status, code, summary, causes } = await refusal(await request)
      expect([status, code, summary]).toEqual([400, 'E0000001', `Api validation failed: ${field}`])
      expect(causes).toEqual([expect.stringMatching(new RegExp(`^${field}: `))])
    }
    expect(await (await hub.api('GET', path)).json()).toEqual([one, other])
  })

  test('a taken name and a taken client are both reported, the name first (OKTA-X4, OKTA-K20, OKTA-K29)', async () => {
    await using hub = await startTestHub({ settings: { riskProvidersMax: '2' } })
    const [one, other] = [await create(hub), await create(hub)]
    for (const request of [
      hub.api('POST', path, { name: one.name, clientId: other.clientId }),
      hub.api('PUT', `${path}/${other.id}`, { ...other, name: one.name, clientId: one.clientId }),
    ]) {
      const { status, code, summary, causes } = await refusal(await request)
      expect([status, code, summary]).toEqual([400, 'E0000001', 'Api validation failed: name'])
      expect(causes).toEqual([expect.stringMatching(/^name: /), expect.stringMatching(/^clientId: /)])
    }
    expect(await (await hub.api('GET', path)).json()).toEqual([one, other])
  })

  test('a fourth provider, or one more than the setting allows, is refused (OKTA-K27)', async () => {
    await using hub = await startTestHub()
    for (let n = 0; n < 3; n++) await create(hub)
    const clientId = await newClient(hub)
    expect(await refusal(await hub.api('POST', path, { name: 'fourth', clientId }))).toEqual({
      status: 400,
      code: 'E0000001',
      summary: 'Api validation failed: riskProvider',
      causes: [expect.stringMatching(/^There are 3 risk providers already/)],
    })
    await using bigger = await startTestHub({ settings: { riskProvidersMax: '4' } })
    for (let n = 0; n < 4; n++) await create(bigger)
  })

  test('concurrent creates do not exceed the limit', async () => {
    await using hub = await startTestHub()
    const clients = await Promise.all(Array.from({ length: 8 }, () => newClient(hub)))
    const answers = await Promise.all(
      clients.map((clientId) => hub.api('POST', path, { name: clientId, clientId })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
  })

  test.each(['GET', 'PUT', 'DELETE'])(
    '%s of an unknown id is 404 with the id, before the body is read',
    async (method) => {
      await using hub = await startTestHub()
      const body = method === 'PUT' ? { name: 5 } : undefined
      const answer = await refusal(await hub.api(method, `${path}/rkpNoSuchProvider000`, body))
      expect(answer).toMatchObject({ status: 404, code: 'E0000007' })
      expect(answer.summary).toContain('rkpNoSuchProvider000')
    },
  )

  test('other methods are 405, other media types 400 (OKTA §9.2)', async () => {
    await using hub = await startTestHub()
    expect(await refusal(await hub.api('PATCH', path))).toMatchObject({ status: 405, code: 'E0000022' })
    const answer = await fetch(hub.origin + path, {
      method: 'POST',
      headers: { authorization: `SSWS ${hub.adminToken}`, 'content-type': 'text/plain' },
      body: '{}',
    })
    expect(await refusal(answer)).toMatchObject({ status: 400, code: 'E0000021' })
  })

  test('missing, wrong and insufficient credentials are refused (OKTA-K6, OKTA-X10, OKTA-X11, OKTA-X13)', async () => {
    await using hub = await startTestHub()
    expect(await refusal(await fetch(hub.origin + path))).toMatchObject({ status: 403, code: 'E0000005' })
    const wrong = await fetch(hub.origin + path, { headers: { authorization: 'SSWS nope' } })
    expect(await refusal(wrong)).toMatchObject({ status: 401, code: 'E0000011' })

    const app = await registerServiceApp(hub, 'okta.riskProviders.read okta.riskEvents.manage')
    expect((await app.call('okta.riskProviders.read', 'GET', path)).status).toBe(200)
    const answer = await app.call('okta.riskProviders.read', 'POST', path, {
      name: 'a',
      clientId: app.clientId,
    })
    expect([answer.status, await answer.text()]).toEqual([403, ''])
    expect(answer.headers.get('www-authenticate')).toMatch(
      /^Bearer .*scope="okta\.riskProviders\.manage", error="insufficient_scope"/,
    )
  })
})

describe('when the service app is deleted', () => {
  test('its provider stays, cannot send, and can be edited and deleted', async () => {
    await using hub = await startTestHub()
    const app = await registerServiceApp(hub, 'okta.riskEvents.manage')
    const { clientId } = app
    const made = await create(hub, { name: 'Partner', clientId })
    const token = await app.token('okta.riskEvents.manage')
    await hub.api('DELETE', `/oauth2/v1/clients/${clientId}`)

    const sent = await fetch(`${hub.origin}/api/v1/risk/events/ip`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify([{ subjects: [{ ip: '203.0.113.7', riskLevel: 'HIGH' }] }]),
    })
    expect(sent.status).toBe(401)
    const edited = await hub.api('PUT', `${path}/${made.id}`, { ...made, action: 'none' })
    expect(await edited.json()).toMatchObject({ clientId, action: 'none' })
    expect((await hub.api('POST', path, { name: 'Another', clientId })).status).toBe(400)
    expect((await hub.api('DELETE', `${path}/${made.id}`)).status).toBe(204)
  })
})

describe('the Deprecation header (RFC 9745)', () => {
  const withToken = (hub: TestHub) => ({ headers: { authorization: `SSWS ${hub.adminToken}` } })

  test('is sent only when the setting says so', async () => {
    await using hub = await startTestHub()
    expect((await fetch(hub.origin + path, withToken(hub))).headers.get('deprecation')).toBeNull()
  })

  test('has the date, on all answers about risk providers and risk events, and on no others', async () => {
    await using hub = await startTestHub({ settings: { deprecationHeaders: 'true' } })
    const header = async (url: string, init: RequestInit = withToken(hub)) =>
      (await fetch(hub.origin + url, init)).headers.get('deprecation')
    expect(await header(path)).toBe('@1759276800')
    expect(await header(path, {})).toBe('@1759276800')
    expect(await header('/api/v1/risk/events/ip', { method: 'POST', ...withToken(hub) })).toBe('@1759276800')
    expect(await header('/api/v1/logs')).toBeNull()
  })
})

describe('the action of a security events provider', () => {
  const newProvider = async (hub: TestHub): Promise<string> => {
    const answer = await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'MDM',
      type: 'mdm',
      settings: { issuer: 'https://mdm.example', jwks_url: 'http://127.0.0.1:9/jwks' },
    })
    return ((await answer.json()) as { id: string }).id
  }

  test('is enforce_and_log by default, and a change of it is in the System Log as a change of the provider', async () => {
    await using hub = await startTestHub()
    const id = await newProvider(hub)
    const action = `/v1/providers/${id}/action`
    expect(await (await hub.api('GET', action)).json()).toEqual({ action: 'enforce_and_log' })
    for (const wanted of ['log_only', 'log_only', 'none']) {
      const answer = await hub.api('PUT', action, { action: wanted })
      expect([answer.status, await answer.json()]).toEqual([200, { action: wanted }])
      expect(await (await hub.api('GET', action)).json()).toEqual({ action: wanted })
    }
    const entries = await logEntries(hub, 'security.events.provider.update')
    expect(entries.map(({ target }) => target?.[0]?.changeDetails)).toEqual([
      { from: { action: 'enforce_and_log' }, to: { action: 'log_only' } },
      { from: { action: 'log_only' }, to: { action: 'none' } },
    ])
  })

  test('is deleted with the provider', async () => {
    await using hub = await startTestHub()
    const id = await newProvider(hub)
    await hub.api('PUT', `/v1/providers/${id}/action`, { action: 'none' })
    await hub.api('DELETE', `/api/v1/security-events-providers/${id}`)
    expect((await hub.api('GET', `/v1/providers/${id}/action`)).status).toBe(404)
  })

  test('a body that names no action is refused', async () => {
    await using hub = await startTestHub()
    const id = await newProvider(hub)
    const bodies = [undefined, null, [], 'none', {}, { action: null }, { action: 'NONE' }, { action: 1 }]
    for (const body of bodies) {
      const answer = await hub.api('PUT', `/v1/providers/${id}/action`, body)
      expect(await refusal(answer)).toMatchObject({ status: 400, code: 'E0000001' })
    }
    expect(await logEntries(hub, 'security.events.provider.update')).toEqual([])
  })

  test('is 404 for an unknown provider and for a risk provider', async () => {
    await using hub = await startTestHub()
    const { id } = await create(hub)
    for (const unknown of ['sse00000000000000000', id]) {
      expect((await hub.api('GET', `/v1/providers/${unknown}/action`)).status).toBe(404)
      expect((await hub.api('PUT', `/v1/providers/${unknown}/action`, { action: 'none' })).status).toBe(404)
    }
  })

  test('needs watchbell.providers.manage', async () => {
    await using hub = await startTestHub()
    const id = await newProvider(hub)
    const app = await registerServiceApp(
      hub,
      'watchbell.providers.manage okta.securityEventsProviders.manage',
    )
    const put = (scope: string) => app.call(scope, 'PUT', `/v1/providers/${id}/action`, { action: 'none' })
    expect((await put('okta.securityEventsProviders.manage')).status).toBe(403)
    expect((await put('watchbell.providers.manage')).status).toBe(200)
  })
})
