import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { expect, test } from 'vitest'
import type { Operation } from '../../src/wire/operation.ts'
import { operations } from '../../src/wire/operations.ts'
import { openapiDocument } from '../../src/http/openapi.ts'
import { requestCheck, type OpenapiDocument } from '../documented-answers.ts'
import { registerServiceApp } from './service-app.ts'
import { ada, bearer, startStreamSite } from './with-stream.ts'

// The one suite of HTTP that runs on the threads of `serve`: it calls every route once, so a new route fails here first.

/** Every route that servers are given from now on, as `GET /path/:id`; `ALL` where one takes every method. */
function watchRoutes(): { readonly routes: ReadonlySet<string> } & Disposable {
  const routes = new Set<string>()
  const paths = new Set<string>()
  const add = ({ method, url }: RouteOptions): void => {
    // HEAD comes with GET by itself, and what a known path does not take is told apart by being registered last.
    if (typeof method === 'string' && method !== 'HEAD') routes.add(`${method} ${url}`)
    else if (Array.isArray(method) && !paths.has(url)) routes.add(`ALL ${url}`)
    paths.add(url)
  }
  const watch = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance } // of this channel
    fastify.addHook('onRoute', add)
  }
  const born = channel('fastify.initialization')
  born.subscribe(watch)
  return { routes, [Symbol.dispose]: () => born.unsubscribe(watch) }
}

const scope = 'okta.riskEvents.manage'
const email = 'ada@example.com'

interface Call {
  readonly ids?: readonly string[]
  readonly query?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

test('every route works over the threads of serve', { timeout: 60_000 }, async () => {
  using watching = watchRoutes()
  await using site = await startStreamSite({
    hub: { threads: true, settings: { trustedProxies: '127.0.0.1' } },
  })
  const { hub, transmitter, providerId } = site
  const called: string[] = []
  const checkRequest = requestCheck(openapiDocument() as unknown as OpenapiDocument) // as it is made

  /** Calls a route, whose parameters are `ids` in their order, with the admin token unless there are `headers`. */
  const call = async (
    route: string,
    status: number,
    { ids = [], query = '', body, headers }: Call = {},
  ): Promise<Record<string, unknown>> => {
    const [method = '', pattern = ''] = route.split(' ')
    const left = [...ids]
    const path = pattern.replaceAll(/:\w+|\*/g, () => encodeURIComponent(left.shift() ?? '')) + query
    const given = method === 'ALL' ? 'GET' : method
    if (typeof body === 'object') {
      expect(checkRequest(given, pattern.replaceAll(/:(\w+)/g, '{$1}'), body)).toBeUndefined()
    }
    const answer =
      headers === undefined
        ? await hub.api(given, path, body)
        : await fetch(hub.origin + path, {
            method: given,
            headers,
            ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
          })
    const text = await answer.text()
    expect([route, answer.status, text]).toEqual([route, status, text])
    called.push(route)
    return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}
  }
  const id = ({ id: found }: Record<string, unknown>): string => String(found)

  // what anybody may ask
  for (const path of [
    '/',
    '/healthz',
    '/readyz',
    '/openapi.json',
    '/oauth2/v1/keys',
    '/.well-known/oauth-authorization-server',
    '/.well-known/okta-organization',
    '/.well-known/authzen-configuration',
  ]) {
    await call(`GET ${path}`, 200, { headers: {} })
  }
  await call('GET /favicon.ico', 204, { headers: {} })
  await call('GET /api/v1/users/me', 200)

  // providers
  const base = '/api/v1/security-events-providers'
  const other = {
    name: 'Other',
    type: 'test',
    settings: { issuer: 'https://other.example', jwks_url: transmitter.jwksUrl },
  }
  const ids = [id(await call(`POST ${base}`, 200, { body: other }))]
  await call(`GET ${base}`, 200)
  await call(`GET ${base}/:id`, 200, { ids })
  await call(`PUT ${base}/:id`, 200, { ids, body: { ...other, name: 'Another' } })
  await call('GET /v1/providers/:id/action', 200, { ids })
  await call('PUT /v1/providers/:id/action', 200, { ids, body: { action: 'log_only' } })
  await call('GET /v1/providers/:id/trust', 200, { ids })
  await call('PUT /v1/providers/:id/trust', 200, { ids, body: { joins: { everything: true } } })
  await call('GET /v1/providers/:id/keys', 200, { ids })
  await call('POST /v1/providers/:id/keys/refresh', 200, { ids })
  await call('GET /v1/providers/:id/dialects', 200, { ids })
  await call('PUT /v1/providers/:id/dialects', 200, { ids, body: { dialects: [] } })
  await call(`POST ${base}/:id/lifecycle/deactivate`, 200, { ids })
  await call(`POST ${base}/:id/lifecycle/activate`, 200, { ids })
  await call(`DELETE ${base}/:id`, 204, { ids })

  // a stream, and a SET by each way in
  const ours = { ids: [providerId] }
  const stream = '/v1/providers/:id/stream'
  const shown = await call(`PUT ${stream}`, 200, { ...ours, body: bearer })
  await call(`GET ${stream}`, 200, ours)
  await call('GET /v1/streams', 200, {})
  await call(`PATCH ${stream}`, 200, { ...ours, body: { description: 'ours' } })
  await call(`POST ${stream}/verify`, 202, ours)
  await call(`GET ${stream}/status`, 200, ours)
  await call(`PUT ${stream}/status`, 200, { ...ours, body: { status: 'enabled' } })
  await call(`POST ${stream}/subjects`, 204, { ...ours, body: { subject: ada } })
  await call(`POST ${stream}/subjects/remove`, 204, { ...ours, body: { subject: ada } })
  await call(`GET ${stream}/health`, 200, ours)
  await call(`POST ${stream}/rotate-authorization`, 200, ours)
  const headers = { 'content-type': 'application/secevent+jwt' }
  await call('POST /ssf/streams/:id/events', 202, {
    ids: [String(shown['id'])],
    headers: { ...headers, authorization: transmitter.stream().authorization ?? '' },
    body: site.sign(),
  })
  await call('POST /security/api/v1/security-events', 202, { headers, body: site.sign() })
  await call(`DELETE ${stream}`, 204, ours)

  // what became of them
  await hub.handleAll()
  const { signals } = (await call('GET /v1/signals', 200, { query: '?outcome=handled' })) as {
    signals: { id: string }[]
  }
  await call('GET /v1/signals/:id', 200, { ids: [signals[0]?.id ?? ''] })
  await call('GET /v1/signals/counts', 200)
  await call('GET /api/v1/logs', 200)

  // people, their risk, and the question at sign-in
  await call('POST /v1/subjects', 201, {
    body: { kind: 'user', login: 'grace@example.com', emails: ['grace@example.com'] },
  })
  const { subjects } = (await call('GET /v1/subjects', 200, { query: `?search=${email}` })) as {
    subjects: { id: string }[]
  }
  const person = { ids: [subjects[0]?.id ?? ''] }
  await call('GET /v1/subjects/:id', 200, person)
  await call('PUT /api/v1/users/:userId/risk', 201, {
    ids: ['grace@example.com'],
    body: { riskLevel: 'HIGH' },
  })
  await call('GET /api/v1/users/:userId/risk', 200, { ids: ['grace@example.com'] })
  const question = {
    subject: { type: 'user', id: 'grace@example.com' },
    action: { name: 'sign-in' },
    resource: { type: 'application', id: 'payroll' },
  }
  expect(await call('POST /access/v1/evaluation', 200, { body: question })).toMatchObject({ decision: false })
  await call('POST /access/v1/evaluations', 200, { body: { ...question, evaluations: [{}] } })
  const proxy = { headers: { 'x-forwarded-user': 'grace@example.com', 'x-forwarded-for': '203.0.113.7' } }
  await call('ALL /access/v1/forward-auth', 403, proxy)
  await call('GET /v1/streams', 200)
  const risky = { ids: ['grace@example.com'], body: { level: 'HIGH', reason: 'seen' } }
  const { reasons } = (await call('PUT /v1/subjects/:id/risk', 200, risky)) as { reasons: { id: string }[] }
  const dismissal = { ids: ['grace@example.com', reasons[0]?.id ?? ''] }
  await call('PUT /v1/subjects/:id/reasons/:reason/dismissal', 200, dismissal)
  await call('DELETE /v1/subjects/:id/reasons/:reason/dismissal', 200, dismissal)
  const erasure = { ids: [id(await call('DELETE /v1/subjects/:id', 202, person))] }
  await call('GET /v1/erasures', 200)
  await call('GET /v1/erasures/:id', 200, erasure)

  // service apps, and what one of them says about risk
  const app = await registerServiceApp(hub, scope)
  const authorization = `Bearer ${await app.token(scope)}`
  called.push('POST /oauth2/v1/token', 'POST /oauth2/v1/clients')
  const one = { ids: [app.clientId] }
  await call('GET /oauth2/v1/clients', 200)
  const metadata = await call('GET /oauth2/v1/clients/:clientId', 200, one)
  const partner = { name: 'Partner', clientId: app.clientId, action: 'log_only' }
  const provider = { ids: [id(await call('POST /api/v1/risk/providers', 201, { body: partner }))] }
  await call('GET /api/v1/risk/providers', 200)
  await call('GET /api/v1/risk/providers/:id', 200, provider)
  await call('PUT /api/v1/risk/providers/:id', 200, {
    ...provider,
    body: { ...partner, action: 'enforce_and_log' },
  })
  await call('POST /api/v1/risk/events/ip', 202, {
    headers: { authorization, 'content-type': 'application/json' },
    body: [{ timestamp: new Date().toISOString(), subjects: [{ ip: '203.0.113.7', riskLevel: 'HIGH' }] }],
  })
  await call('GET /v1/risk/providers/:id/counts', 200, provider)
  await call('DELETE /api/v1/risk/providers/:id', 204, provider)
  await call('PUT /oauth2/v1/clients/:clientId', 200, {
    ...one,
    body: { ...metadata, client_name: 'Renamed' },
  })
  await call('DELETE /oauth2/v1/clients/:clientId', 204, one)

  // answers-as-documented.ts has held each answer to the document; that is of all routes, and of nothing else
  const served = Object.entries<Operation>(operations).filter(([, { listener }]) => listener === undefined)
  expect([...watching.routes].toSorted()).toEqual(served.map(([name]) => name).toSorted())
  expect([...new Set(called)].toSorted()).toEqual([...watching.routes].toSorted())
})
