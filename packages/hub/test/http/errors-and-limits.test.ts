import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { apiBodyBytesMax } from '../../src/http/server.ts'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { accessTokenOf, registerApp } from './oauth-app.ts'
import { rawRequest } from './raw-request.ts'
import type { OktaErrorBody } from '../../src/wire/common.ts'

const providers = '/api/v1/security-events-providers'
const draft = {
  name: 'vendor',
  type: 'test',
  settings: { issuer: 'https://vendor.example', jwks_url: 'https://vendor.example/jwks.json' },
}

/** For tests that leave no trace which another could trip over. */
let hub: TestHub
beforeAll(async () => {
  hub = await startTestHub({ settings: { apiRequestsPerMinute: '100000' } })
})
afterAll(() => hub[Symbol.asyncDispose]())

interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer>
}

/** With the admin token and JSON, unless the headers say otherwise. */
function call(path: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Response> {
  return fetch(hub.origin + path, {
    method,
    headers: {
      authorization: `SSWS ${hub.adminToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  })
}

/** The error object, after its whole shape was looked at (9.1). */
async function errorOf(response: Response): Promise<OktaErrorBody> {
  expect(response.headers.get('content-type')).toMatch(/^application\/json(; charset=utf-8)?$/)
  const body = (await response.json()) as OktaErrorBody // compared next
  expect(body).toEqual({
    errorCode: expect.stringMatching(/^E\d{7}$/),
    errorSummary: expect.stringMatching(/./),
    errorLink: body.errorCode,
    errorId: expect.stringMatching(/^oae[0-9A-Za-z]{22}$/),
    errorCauses: body.errorCauses.map(() => ({ errorSummary: expect.stringMatching(/./) })),
  })
  expect(Object.keys(body)).toEqual(['errorCode', 'errorSummary', 'errorLink', 'errorId', 'errorCauses'])
  return body
}

/** What every answer of the API carries (OKTA-A9, OKTA-Q1, OKTA-Q3), each header once. */
function expectMarked(headers: Headers): void {
  expect(headers.get('x-okta-request-id')).toMatch(/^req[0-9A-Za-z]{17}$/)
  for (const name of ['x-rate-limit-limit', 'x-rate-limit-remaining', 'x-rate-limit-reset']) {
    expect([name, headers.get(name)]).toEqual([name, expect.stringMatching(/^\d+$/)])
  }
  expect(Date.parse(headers.get('date') ?? '')).not.toBeNaN()
  const waitS = Number(headers.get('x-rate-limit-reset')) - Date.parse(headers.get('date') ?? '') / 1_000
  expect(waitS).toBeGreaterThanOrEqual(0)
  expect(waitS).toBeLessThanOrEqual(62)
}

type Case = readonly [name: string, code: string, status: number, path: string, call?: Call]

const post = (body: string | Uint8Array<ArrayBuffer>, headers: Call['headers'] = {}): Call => ({
  method: 'POST',
  body,
  headers,
})

const cases: readonly Case[] = [
  ['OKTA-X10: no Authorization', 'E0000005', 403, providers, { headers: { authorization: '' } }],
  ['OKTA-X10: only a scheme', 'E0000005', 403, providers, { headers: { authorization: 'SSWS' } }],
  ['OKTA-X10: an unknown scheme', 'E0000005', 403, providers, { headers: { authorization: 'Basic Og==' } }],
  ['OKTA-X10: a token without scheme', 'E0000005', 403, providers, { headers: { authorization: 'abcdef' } }],
  ['OKTA-X11: a wrong SSWS', 'E0000011', 401, providers, { headers: { authorization: 'SSWS wrong' } }],
  ['OKTA-X11: an SSWS with a space', 'E0000011', 401, providers, { headers: { authorization: 'SSWS a b' } }],
  [
    'OKTA-X11: an endless SSWS',
    'E0000011',
    401,
    providers,
    { headers: { authorization: `SSWS ${'x'.repeat(5000)}` } },
  ],
  [
    'OKTA-X12: an OAuth token that is none',
    'E0000011',
    401,
    providers,
    { headers: { authorization: 'Bearer x.y.z' } },
  ],
  [
    'OKTA-X11: a wrong SSWS without a space',
    'E0000011',
    401,
    providers,
    { headers: { authorization: 'SSWSwrong' } },
  ],
  [
    'a scheme that only begins like one',
    'E0000005',
    403,
    providers,
    { headers: { authorization: 'SSWX x' } },
  ],
  [
    'OKTA-O16: Bearer undefined',
    'E0000011',
    401,
    providers,
    { headers: { authorization: 'Bearer undefined' } },
  ],
  ['an unknown path', 'E0000008', 404, '/api/v1/nothing'],
  [
    'an unknown path below a known one',
    'E0000008',
    404,
    `${providers}/sse1/lifecycle/explode`,
    { method: 'POST' },
  ],
  ['a known path in capitals', 'E0000008', 404, providers.toUpperCase()],
  ['an unknown path with a body', 'E0000008', 404, '/api/v1/nothing', post('{}')],
  ['a known path in another method', 'E0000022', 405, providers, { method: 'DELETE' }],
  ['PATCH', 'E0000022', 405, `${providers}/sse1`, { method: 'PATCH', body: '{}' }],
  ['OPTIONS', 'E0000022', 405, providers, { method: 'OPTIONS' }],
  ['GET of a lifecycle step', 'E0000022', 405, `${providers}/sse1/lifecycle/activate`],
  ['GET of the token endpoint', 'E0000022', 405, '/oauth2/v1/token'],
  ['GET of the push endpoint', 'E0000022', 405, '/security/api/v1/security-events'],
  ['another media type', 'E0000021', 400, providers, post('{}', { 'content-type': 'text/plain' })],
  [
    'form data',
    'E0000021',
    400,
    providers,
    post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
  ],
  ['a media type that is none', 'E0000021', 400, providers, post('{}', { 'content-type': ';;;' })],
  [
    'a media type that begins alike',
    'E0000021',
    400,
    providers,
    post('{}', { 'content-type': 'application/jsonp' }),
  ],
  ['OKTA-R66: JSON cut short', 'E0000003', 400, providers, post('{"name":')],
  ['OKTA-R66: no JSON', 'E0000003', 400, providers, post('name=vendor')],
  ['only white space', 'E0000003', 400, providers, post('  \n ')],
  ['a comma too many', 'E0000003', 400, providers, post('{"name":"a",}')],
  ['a member twice', 'E0000003', 400, providers, post('{"name":"a","name":"b"}')],
  ['a member twice, once escaped', 'E0000003', 400, providers, post('{"name":"a","n\\u0061me":"b"}')],
  [
    'a member twice, deep inside',
    'E0000003',
    400,
    providers,
    post('{"settings":{"issuer":"a","issuer":"b"}}'),
  ],
  ['__proto__', 'E0000003', 400, providers, post('{"__proto__":{"name":"a"}}')],
  ['__proto__ deep inside', 'E0000003', 400, providers, post('{"settings":{"__proto__":null}}')],
  ['a NUL character', 'E0000003', 400, providers, post('{"name":"a\\u0000"}')],
  ['a lone surrogate', 'E0000003', 400, providers, post('{"name":"\\ud800"}')],
  ['an absurd number', 'E0000003', 400, providers, post('{"name":1e999}')],
  ['deep nesting', 'E0000003', 400, providers, post('['.repeat(100) + ']'.repeat(100))],
  ['very deep nesting', 'E0000003', 400, providers, post('['.repeat(400_000))],
  ['invalid UTF-8', 'E0000003', 400, providers, post(Uint8Array.of(0x22, 0xff, 0x22))],
  ['an overlong UTF-8 form', 'E0000003', 400, providers, post(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22))],
  ['a byte order mark', 'E0000003', 400, providers, post('\uFEFF{}')],
  ['UTF-16', 'E0000003', 400, providers, post(new Uint8Array(Buffer.from('{"name":"a"}', 'utf16le')))],
  ['gzip that is not announced', 'E0000003', 400, providers, post(Uint8Array.of(0x1f, 0x8b, 8, 0))],
  ['gzip', 'E0000021', 415, providers, post(Uint8Array.of(0x1f, 0x8b, 8, 0), { 'content-encoding': 'gzip' })],
  ['a content encoding of nothing', 'E0000021', 415, providers, post('{}', { 'content-encoding': 'br' })],
  ['an oversized body', 'E0000001', 413, providers, post(' '.repeat(apiBodyBytesMax + 1))],
  ['JSON of another kind', 'E0000001', 400, providers, post('[]')],
  ['null', 'E0000001', 400, providers, post('null')],
  ['no body where one is needed', 'E0000001', 400, providers, { method: 'POST' }],
  ['an Accept without JSON', 'E0000122', 406, providers, { headers: { accept: 'text/html' } }],
  [
    'an Accept that refuses JSON',
    'E0000122',
    406,
    providers,
    { headers: { accept: 'application/json;q=0, text/html' } },
  ],
  ['OKTA-R12: an unknown id', 'E0000007', 404, `${providers}/sse00000000000000000`],
  ['an id in percent-encoding', 'E0000007', 404, `${providers}/%73%73%65%2F..%2f%00%22`],
  ['an id that is too long', 'E0000007', 404, `${providers}/${'x'.repeat(1_000)}`],
  ['OKTA-R12: an id of great length', 'E0000007', 404, `${providers}/${'x'.repeat(15_000)}`],
  [
    'OKTA-K3: a risk provider of great length',
    'E0000007',
    404,
    `/api/v1/risk/providers/${'x'.repeat(15_000)}`,
  ],
  ['OKTA-U8: a user of great length', 'E0000007', 404, `/api/v1/users/${'x'.repeat(15_000)}/risk`],
  ['a signal of great length', 'E0000007', 404, `/v1/signals/${'x'.repeat(15_000)}`],
  ['a subject of great length', 'E0000007', 404, `/v1/subjects/${'x'.repeat(15_000)}`],
  ['a service app of great length', 'E0000007', 404, `/oauth2/v1/clients/${'x'.repeat(15_000)}`],
  ['an unknown path of great length', 'E0000008', 404, `/api/v1/${'x'.repeat(15_000)}`],
  ['a broken percent-encoding', 'E0000001', 400, `${providers}/%zz`],
  ['percent-encoding that is no UTF-8', 'E0000001', 400, `${providers}/%ff`],
]

describe('errors (9.1, 9.2)', () => {
  test.each(cases.map((one) => [one[0], one[1], one] as const))('%s → %s', async (_name, _code, one) => {
    const [, code, status, path, how] = one
    const response = await call(path, how)
    const { errorCode, errorSummary } = await errorOf(response)
    expect([errorCode, response.status]).toEqual([code, status])
    expectMarked(response.headers)
    expect(errorSummary.length).toBeLessThan(200) // an id is shown, but not all of a long one
    if (status === 405) expect(response.headers.get('allow')).toMatch(/^[A-Z]+(, [A-Z]+)*$/)
  })

  test.each([
    [providers, 'securityEventsProvider'],
    ['/api/v1/risk/providers', 'riskProvider'],
    ['/api/v1/risk/events/ip', 'riskEvents'],
    ['/oauth2/v1/clients', 'client'],
    ['/v1/subjects', 'user'],
  ])(
    'OKTA-X3: for an unreadable body the summary names the request body and the cause says why (%s)',
    async (path, name) => {
      const { errorCode, errorSummary, errorCauses } = await errorOf(await call(path, post('"x"')))
      expect([errorCode, errorSummary]).toEqual(['E0000001', `Api validation failed: ${name}`])
      expect(errorCauses).toEqual([{ errorSummary: expect.stringMatching(/^The body must be /) }])
    },
  )

  test('405 names the methods of the path', async () => {
    const allowed = async (path: string, method: string): Promise<readonly string[]> =>
      ((await call(path, { method })).headers.get('allow') ?? '').split(', ').toSorted()
    expect(await allowed(providers, 'DELETE')).toEqual(['GET', 'HEAD', 'POST'])
    expect(await allowed(`${providers}/sse1`, 'POST')).toEqual(['DELETE', 'GET', 'HEAD', 'PUT'])
    expect(await allowed('/security/api/v1/security-events', 'GET')).toEqual(['POST'])
  })

  test.each([
    ['POST', providers],
    ['PUT', `${providers}/sse1`],
    ['POST', '/oauth2/v1/clients'],
    ['POST', '/api/v1/risk/providers'],
    ['POST', '/api/v1/risk/events/ip'],
    ['POST', '/v1/subjects'],
    ['PUT', '/api/v1/users/ada/risk'],
    ['POST', '/access/v1/evaluation'],
    ['POST', '/access/v1/evaluations'],
    ['POST', '/oauth2/v1/token'],
  ])('a content encoding is 415 with the accepted encodings (%s %s)', async (method, path) => {
    const form = path.endsWith('/token')
    const send = (encoding: string): Promise<Response> =>
      call(path, {
        method,
        body: form ? 'a=b' : '{}',
        headers: {
          'content-encoding': encoding,
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
      })
    for (const encoding of ['gzip', 'x-gzip', 'deflate', 'BR', 'zstd', 'identity, gzip', 'aes128gcm']) {
      const refused = await send(encoding)
      expect([encoding, refused.status]).toEqual([encoding, 415])
      expect(refused.headers.get('accept-encoding')).toBe('identity')
      expect(await refused.text()).toContain('Content-Encoding')
    }
    for (const encoding of ['identity', 'Identity', '']) {
      const taken = await send(encoding)
      expect([encoding, taken.status]).not.toEqual([encoding, 415])
      expect(taken.headers.get('accept-encoding')).toBeNull()
    }
  })

  test('a body without a media type is refused', async () => {
    const response = await rawRequest(
      hub.origin,
      `POST ${providers} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: SSWS ${hub.adminToken}\r\nContent-Length: 2\r\n\r\n{}`,
    )
    expect([response.status, JSON.parse(response.body)]).toEqual([
      400,
      expect.objectContaining({
        errorCode: 'E0000021',
        errorSummary:
          'Bad request.  Accept and/or Content-Type headers likely do not match supported values.',
      }),
    ])
  })

  test.each([
    'application/json',
    'application/json, */*;q=0.8',
    '*/*',
    'application/*',
    'text/html, application/xhtml+xml, */*;q=0.8',
    'Application/JSON',
  ])('an Accept of %s gets JSON', async (accept) => {
    expect((await call(providers, { headers: { accept } })).status).toBe(200)
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON;charset=UTF-8'])(
    'a body in %s is accepted',
    async (type) => {
      const { errorCauses } = await errorOf(await call(providers, post('{}', { 'content-type': type })))
      expect(errorCauses.map(({ errorSummary }) => errorSummary)).toEqual([
        'name: The field cannot be left blank',
        'type: The field cannot be left blank',
        'settings: The field cannot be left blank',
      ])
    },
  )

  test('the error about malformed JSON names the position and does not quote the body', async () => {
    const { errorSummary, errorCauses } = await errorOf(
      await call(providers, post('{"settings":{"issuer":"secret-a","issuer":"secret-b"}}')),
    )
    expect(errorSummary).toBe('The request body was not well-formed.')
    expect(errorCauses).toEqual([{ errorSummary: 'the member name "issuer" is repeated at ["settings"]' }])
  })

  test('every error has a unique id', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await call('/api/v1/nothing')
        return [
          response.headers.get('x-okta-request-id'),
          ((await response.json()) as { errorId: string }).errorId,
        ]
      }),
    )
    expect(new Set(ids.flat()).size).toBe(40)
  })

  test('an answer has each rate limit header exactly once (OKTA-Q3)', async () => {
    const { headers } = await rawRequest(
      hub.origin,
      `GET ${providers} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: SSWS ${hub.adminToken}\r\n\r\n`,
    )
    const names = headers.map(([name]) => name)
    for (const name of [
      'date',
      'content-type',
      'x-okta-request-id',
      'x-rate-limit-limit',
      'x-rate-limit-remaining',
      'x-rate-limit-reset',
    ]) {
      expect([name, names.filter((other) => other === name).length]).toEqual([name, 1])
    }
  })

  test('OKTA-A9: answers outside the API have a request id as well', async () => {
    for (const [path, method] of [
      ['/security/api/v1/security-events', 'POST'],
      ['/security/api/v1/security-events', 'PUT'],
      ['/healthz', 'GET'],
      ['/oauth2/v1/keys', 'GET'],
      ['/', 'GET'],
    ] as const) {
      const { headers } = await call(path, { method })
      expect([path, headers.get('x-okta-request-id')]).toEqual([path, expect.stringMatching(/^req\w{17}$/)])
      expect(headers.get('date')).not.toBeNull()
    }
  })

  test('OKTA-A1: an answer with a body is application/json, and one without a body has no media type', async () => {
    const list = await call(providers)
    expect([list.status, list.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^application\/json/),
    ])
    expectMarked(list.headers)
    const head = await call(providers, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    expectMarked(head.headers)
  })
})

describe('permissions (9.4)', () => {
  test('OKTA-X16: a read_only token may read everything and change nothing', async () => {
    await using hub = await startTestHub()
    const { secret } = await hub.hub.apiTokens.create({ name: 'reader', role: 'read_only' })
    const as = (method: string, path: string, body?: object): Promise<Response> =>
      fetch(hub.origin + path, {
        method,
        headers: { authorization: `SSWS ${secret}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      })
    const { id } = (await (await hub.api('POST', providers, draft)).json()) as { id: string }
    for (const path of [
      providers,
      `${providers}/${id}`,
      '/api/v1/logs',
      '/v1/signals',
      '/oauth2/v1/clients',
    ]) {
      expect([path, (await as('GET', path)).status]).toEqual([path, 200])
    }
    for (const [method, path, body] of [
      ['POST', providers, { ...draft, name: 'other' }],
      ['PUT', `${providers}/${id}`, { ...draft, name: 'other' }],
      ['DELETE', `${providers}/${id}`],
      ['POST', `${providers}/${id}/lifecycle/deactivate`],
      ['POST', `${providers}/${id}/lifecycle/activate`],
      ['POST', '/oauth2/v1/clients', {}],
      ['DELETE', '/oauth2/v1/clients/0oa1'],
    ] as const) {
      const response = await as(method, path, body)
      expect([method, path, response.status]).toEqual([method, path, 403])
      expect(await errorOf(response)).toMatchObject({
        errorCode: 'E0000006',
        errorSummary: 'You do not have permission to perform the requested action',
      })
    }
    expect(await (await hub.api('GET', `${providers}/${id}`)).json()).toMatchObject({
      name: 'vendor',
      status: 'ACTIVE',
    })
  })

  test('OKTA-X11: a revoked token is refused at once', async () => {
    await using hub = await startTestHub()
    const { secret, token } = await hub.hub.apiTokens.create({ name: 'leaver', role: 'admin' })
    const list = (): Promise<Response> =>
      fetch(hub.origin + providers, { headers: { authorization: `SSWS ${secret}` } })
    expect((await list()).status).toBe(200)
    await hub.hub.apiTokens.revoke(token.id)
    const response = await list()
    expect([response.status, (await errorOf(response)).errorCode]).toEqual([401, 'E0000011'])
  })

  test('OKTA-X12: an expired Bearer token is refused', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub, 'okta.logs.read')
    const headers = { authorization: `Bearer ${await accessTokenOf(hub, app, 'okta.logs.read')}` }
    expect((await fetch(`${hub.origin}/api/v1/logs`, { headers })).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_700_000 })
    try {
      const response = await fetch(`${hub.origin}/api/v1/logs`, { headers })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([
        401,
        `Bearer authorization_uri="${hub.origin}/oauth2/v1/authorize", realm="${hub.origin}", scope="okta.logs.read", error="invalid_token", error_description="The token has expired.", resource="/api/v1/logs"`,
      ])
      expect(await errorOf(response)).toMatchObject({ errorCode: 'E0000011' })
    } finally {
      vi.useRealTimers()
    }
  })

  test('OKTA-X13: a missing scope is 403 with an empty body and the exact header', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '100' } })
    const app = await registerApp(hub, 'okta.securityEventsProviders.read')
    const token = await accessTokenOf(hub, app, 'okta.securityEventsProviders.read')
    const as = (method: string, target: string) =>
      rawRequest(
        hub.origin,
        `${method} ${target} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`,
      )
    expect((await as('GET', providers)).status).toBe(200)
    for (const [method, target, scope] of [
      ['POST', `${providers}?x=1`, 'okta.securityEventsProviders.manage'],
      ['DELETE', `${providers}/sse1`, 'okta.securityEventsProviders.manage'],
      ['GET', '/api/v1/logs?limit=1', 'okta.logs.read'],
      ['GET', '/v1/signals', 'watchbell.signals.read'],
    ] as const) {
      const { status, headers, body } = await as(method, target)
      expect([status, body]).toEqual([403, ''])
      const path = target.split('?')[0]
      expect(headers.filter(([name]) => name === 'www-authenticate')).toEqual([
        [
          'www-authenticate',
          `Bearer authorization_uri="${hub.origin}/oauth2/v1/authorize", realm="${hub.origin}", scope="${scope}", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="${path}"`,
        ],
      ])
      expectMarked(new Headers(headers.map(([name, value]): [string, string] => [name, value])))
    }
  })

  test('no answer holds a secret of the request', async () => {
    const response = await call(providers, { headers: { authorization: 'SSWS very-secret-value' } })
    expect(await response.text()).not.toContain('very-secret-value')
  })
})

describe('request targets', () => {
  const raw = (target: string, headers = ''): ReturnType<typeof rawRequest> =>
    rawRequest(
      hub.origin,
      `GET ${target} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: SSWS ${hub.adminToken}\r\n${headers}\r\n`,
    )

  test.each([
    ['OKTA-A6: //', `/${providers}`],
    ['OKTA-A6: ////', `///${providers}`],
    ['OKTA-A7: absolute form', `http://acme.okta.com${providers}`],
    ['OKTA-A7: absolute form with //', `https://acme.okta.com/${providers}`],
    ['OKTA-A7: absolute form with a port and a query', `http://acme.okta.com:8080${providers}?limit=5`],
    ['a slash at the end', `${providers}/`],
    ["a slash before the query, as Okta's Python SDK 2 has it", `${providers}/?limit=5`],
    ['slashes in the query', `${providers}?limit=5&q=//`],
    ['many slashes at the end', `${providers}${'/'.repeat(8_000)}`],
  ])('%s', async (_name, target) => {
    const response = await raw(target, 'Proxy-Authorization: Basic Og==\r\n')
    expect([response.status, JSON.parse(response.body)]).toEqual([200, []])
  })

  test.each([
    ['another scheme', `ftp://acme.okta.com${providers}`],
    ['an asterisk', '*'],
    ['up and out', `/api/v1/../v1/security-events-providers`],
    ['an encoded slash', '/api/v1%2Fsecurity-events-providers'],
    ['in the middle //', '/api//v1/security-events-providers'],
    ['only a host, and a file', 'http://acme.okta.com/index.html'],
  ])('%s is 404', async (_name, target) => {
    expect((await raw(target)).status).toBe(404)
  })

  test('a target of only a host is the root', async () => {
    expect((await raw('http://acme.okta.com')).status).toBe(200)
  })

  test.each(['SSWS', 'Bearer'])(
    "%s followed by a token without a space is accepted, as Okta's Python SDK 3 sends it",
    async (scheme) => {
      const scope = 'okta.securityEventsProviders.read'
      const token =
        scheme === 'SSWS' ? hub.adminToken : await accessTokenOf(hub, await registerApp(hub, scope), scope)
      const response = await call(providers, { headers: { authorization: scheme + token } })
      expect([response.status, await response.json()]).toEqual([200, []])
    },
  )

  test('OKTA-A8: a lifecycle POST is accepted without a body and media type, and with a body', async () => {
    await using hub = await startTestHub()
    const { id } = (await (await hub.api('POST', providers, draft)).json()) as { id: string }
    const head = `POST ${providers}/${id}/lifecycle/deactivate HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: SSWS ${hub.adminToken}\r\n`
    for (const rest of [
      'Content-Length: 0\r\n\r\n',
      '\r\n',
      'Content-Type: application/json\r\nContent-Length: 0\r\n\r\n',
      'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      'Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n???',
      'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ]) {
      expect([rest, (await rawRequest(hub.origin, head + rest)).status]).toEqual([rest, 200])
    }
  })

  test('X-Forwarded-For is used only behind a trusted proxy', async () => {
    const seenBy = async (hub: TestHub): Promise<unknown> => {
      await fetch(hub.origin + providers, {
        method: 'POST',
        headers: {
          authorization: `SSWS ${hub.adminToken}`,
          'content-type': 'application/json',
          'x-forwarded-for': '198.51.100.9, 203.0.113.7',
        },
        body: JSON.stringify(draft),
      })
      const query = new URLSearchParams({ filter: 'eventType eq "security.events.provider.create"' })
      const entries = (await (await hub.api('GET', `/api/v1/logs?${query.toString()}`)).json()) as {
        client: { ipAddress: string }
      }[]
      return entries.map(({ client }) => client.ipAddress)
    }
    await using plain = await startTestHub()
    expect(await seenBy(plain)).toEqual(['127.0.0.1'])
    await using behind = await startTestHub({ settings: { trustedProxies: '127.0.0.1' } })
    expect(await seenBy(behind)).toEqual(['203.0.113.7'])
  })
})

describe('rate limits (OKTA §10)', () => {
  test('OKTA-Q1, OKTA-Q2: the request beyond the limit is 429 E0000047 with the time of the reset', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '3' } })
    const remaining: (string | null)[] = []
    for (let times = 0; times < 3; times++) {
      const response = await hub.api('GET', providers)
      expect(response.status).toBe(200)
      expect(response.headers.get('x-rate-limit-limit')).toBe('3')
      remaining.push(response.headers.get('x-rate-limit-remaining'))
    }
    expect(remaining).toEqual(['2', '1', '0'])
    for (let times = 0; times < 2; times++) {
      const response = await hub.api('GET', providers)
      expect(response.status).toBe(429)
      expectMarked(response.headers)
      expect(response.headers.get('x-rate-limit-remaining')).toBe('0')
      const untilReset = Number(response.headers.get('x-rate-limit-reset')) - Date.now() / 1_000
      const retryAfter = Number(response.headers.get('retry-after')) // what Terraform's HTTP client waits by
      expect(retryAfter).toBeGreaterThanOrEqual(Math.floor(untilReset))
      expect(retryAfter).toBeLessThanOrEqual(61)
      expect(await errorOf(response)).toMatchObject({
        errorCode: 'E0000047',
        errorSummary: 'API call exceeded rate limit due to too many requests.',
        errorCauses: [],
      })
    }
  })

  test('a rate limited request changes nothing', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1' } })
    const { secret } = await hub.hub.apiTokens.create({ name: 'other', role: 'admin' })
    expect((await hub.api('POST', providers, draft)).status).toBe(200)
    const again = { ...draft, name: 'two', settings: { ...draft.settings, issuer: 'https://two.example' } }
    expect((await hub.api('POST', providers, again)).status).toBe(429)
    const list = await fetch(hub.origin + providers, { headers: { authorization: `SSWS ${secret}` } })
    expect(await list.json()).toHaveLength(1)
  })

  test('each token has its own budget, and requests without a valid token share that of their address', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '2' } })
    const { secret } = await hub.hub.apiTokens.create({ name: 'other', role: 'admin' })
    const as = async (authorization: string, path = providers): Promise<number> =>
      (await fetch(hub.origin + path, { headers: { authorization } })).status
    const statuses: number[] = []
    for (let times = 0; times < 3; times++) statuses.push(await as(`SSWS ${hub.adminToken}`))
    expect(statuses).toEqual([200, 200, 429])
    expect(await as(`SSWS ${secret}`)).toBe(200)
    expect([await as('SSWS guess-1'), await as('SSWS guess-2'), await as('SSWS guess-3')]).toEqual([
      401, 401, 429,
    ])
    expect([await as('', '/api/v1/nothing'), await as('Bearer x')]).toEqual([429, 429])
    expect(await as(`SSWS ${secret}`)).toBe(200)
  })

  test('behind a trusted proxy each address has a budget, whatever port or malformed part the header has', async () => {
    await using hub = await startTestHub({
      settings: { apiRequestsPerMinute: '2', trustedProxies: '127.0.0.1' },
    })
    const from = async (forwarded: string): Promise<number> =>
      (await fetch(`${hub.origin}/api/v1/nothing`, { headers: { 'x-forwarded-for': forwarded } })).status
    const inTurn = async (all: readonly string[]): Promise<readonly number[]> => {
      const statuses: number[] = []
      for (const forwarded of all) statuses.push(await from(forwarded))
      return statuses
    }
    expect(await inTurn(['203.0.113.5:1001', '203.0.113.5:1002', '203.0.113.5'])).toEqual([404, 404, 429])
    expect(await inTurn(['[2001:db8::1]:1', '[2001:db8::1]:2', '2001:db8::1'])).toEqual([404, 404, 429])
    expect(await inTurn(['unknown', 'x1', 'x2, 127.0.0.1'])).toEqual([404, 404, 429])
    expect(await from('203.0.113.6')).toBe(404)
  })

  test('OKTA-Q6: keys, well-known documents and health are not limited', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1' } })
    for (const path of [
      '/oauth2/v1/keys',
      '/.well-known/oauth-authorization-server',
      '/.well-known/okta-organization',
      '/healthz',
      '/readyz',
    ]) {
      for (let times = 0; times < 3; times++) {
        const response = await fetch(hub.origin + path)
        expect([path, response.status, response.headers.get('x-rate-limit-limit')]).toEqual([path, 200, null])
        expect(response.headers.get('x-okta-request-id')).toMatch(/^req/)
      }
    }
  })

  test('a limit of 0 means no limit and no rate limit headers', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '0' } })
    const response = await hub.api('GET', providers)
    expect([response.status, response.headers.has('x-rate-limit-limit')]).toEqual([200, false])
  })
})

describe('arbitrary input', () => {
  const numRuns = propertyRuns(25)
  const routes = [
    ['POST', providers],
    ['PUT', `${providers}/sse1`],
    ['POST', '/oauth2/v1/clients'],
    ['POST', '/oauth2/v1/token'],
    ['POST', `${providers}/sse1/lifecycle/activate`],
  ] as const
  const type = fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain')

  test('random bytes as a body never give 500', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes),
        type,
        fc.uint8Array({ maxLength: 200 }),
        async ([method, path], contentType, bytes) => {
          const response = await call(path, {
            method,
            body: new Uint8Array(bytes),
            headers: { 'content-type': contentType },
          })
          expect(response.status).toBeLessThan(500)
          await response.arrayBuffer()
        },
      ),
      { numRuns },
    )
  })

  test('random JSON as a body never gives 500 and never makes a provider', async () => {
    const member = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constant(draft.settings),
      fc.constant(undefined),
    )
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({ name: member, type: member, settings: fc.jsonValue({ maxDepth: 3 }) }),
      fc.record({ client_name: member, jwks: member, jwks_uri: member, scope: member, keys: member }),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, async ([method, path], value) => {
        const response = await call(path, { method, body: JSON.stringify(value) ?? '' })
        expect(response.status).toBeGreaterThanOrEqual(400)
        expect(response.status).toBeLessThan(500)
        await response.arrayBuffer()
      }),
      { numRuns },
    )
  })

  test('random paths and queries never give 500', async () => {
    const name = fc.constantFrom(
      'since',
      'until',
      'limit',
      'after',
      'filter',
      'q',
      'sortOrder',
      'subject',
      'jti',
      'type',
      'outcome',
    )
    const query = fc.array(fc.tuple(fc.oneof(name, fc.string()), fc.string({ unit: 'binary' })), {
      maxLength: 4,
    })
    const path = fc.oneof(
      fc.constantFrom('/api/v1/logs', '/v1/signals', '/oauth2/v1/clients', providers),
      fc.string({ unit: 'binary' }).map((id) => `/v1/signals/${encodeURIComponent(id.toWellFormed())}`),
      fc.string({ unit: 'binary' }).map((id) => `${providers}/${encodeURIComponent(id.toWellFormed())}`),
      fc.stringMatching(/^[!-~]{0,40}$/).map((text) => `/${text.replace(/[#?]/g, '')}`),
    )
    await fc.assert(
      fc.asyncProperty(path, query, async (path, parameters) => {
        const { status } = await rawRequest(
          hub.origin,
          `GET ${path}?${new URLSearchParams(parameters).toString()} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: SSWS ${hub.adminToken}\r\n\r\n`,
        )
        expect(status).toBeGreaterThanOrEqual(200)
        expect(status).toBeLessThan(500)
      }),
      { numRuns },
    )
  })
})

describe('connections', () => {
  test('many concurrent requests over many kept connections are answered', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 100 })
    const statuses = await Promise.all(
      Array.from(
        { length: 500 },
        (_, at) =>
          new Promise<number | undefined>((resolve, reject) => {
            request(
              hub.origin + (at % 2 === 0 ? providers : '/api/v1/nothing'),
              { agent, headers: { authorization: `SSWS ${hub.adminToken}` } },
              (response) => response.resume().on('end', () => resolve(response.statusCode)),
            )
              .on('error', reject)
              .end()
          }),
      ),
    )
    agent.destroy()
    expect(statuses).toEqual(Array.from({ length: 500 }, (_, at) => (at % 2 === 0 ? 200 : 404)))
  })

  test('pipelined requests are answered in their order', async () => {
    const ask = (path: string, close: boolean): string =>
      `GET ${path} HTTP/1.1\r\nHost: hub\r\nAuthorization: SSWS ${hub.adminToken}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`
    const { status, body } = await rawRequest(
      hub.origin,
      ask(providers, false) + ask('/api/v1/nothing', false) + ask('/healthz', true),
    )
    expect(status).toBe(200)
    expect([...body.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['404', '200'])
  })

  test.each([
    ['half a request line', 'GET /api'],
    ['half a header', `GET ${providers} HTTP/1.1\r\nHost: h`],
    ['half a body', `POST ${providers} HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n{"name":`],
    ['half a chunk', `POST ${providers} HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{`],
  ])('a client that disconnects after %s does not affect other clients', async (_name, bytes) => {
    const { hostname, port } = new URL(hub.origin)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined) // it is closed on purpose
    await once(socket, 'connect')
    await new Promise((resolve) => socket.write(bytes, resolve))
    socket.destroy()
    await once(socket, 'close')
    expect((await call(providers)).status).toBe(200)
  })

  test.each([
    ['no HTTP', 400, 'hello\r\n\r\n'],
    ['no such version', 400, 'GET / HTTP/9.9\r\n\r\n'],
    ['a target that is none', 400, 'GET healthz HTTP/1.1\r\nHost: hub\r\n\r\n'],
    ['a NUL in a header', 400, 'GET / HTTP/1.1\r\nHost: hub\r\nX: a\0b\r\n\r\n'],
    ['a folded header', 400, 'GET / HTTP/1.1\r\nHost: hub\r\nX: a\r\n b\r\n\r\n'],
    ['a bad Content-Length', 400, `POST ${providers} HTTP/1.1\r\nHost: hub\r\nContent-Length: many\r\n\r\n`],
    [
      'two lengths (smuggling)',
      400,
      `POST ${providers} HTTP/1.1\r\nHost: hub\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'one length twice',
      400,
      `POST ${providers} HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    ],
    ['two hosts', 400, `GET ${providers} HTTP/1.1\r\nHost: hub\r\nHost: other\r\n\r\n`],
    ['one host twice', 400, `GET /healthz HTTP/1.1\r\nHost: hub\r\nX: y\r\nhOST: hub\r\n\r\n`],
    ['two hosts at a path that is none', 400, `GET /nothing HTTP/1.1\r\nHost: hub\r\nHost: other\r\n\r\n`],
    [
      'two hosts with a push',
      400,
      'POST /security/api/v1/security-events HTTP/1.1\r\nHost: hub\r\nHost: other\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'two hosts with a question of a proxy',
      400,
      'GET /access/v1/forward-auth HTTP/1.1\r\nHost: hub\r\nHost: other\r\n\r\n',
    ],
    ['endless headers', 431, `GET / HTTP/1.1\r\nHost: hub\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])(
    '%s is answered with %i in the common form of errors, and the connection is closed',
    async (_name, expected, bytes) => {
      const { status, headers, body } = await rawRequest(hub.origin, bytes)
      expect(status).toBe(expected)
      expect(Object.fromEntries(headers)).toMatchObject({
        connection: 'close',
        'content-type': expect.stringMatching(/^application\/json(; charset=utf-8)?$/),
        'x-okta-request-id': expect.stringMatching(/^req\w{17}$/),
        date: expect.any(String),
      })
      expect(JSON.parse(body)).toEqual({
        errorCode: 'E0000001',
        errorSummary: 'Api validation failed: request',
        errorLink: 'E0000001',
        errorId: expect.stringMatching(/^oae[0-9A-Za-z]{22}$/),
        errorCauses: [{ errorSummary: expect.stringMatching(/ .+ /) }],
      })
      expect((await call(providers)).status).toBe(200)
    },
  )
})
