import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { startLocalServer, type LocalServer } from '../local-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { rawRequest } from './raw-request.ts'
import { accessTokenOf, registerApp } from './oauth-app.ts'
import { ada } from './with-provider.ts'
import type { ProviderBody } from '../../src/wire/providers.ts'

const path = '/api/v1/security-events-providers'
const unknownId = 'sse00000000000000000'

interface Shown {
  readonly status: number
  readonly body: ProviderBody
}

interface Refused {
  readonly status: number
  readonly body: { readonly errorCode: string; readonly errorSummary: string }
  readonly causes: readonly string[]
}

/** A draft whose issuer and key set nobody has to reach. */
function draft(name: string, over: object = {}): object {
  return {
    name,
    type: 'okta',
    settings: { issuer: `https://${name}.example`, jwks_url: `https://${name}.example/keys` },
    ...over,
  }
}

async function ask(hub: TestHub, method: string, below = '', body?: unknown): Promise<Shown> {
  const response = await hub.api(method, path + below, body)
  return { status: response.status, body: (await response.json()) as ProviderBody } // of a 200
}

async function refused(hub: TestHub, method: string, below = '', body?: unknown): Promise<Refused> {
  const response = await hub.api(method, path + below, body)
  const error = (await response.json()) as Refused['body'] & { errorCauses: { errorSummary: string }[] } // of a 4xx
  return {
    status: response.status,
    body: error,
    causes: error.errorCauses.map(({ errorSummary }) => errorSummary),
  }
}

async function list(hub: TestHub): Promise<readonly ProviderBody[]> {
  return (await (await hub.api('GET', path)).json()) as readonly ProviderBody[] // OKTA-R1
}

/** Somebody's web server with documents at paths, made with its own origin. */
function startDocuments(
  documents: (origin: string) => Readonly<Record<string, unknown>>,
  contentType = 'application/json',
): Promise<LocalServer> {
  return startLocalServer((request, response) => {
    const found = documents(`http://${request.headers.host}`)[request.url ?? '']
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': contentType })
    response.end(typeof found === 'string' ? found : JSON.stringify(found ?? {}))
  })
}

/** For tests that leave no trace which another could trip over. */
let shared: TestHub
beforeAll(async () => {
  shared = await startTestHub()
})
afterAll(() => shared[Symbol.asyncDispose]())

describe('answers (1.1, 1.3)', () => {
  test('OKTA-R2, OKTA-R40 to OKTA-R46, OKTA-A3, OKTA-A4: create answers 200 with these members in this order', async () => {
    await using hub = await startTestHub()
    const response = await hub.api('POST', path, draft('vendor'))
    expect(response.status).toBe(200)
    const text = await response.text()
    const { id } = JSON.parse(text) as ProviderBody // compared next
    expect(id).toMatch(/^sse[0-9A-Za-z]{17}$/)
    const self = `${hub.origin}${path}/${id}`
    expect(text).toBe(
      JSON.stringify({
        id,
        name: 'vendor',
        type: 'okta',
        status: 'ACTIVE',
        settings: { issuer: 'https://vendor.example', jwks_url: 'https://vendor.example/keys' },
        _links: {
          self: { href: self, hints: { allow: ['GET', 'PUT', 'DELETE'] } },
          deactivate: { href: `${self}/lifecycle/deactivate`, hints: { allow: ['POST'] } },
        },
      }),
    )
    expect(await (await hub.api('GET', `${path}/${id}`)).text()).toBe(text) // OKTA-R3
    expect(await (await hub.api('GET', path)).text()).toBe(`[${text}]`) // OKTA-R1
  })

  test('OKTA-A4: hrefs have the public origin whatever the Host header is', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const answer = await rawRequest(
      hub.origin,
      `GET http://elsewhere.example${path}/${body.id} HTTP/1.1\r\nHost: elsewhere.example\r\nX-Forwarded-Host: elsewhere.example\r\n` +
        `Authorization: SSWS ${hub.adminToken}\r\nConnection: close\r\n\r\n`,
    )
    expect(JSON.parse(answer.body)).toEqual(body)
    expect(body._links['self']?.href).toBe(`${hub.origin}${path}/${body.id}`)
  })

  test('OKTA-R1: the list is in the order of creation and has at least 20 providers', async () => {
    await using hub = await startTestHub()
    expect(await list(hub)).toEqual([])
    const names = Array.from({ length: 25 }, (_, at) => `vendor-${25 - at}`)
    for (const name of names) expect((await ask(hub, 'POST', '', draft(name))).status).toBe(200)
    expect((await list(hub)).map(({ name }) => name)).toEqual(names)
  })

  test('OKTA-R7, OKTA-R46, OKTA-R47: deactivate answers 200 with a link to activate', async () => {
    await using hub = await startTestHub()
    const { body: created } = await ask(hub, 'POST', '', draft('vendor'))
    const { status, body } = await ask(hub, 'POST', `/${created.id}/lifecycle/deactivate`)
    const self = `${hub.origin}${path}/${created.id}`
    expect(status).toBe(200)
    expect(body).toEqual({
      ...created,
      status: 'INACTIVE',
      _links: {
        self: created._links['self'],
        activate: { href: `${self}/lifecycle/activate`, hints: { allow: ['POST'] } },
      },
    })
    expect((await ask(hub, 'GET', `/${created.id}`)).body).toEqual(body)
    expect(await ask(hub, 'POST', `/${created.id}/lifecycle/activate`)).toEqual({
      status: 200,
      body: created,
    })
  })

  test('OKTA-R8, OKTA-R9: a lifecycle step that changes nothing succeeds', async () => {
    await using hub = await startTestHub()
    const { body: created } = await ask(hub, 'POST', '', draft('vendor'))
    const step = (verb: string) => ask(hub, 'POST', `/${created.id}/lifecycle/${verb}`)
    expect(await step('activate')).toEqual({ status: 200, body: created })
    const inactive = await step('deactivate')
    expect(await step('deactivate')).toEqual(inactive)
  })

  test.each(['ACTIVE', 'INACTIVE'])(
    'OKTA-R5, OKTA-R10: delete of an %s provider answers 204 without a body',
    async (status) => {
      await using hub = await startTestHub()
      const { body } = await ask(hub, 'POST', '', draft('vendor'))
      if (status === 'INACTIVE') await ask(hub, 'POST', `/${body.id}/lifecycle/deactivate`)
      const response = await hub.api('DELETE', `${path}/${body.id}`)
      expect([response.status, await response.text(), response.headers.get('content-type')]).toEqual([
        204,
        '',
        null,
      ])
      expect(await list(hub)).toEqual([])
      expect((await ask(hub, 'POST', '', draft('vendor'))).status).toBe(200) // name and issuer are free again
    },
  )

  test.each([
    ['GET', ''],
    ['PUT', ''],
    ['DELETE', ''],
    ['POST', '/lifecycle/activate'],
    ['POST', '/lifecycle/deactivate'],
  ])('OKTA-R12: %s …/{id}%s of an unknown id is 404 E0000007', async (method, step) => {
    for (const id of [unknownId, 'sse', 'null', '..%2F', '%00', "'%20OR%201=1--", '🔔']) {
      const body = method === 'PUT' ? draft('nobody') : undefined
      const answer = await refused(shared, method, `/${encodeURI(decodeURI(id))}${step}`, body)
      expect([id, answer.status, answer.body.errorCode]).toEqual([id, 404, 'E0000007'])
    }
    const { body } = await refused(shared, method, `/${unknownId}${step}`, method === 'PUT' ? {} : undefined)
    expect(body.errorSummary).toBe(`Not found: Resource not found: ${unknownId} (SecurityEventsProvider)`)
  })

  test('a deleted provider is 404 for every method', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    await hub.api('DELETE', `${path}/${body.id}`)
    for (const [method, step] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/lifecycle/activate'],
      ['POST', '/lifecycle/deactivate'],
    ] as const) {
      expect((await refused(hub, method, `/${body.id}${step}`)).status).toBe(404)
    }
    expect((await refused(hub, 'PUT', `/${body.id}`, draft('vendor'))).status).toBe(404)
  })

  test('OKTA-R20, OKTA-R21, OKTA-R24, OKTA-A2: texts are kept character for character', async () => {
    await using hub = await startTestHub()
    const wanted = {
      name: `Ünï 🔔 "quoted" \\ <b>${'x'.repeat(70)}`,
      type: 't'.repeat(255),
      settings: { issuer: 'Issuer', jwks_url: `https://vendor.example/${'k'.repeat(970)}` },
    }
    expect((await ask(hub, 'POST', '', wanted)).body).toMatchObject(wanted)
    const longest = draft('n'.repeat(100), {
      settings: { issuer: 'i'.repeat(700), jwks_url: 'https://b.example' },
    })
    expect((await ask(hub, 'POST', '', longest)).body).toMatchObject(longest)
  })
})

describe('create from a well-known URL (OKTA-R23, OKTA-R43)', () => {
  test('stores the URL and the issuer and JWKS URL of its metadata', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const { status, body } = await ask(hub, 'POST', '', {
      name: 'vendor',
      type: 'okta',
      settings: { well_known_url: transmitter.wellKnownUrl },
    })
    expect([status, JSON.stringify(body.settings)]).toEqual([
      200,
      JSON.stringify({
        well_known_url: transmitter.wellKnownUrl,
        issuer: transmitter.issuer,
        jwks_url: transmitter.jwksUrl,
      }),
    ])
    const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada })
    expect((await hub.push(set)).status).toBe(202)
  })

  const metadata = (origin: string, issuer = origin) => ({ issuer, jwks_uri: `${origin}/keys` })

  test.each([
    ['at the root', '/.well-known/ssf-configuration', ''],
    ['inserted before the path (RFC 8615)', '/.well-known/ssf-configuration/tenant/one', '/tenant/one'],
    ['as a suffix', '/tenant/one/.well-known/ssf-configuration', '/tenant/one'],
    ['under another well-known name', '/.well-known/sse-configuration', ''],
    ["OpenID's", '/tenant/.well-known/openid-configuration', '/tenant'],
  ])('%s', async (_name, at, issuerPath) => {
    await using hub = await startTestHub()
    await using server = await startDocuments((origin) => ({ [at]: metadata(origin, origin + issuerPath) }))
    const { status, body } = await ask(hub, 'POST', '', {
      name: 'vendor',
      type: 'okta',
      settings: { well_known_url: server.origin + at },
    })
    expect([status, body.settings]).toEqual([
      200,
      {
        well_known_url: server.origin + at,
        issuer: server.origin + issuerPath,
        jwks_url: `${server.origin}/keys`,
      },
    ])
  })

  test('an issuer URL is replaced by the well-known URL of that issuer (SSF 1.0 §7.2.1)', async () => {
    await using hub = await startTestHub()
    await using server = await startDocuments((origin) => ({
      '/.well-known/ssf-configuration/tenant': metadata(origin, `${origin}/tenant`),
    }))
    const { status, body } = await ask(hub, 'POST', '', {
      name: 'vendor',
      type: 'okta',
      settings: { well_known_url: `${server.origin}/tenant` },
    })
    expect([status, body.settings.issuer]).toEqual([200, `${server.origin}/tenant`])
  })

  const at = '/.well-known/ssf-configuration'
  test.each([
    [
      'another issuer',
      (origin: string) => metadata(origin, 'https://bank.example'),
      /its issuer is .*bank\.example/,
    ],
    ['the issuer on another path', (origin: string) => metadata(origin, `${origin}/other`), /its issuer is/],
    ['no issuer', (origin: string) => ({ jwks_uri: `${origin}/keys` }), /member issuer/],
    [
      'an issuer that is no string',
      (origin: string) => ({ ...metadata(origin), issuer: 7 }),
      /member issuer/,
    ],
    ['no jwks_uri', (origin: string) => ({ issuer: origin }), /jwks_uri/],
    ['a jwks_uri that is no URL', (origin: string) => ({ issuer: origin, jwks_uri: 'keys' }), /jwks_uri/],
    [
      'a jwks_uri inside',
      (origin: string) => ({ issuer: origin, jwks_uri: 'https://10.0.0.1/keys' }),
      /jwks_uri.*private/,
    ],
    [
      'a jwks_uri of a file',
      (origin: string) => ({ issuer: origin, jwks_uri: 'file:///etc/passwd' }),
      /jwks_uri/,
    ],
    ['an array', () => [], /not a JSON object/],
    ['no JSON', () => '<html>', /not JSON/],
    ['a member twice', () => '{"issuer":"a","issuer":"b"}', /repeated/],
    ['nothing', () => undefined, /status 404/],
    ['too much', () => JSON.stringify({ padding: 'x'.repeat(300_000) }), /bytes/],
  ])('OKTA-R63: metadata with %s is refused, and nothing is created', async (name, document, reason) => {
    await using server = await startDocuments((origin) => ({ [at]: document(origin) }))
    const answer = await refused(shared, 'POST', '', {
      name,
      type: 'okta',
      settings: { well_known_url: server.origin + at },
    })
    expect([answer.status, answer.body.errorCode, answer.body.errorSummary]).toEqual([
      400,
      'E0000001',
      'Api validation failed: settings',
    ])
    expect(answer.causes).toEqual([
      expect.stringMatching(/^settings\.well_known_url: well_known_url is not valid: /),
    ])
    expect(answer.causes[0]).toMatch(reason)
    expect(await list(shared)).toEqual([])
  })

  test('OKTA-R63: metadata that are served as HTML are refused', async () => {
    await using server = await startDocuments((origin) => ({ [at]: metadata(origin) }), 'text/html')
    const { causes } = await refused(shared, 'POST', '', {
      name: 'vendor',
      type: 'okta',
      settings: { well_known_url: server.origin + at },
    })
    expect(causes).toEqual([expect.stringMatching(/Content-Type text\/html; it must be application\/json/)])
  })

  test('OKTA-R63: a transmitter that is unreachable, closes the connection or redirects is refused', async () => {
    await using transmitter = await startTransmitter()
    transmitter.down = true
    await using redirecting = await startLocalServer((_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end()
    })
    const gone = await startLocalServer(() => undefined)
    await gone[Symbol.asyncDispose]()
    for (const [origin, reason] of [
      [transmitter.origin, /closed/],
      [redirecting.origin, /redirects? (to|are)/],
      [gone.origin, /connection was refused/],
    ] as const) {
      const { status, causes } = await refused(shared, 'POST', '', {
        name: 'vendor',
        type: 'okta',
        settings: { well_known_url: `${origin}${at}` },
      })
      expect([status, causes]).toEqual([400, [expect.stringMatching(reason)]])
    }
    expect(await list(shared)).toEqual([])
  })
})

describe('addresses that the hub may fetch from', () => {
  let hub: TestHub
  beforeAll(async () => {
    hub = await startTestHub({ settings: { outboundAllow: '' } })
  })
  afterAll(() => hub[Symbol.asyncDispose]())

  test.each([
    'http://127.0.0.1:9/keys',
    'https://127.0.0.1/keys',
    'https://localhost/keys',
    'https://[::1]/keys',
    'https://[::ffff:127.0.0.1]/keys',
    'https://10.1.2.3/keys',
    'https://192.168.0.1/keys',
    'https://172.16.0.1/keys',
    'https://100.64.0.1/keys',
    'https://169.254.169.254/latest/meta-data',
    'https://0.0.0.0/keys',
    'https://2130706433/keys',
    'https://0x7f.1/keys',
    'http://vendor.example/keys',
  ])('%s is refused, and the error names the setting that permits it', async (url) => {
    for (const [settings, field] of [
      [{ issuer: 'https://vendor.example', jwks_url: url }, 'jwks_url'],
      [{ well_known_url: url }, 'well_known_url'],
    ] as const) {
      const answer = await refused(hub, 'POST', '', { name: 'vendor', type: 'okta', settings })
      expect([answer.status, answer.body.errorCode]).toEqual([400, 'E0000001'])
      expect(answer.causes).toEqual([
        expect.stringMatching(
          new RegExp(`^settings\\.${field}: ${field} is not valid: .*WATCHBELL_OUTBOUND_ALLOW`),
        ),
      ])
    }
    expect(await list(hub)).toEqual([])
  })

  test.each([
    'ftp://vendor.example/keys',
    'file:///etc/passwd',
    'https://user:secret@vendor.example/keys',
    'javascript:1',
  ])('%s is always refused', async (url) => {
    const answer = await refused(
      shared,
      'POST',
      '',
      draft('vendor', { settings: { issuer: 'i', jwks_url: url } }),
    )
    expect([answer.status, answer.causes]).toEqual([400, [expect.stringMatching(/jwks_url is not valid/)]])
    expect(answer.causes.join()).not.toContain('secret')
  })

  test('replace refuses a private address as well', async () => {
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const inside = draft('vendor', { settings: { issuer: 'i', jwks_url: 'https://10.0.0.1/keys' } })
    expect((await refused(hub, 'PUT', `/${body.id}`, inside)).status).toBe(400)
    expect((await ask(hub, 'GET', `/${body.id}`)).body).toEqual(body)
    await hub.api('DELETE', `${path}/${body.id}`)
  })
})

describe('checking keys on create (OKTA-R64)', () => {
  const settings = { checkKeysOnCreate: 'true' }

  test('is off by default: the JWKS URL is not fetched', async () => {
    await using hub = await startTestHub()
    await using server = await startDocuments(() => ({}))
    const { status } = await ask(hub, 'POST', '', {
      ...draft('vendor'),
      settings: { issuer: 'i', jwks_url: `${server.origin}/keys` },
    })
    expect([status, server.requests]).toEqual([200, []])
  })

  test('accepts a usable key set', async () => {
    await using hub = await startTestHub({ settings })
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const { issuer, jwksUrl, wellKnownUrl } = transmitter
    const byKeys = { name: 'a', type: 'okta', settings: { issuer: 'other', jwks_url: jwksUrl } }
    expect((await ask(hub, 'POST', '', byKeys)).status).toBe(200)
    const byMetadata = { name: 'b', type: 'okta', settings: { well_known_url: wellKnownUrl } }
    expect((await ask(hub, 'POST', '', byMetadata)).body.settings.issuer).toBe(issuer)
    expect(transmitter.fetches.keys).toBe(2)
  })

  test.each([
    ['nothing', undefined, 'application/json'],
    ['no key set', {}, 'application/json'],
    ['no key', { keys: [] }, 'application/json'],
    ['no JSON', 'keys', 'application/json'],
    ['another media type', { keys: [] }, 'text/plain'],
    ['a symmetric key', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }, 'application/json'],
  ])('OKTA-R63: refuses %s', async (_name, document, contentType) => {
    await using hub = await startTestHub({ settings })
    await using server = await startDocuments(
      (origin) => ({
        '/keys': document,
        '/.well-known/ssf-configuration': { issuer: origin, jwks_uri: `${origin}/keys` },
      }),
      contentType,
    )
    const answer = await refused(hub, 'POST', '', {
      name: 'vendor',
      type: 'okta',
      settings: { issuer: 'https://vendor.example', jwks_url: `${server.origin}/keys` },
    })
    expect([answer.status, answer.causes]).toEqual([
      400,
      [expect.stringMatching(/^settings\.jwks_url: jwks_url is not valid: ./)],
    ])
    expect(await list(hub)).toEqual([])
  })
})

describe('replace', () => {
  test('OKTA-R27, OKTA-A5: a provider that was read can be edited and sent back whole', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    const { body: plain } = await ask(hub, 'POST', '', draft('plain'))
    const { body: known } = await ask(hub, 'POST', '', {
      name: 'known',
      type: 'okta',
      settings: { well_known_url: transmitter.wellKnownUrl },
    })
    for (const body of [plain, known]) {
      const edited = { ...body, name: `${body.name} edited`, created: '2026-01-01', extra: { a: [1] } }
      const answer = await ask(hub, 'PUT', `/${body.id}`, edited)
      expect(answer).toEqual({ status: 200, body: { ...body, name: `${body.name} edited` } }) // OKTA-R4, OKTA-R28
    }
  })

  test('OKTA-R27: with well_known_url null, as the SDK sends it, issuer and JWKS URL are used', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const settings = { well_known_url: null, ...body.settings }
    expect(await ask(hub, 'PUT', `/${body.id}`, { ...body, settings })).toEqual({ status: 200, body })
    expect('well_known_url' in (await ask(hub, 'GET', `/${body.id}`)).body.settings).toBe(false) // OKTA-R42, OKTA-R44
    const created = await ask(hub, 'POST', '', {
      ...draft('second'),
      settings: { well_known_url: null, issuer: 'second', jwks_url: 'https://second.example' },
    })
    expect(created.body.settings).toEqual({ issuer: 'second', jwks_url: 'https://second.example' })
  })

  test('OKTA-R27: a well-known URL takes precedence over issuer and JWKS URL', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const settings = { ...body.settings, well_known_url: transmitter.wellKnownUrl }
    expect((await ask(hub, 'PUT', `/${body.id}`, { ...body, settings })).body.settings).toEqual({
      well_known_url: transmitter.wellKnownUrl,
      issuer: transmitter.issuer,
      jwks_url: transmitter.jwksUrl,
    })
  })

  test('OKTA-R29, OKTA-R30: settings change between both shapes, and the status stays', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    await ask(hub, 'POST', `/${body.id}/lifecycle/deactivate`)
    const { issuer, jwksUrl, wellKnownUrl } = transmitter
    const switched = { ...draft('vendor'), settings: { well_known_url: wellKnownUrl } }
    expect((await ask(hub, 'PUT', `/${body.id}`, switched)).body).toMatchObject({
      status: 'INACTIVE',
      settings: { well_known_url: wellKnownUrl, issuer, jwks_url: jwksUrl },
    })
    const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada })
    expect((await hub.push(set)).status).toBe(400) // OKTA-E93
    const back = await ask(hub, 'PUT', `/${body.id}`, draft('vendor'))
    expect(back.body).toMatchObject({ status: 'INACTIVE' })
    expect(back.body.settings).toEqual(body.settings)
  })

  test('SETs of a new issuer are accepted at once, and SETs of the old one no longer', async () => {
    await using hub = await startTestHub()
    await using old = await startTransmitter({ alg: 'ES256' })
    await using next = await startTransmitter({ alg: 'ES256' })
    const of = ({ issuer, jwksUrl }: typeof old) =>
      draft('vendor', { settings: { issuer, jwks_url: jwksUrl } })
    const push = async (from: typeof old): Promise<number> =>
      (await hub.push(from.sign({ type: 'session-revoked', aud: hub.origin, subject: ada }))).status
    const { body } = await ask(hub, 'POST', '', of(old))
    expect([await push(old), await push(next)]).toEqual([202, 400])
    await ask(hub, 'PUT', `/${body.id}`, of(next))
    expect([await push(old), await push(next)]).toEqual([400, 202])
  })

  test('OKTA-R28: every member is required, and a refused replace changes nothing', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    for (const missing of ['name', 'type', 'settings']) {
      const { status, causes } = await refused(hub, 'PUT', `/${body.id}`, { ...body, [missing]: undefined })
      expect([status, causes]).toEqual([400, [`${missing}: The field cannot be left blank`]])
    }
    const unreachable = { ...body, settings: { well_known_url: 'http://127.0.0.1:9/.well-known/x' } }
    expect((await refused(hub, 'PUT', `/${body.id}`, unreachable)).status).toBe(400)
    expect((await ask(hub, 'GET', `/${body.id}`)).body).toEqual(body)
  })

  test('unknown and read-only members change neither id nor status (OKTA-R26)', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', { id: unknownId, status: 'INACTIVE', ...draft('vendor') })
    expect(body).toMatchObject({ status: 'ACTIVE' })
    expect(body.id).not.toBe(unknownId)
    const sent = { ...draft('vendor'), id: unknownId, status: 'INACTIVE', _links: null }
    expect((await ask(hub, 'PUT', `/${body.id}`, sent)).body).toEqual(body)
  })
})

describe('uniqueness', () => {
  const nameTaken = 'Security Events Provider name must be unique'
  const issuerTaken = 'The provided issuer already exists for this organization.'

  test('OKTA-R61, OKTA-R62: create and replace refuse a taken name or issuer with Okta’s texts', async () => {
    await using hub = await startTestHub()
    const { body: a } = await ask(hub, 'POST', '', draft('a'))
    const { body: b } = await ask(hub, 'POST', '', draft('b'))
    for (const [settings, name, cause, summary] of [
      [(draft('c') as ProviderBody).settings, 'a', nameTaken, 'name'],
      [a.settings, 'c', issuerTaken, 'settings'],
      [{ ...a.settings, jwks_url: 'https://elsewhere.example' }, 'c', issuerTaken, 'settings'],
    ] as const) {
      for (const [method, below] of [
        ['POST', ''],
        ['PUT', `/${b.id}`],
      ] as const) {
        const answer = await refused(hub, method, below, { name, type: 'okta', settings })
        expect(answer).toMatchObject({
          status: 400,
          body: { errorCode: 'E0000001', errorSummary: `Api validation failed: ${summary}` },
          causes: [cause],
        })
      }
    }
    expect(await list(hub)).toEqual([a, b])
  })

  test('OKTA-R61, OKTA-R62, OKTA-X4: a taken name and a taken issuer are both reported, the name first', async () => {
    await using hub = await startTestHub()
    const { body: a } = await ask(hub, 'POST', '', draft('a'))
    const { body: b } = await ask(hub, 'POST', '', draft('b'))
    const { body: c } = await ask(hub, 'POST', '', draft('c'))
    for (const settings of [a.settings, b.settings]) {
      for (const [method, below] of [
        ['POST', ''],
        ['PUT', `/${c.id}`],
      ] as const) {
        expect(await refused(hub, method, below, { name: 'a', type: 'okta', settings })).toMatchObject({
          status: 400,
          body: { errorCode: 'E0000001', errorSummary: 'Api validation failed: name' },
          causes: [nameTaken, issuerTaken],
        })
      }
    }
    expect((await ask(hub, 'PUT', `/${a.id}`, a)).body).toEqual(a)
    expect(await list(hub)).toEqual([a, b, c])
  })

  test('OKTA-R62: an issuer from a well-known URL must be unique as well', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    const { issuer, jwksUrl, wellKnownUrl } = transmitter
    await ask(hub, 'POST', '', draft('a', { settings: { issuer, jwks_url: jwksUrl } }))
    const again = draft('b', { settings: { well_known_url: wellKnownUrl } })
    expect((await refused(hub, 'POST', '', again)).causes).toEqual([issuerTaken])
  })

  test('one of several concurrent creates with the same name or issuer succeeds', async () => {
    await using hub = await startTestHub()
    const race = (bodies: readonly object[]): Promise<readonly number[]> =>
      Promise.all(bodies.map(async (body) => (await hub.api('POST', path, body)).status))
    const times = Array.from({ length: 20 }, (_, at) => at)
    const oneName = await race(times.map((at) => ({ ...draft(`n${at}`), name: 'same' })))
    expect(oneName.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(400)])
    const oneIssuer = await race(
      times.map((at) => draft(`i${at}`, { settings: { issuer: 'same', jwks_url: 'https://s.example' } })),
    )
    expect(oneIssuer.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(400)])
    expect(await list(hub)).toHaveLength(2)
  })

  test('one of several concurrent deletes answers 204', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const statuses = await Promise.all(
      Array.from({ length: 10 }, async () => (await hub.api('DELETE', `${path}/${body.id}`)).status),
    )
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(9).fill(404)])
  })
})

describe('a slow transmitter', () => {
  const at = '/.well-known/ssf-configuration'

  /** Holds every request until `answer` is called, and tells when the first is there. */
  async function startSlow() {
    const asked = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const server = await startLocalServer((request, response) => {
      asked.resolve()
      const origin = `http://${request.headers.host}`
      void held.promise.then(() =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ issuer: origin, jwks_uri: `${origin}/keys` })),
      )
    })
    return { server, asked: asked.promise, answer: held.resolve }
  }

  test('does not delay other requests', async () => {
    await using hub = await startTestHub()
    const { server, asked, answer } = await startSlow()
    await using _server = server
    const slow = ask(hub, 'POST', '', draft('slow', { settings: { well_known_url: server.origin + at } }))
    await asked
    const { body } = await ask(hub, 'POST', '', draft('quick'))
    expect((await ask(hub, 'PUT', `/${body.id}`, draft('quick'))).status).toBe(200)
    expect((await hub.api('DELETE', `${path}/${body.id}`)).status).toBe(204)
    answer()
    expect((await slow).status).toBe(200)
  })

  test('does not restore a provider that was deleted meanwhile', async () => {
    await using hub = await startTestHub()
    const { server, asked, answer } = await startSlow()
    await using _server = server
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const slow = draft('vendor', { settings: { well_known_url: server.origin + at } })
    const replacing = refused(hub, 'PUT', `/${body.id}`, slow)
    await asked
    await hub.api('DELETE', `${path}/${body.id}`)
    answer()
    expect(await replacing).toMatchObject({ status: 404, body: { errorCode: 'E0000007' } })
    expect(await list(hub)).toEqual([])
  })

  test('with concurrent changes of all kinds leaves the provider in one of the requested states', async () => {
    await using hub = await startTestHub()
    const { body } = await ask(hub, 'POST', '', draft('vendor'))
    const one = `${path}/${body.id}`
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, at) => {
        const change = at % 4
        const answer =
          change === 0
            ? hub.api('POST', `${one}/lifecycle/deactivate`)
            : change === 1
              ? hub.api('POST', `${one}/lifecycle/activate`)
              : hub.api('PUT', one, draft(`vendor-${at}`))
        return (await answer).status
      }),
    )
    expect(statuses).toEqual(Array<number>(40).fill(200))
    const last = (await ask(hub, 'GET', `/${body.id}`)).body
    expect(last).toMatchObject({ id: body.id, name: expect.stringMatching(/^vendor-\d+$/) })
    expect(last.settings.issuer).toBe(`https://${last.name}.example`)
  })
})

describe('validation (OKTA-R60, OKTA §9.3)', () => {
  const blank = 'The field cannot be left blank'
  test.each([
    ['nothing', {}, [`name: ${blank}`, `type: ${blank}`, `settings: ${blank}`]],
    ['an empty name', draft(''), [`name: ${blank}`]],
    ['a blank name', draft('a', { name: ' \t ' }), [`name: ${blank}`]],
    ['a null name', draft('a', { name: null }), [`name: ${blank}`]],
    ['a number for a name', draft('a', { name: 7 }), [/^name: The field name is not valid/]],
    ['an object for a name', draft('a', { name: {} }), [/^name: The field name is not valid/]],
    ['a name of 101', draft('n'.repeat(101)), [/^name: The field is too long/]],
    ['a name with a line break', draft('a', { name: 'a\nb' }), [/^name: /]],
    ['an empty type', draft('a', { type: '' }), [`type: ${blank}`]],
    ['a type of 256', draft('a', { type: 't'.repeat(256) }), [/^type: The field is too long/]],
    ['a boolean for a type', draft('a', { type: true }), [/^type: The field type is not valid/]],
    ['null settings', draft('a', { settings: null }), [`settings: ${blank}`]],
    ['settings in an array', draft('a', { settings: [] }), [/^settings: The field settings is not valid/]],
    ['settings as text', draft('a', { settings: 'x' }), [/^settings: The field settings is not valid/]],
    ['empty settings', draft('a', { settings: {} }), [/^settings: .*well_known_url, or issuer and jwks_url/]],
    ['an issuer alone', draft('a', { settings: { issuer: 'i' } }), [`settings.jwks_url: ${blank}`]],
    [
      'a JWKS URL alone',
      draft('a', { settings: { jwks_url: 'https://a.example' } }),
      [`settings.issuer: ${blank}`],
    ],
    [
      'an issuer of 701',
      draft('a', { settings: { issuer: 'i'.repeat(701), jwks_url: 'https://a.example' } }),
      [/^settings\.issuer: The field is too long/],
    ],
    [
      'a JWKS URL of 1001',
      draft('a', { settings: { issuer: 'i', jwks_url: `https://a.example/${'k'.repeat(983)}` } }),
      [/^settings\.jwks_url: The field is too long/],
    ],
    [
      'a JWKS URL that is none',
      draft('a', { settings: { issuer: 'i', jwks_url: 'keys.json' } }),
      [/^settings\.jwks_url: jwks_url is not valid/],
    ],
    [
      'a well-known URL that is none',
      draft('a', { settings: { well_known_url: 'ssf' } }),
      [/^settings\.well_known_url: well_known_url is not valid/],
    ],
    [
      'a well-known URL of 1001',
      draft('a', { settings: { well_known_url: `https://a.example/${'k'.repeat(983)}` } }),
      [/^settings\.well_known_url: The field is too long/],
    ],
    [
      'a number for a well-known URL',
      draft('a', { settings: { well_known_url: 1 } }),
      [/^settings\.well_known_url: The field well_known_url is not valid/],
    ],
    [
      'everything wrong at once',
      { name: 7, type: '', settings: { issuer: 'i'.repeat(701), jwks_url: 'x' } },
      [/^name: /, /^type: /, /^settings\.issuer: /, /^settings\.jwks_url: /],
    ],
  ])(
    '%s: every problem is a cause, and the summary names one field (OKTA-X1 to OKTA-X5)',
    async (_name, body, causes) => {
      const answer = await refused(shared, 'POST', '', body)
      expect([answer.status, answer.body.errorCode]).toEqual([400, 'E0000001'])
      expect(answer.body.errorSummary).toMatch(/^Api validation failed: (name|type|settings)$/)
      expect(answer.causes).toEqual(
        causes.map((cause) => (typeof cause === 'string' ? cause : expect.stringMatching(cause))),
      )
      expect(await list(shared)).toEqual([])
    },
  )
})

describe('System Log (OKTA-L60)', () => {
  interface Entry {
    readonly eventType: string
    readonly actor: { readonly id: string; readonly type: string; readonly displayName: string }
    readonly client: { readonly id: string | null }
    readonly target: readonly {
      readonly id: string
      readonly detailEntry: object
      readonly changeDetails?: object
    }[]
  }

  test('each change is logged with its actor, and a request that changes nothing is not', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub, 'okta.securityEventsProviders.manage')
    const bearer = await accessTokenOf(hub, app, 'okta.securityEventsProviders.manage')
    const asApp = (method: string, below: string, body?: object): Promise<Response> =>
      fetch(hub.origin + path + below, {
        method,
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      })
    const { body: one } = await ask(hub, 'POST', '', draft('one'))
    await asApp('PUT', `/${one.id}`, { ...draft('one'), name: 'renamed' })
    await asApp('POST', `/${one.id}/lifecycle/activate`) // is active already
    await asApp('POST', `/${one.id}/lifecycle/deactivate`)
    await hub.api('POST', path, draft('renamed')) // refused: the name is taken
    await hub.api('POST', `${path}/${one.id}/lifecycle/activate`)
    await asApp('DELETE', `/${one.id}`)
    await hub.api('DELETE', `${path}/${one.id}`) // is gone already

    const filter = encodeURIComponent('eventType sw "security.events.provider."')
    const entries = (await (await hub.api('GET', `/api/v1/logs?filter=${filter}`)).json()) as Entry[] // of a 200
    const { id: me } = (await (await hub.api('GET', '/api/v1/users/me')).json()) as { id: string }
    const person = { id: me, type: 'User', displayName: 'WATCHBELL_ADMIN_TOKEN' }
    const program = { id: app.clientId, type: 'PublicClientApp', displayName: 'test app' }
    expect(entries.map(({ eventType, actor }) => [eventType.split('.').at(-1), actor])).toEqual(
      (
        [
          ['create', person],
          ['update', program],
          ['deactivate', program],
          ['activate', person],
          ['delete', program],
        ] as const
      ).map(([kind, actor]) => [kind, expect.objectContaining(actor)]),
    )
    expect(entries.map(({ target }) => target[0]?.id)).toEqual(Array<string>(5).fill(one.id))
    expect(entries.map(({ client }) => client.id)).toEqual([
      null,
      app.clientId,
      app.clientId,
      null,
      app.clientId,
    ])
    expect(entries[0]?.target[0]?.detailEntry).toEqual({
      issuer: 'https://one.example',
      jwksUrl: 'https://one.example/keys',
      wellKnownUrl: null,
      providerType: 'okta',
      providerName: 'one',
    })
    expect(entries[1]?.target[0]?.changeDetails).toEqual({
      from: { providerName: 'one' },
      to: { providerName: 'renamed' },
    })
  })
})

describe('the requests of Terraform (OKTA-R72)', () => {
  test('create and the lifecycle step answer with the new state', async () => {
    await using hub = await startTestHub()
    for (const [verb, status] of [
      ['activate', 'ACTIVE'],
      ['deactivate', 'INACTIVE'],
    ] as const) {
      const { body } = await ask(hub, 'POST', '', draft(verb))
      const state = (await ask(hub, 'POST', `/${body.id}/lifecycle/${verb}`)).body
      expect(state).toMatchObject({ id: body.id, name: verb, type: 'okta', status, settings: body.settings })
      expect((await ask(hub, 'GET', `/${body.id}`)).body).toEqual(state)
      expect((await ask(hub, 'PUT', `/${body.id}`, { ...draft(verb), type: 'new' })).status).toBe(200)
      expect((await ask(hub, 'POST', `/${body.id}/lifecycle/${verb}`)).body).toEqual({
        ...state,
        type: 'new',
      })
      expect((await hub.api('DELETE', `${path}/${body.id}`)).status).toBe(204)
    }
  })
})

test('providers survive a restart', async () => {
  await using folder = await temporaryFolder()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const { issuer, jwksUrl } = transmitter
  const body = draft('vendor', { settings: { issuer, jwks_url: jwksUrl } })
  let before: Shown
  {
    await using hub = await startTestHub({ folder: folder.path })
    before = await ask(hub, 'POST', '', body)
    await ask(hub, 'POST', `/${before.body.id}/lifecycle/deactivate`)
  }
  await using hub = await startTestHub({ folder: folder.path })
  expect((await ask(hub, 'GET', `/${before.body.id}`)).body).toMatchObject({
    name: 'vendor',
    status: 'INACTIVE',
    settings: before.body.settings,
  })
  const push = async (): Promise<number> =>
    (await hub.push(transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada }))).status
  expect(await push()).toBe(400)
  await ask(hub, 'POST', `/${before.body.id}/lifecycle/activate`)
  expect(await push()).toBe(202)
})
