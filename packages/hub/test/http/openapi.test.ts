import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { hubErrors } from '../../src/base/hub-error.ts'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import {
  answerCheck,
  type DocumentedOperation,
  type OpenapiDocument,
  type SeenAnswer,
} from '../documented-answers.ts'
import { registerServiceApp } from './service-app.ts'

// Success of every operation is in every-route.test.ts: in all tests what a hub answers is held to the document.

const written = readFileSync(resolve(import.meta.dirname, '../../../../docs/openapi.json'), 'utf8')

async function documentOf(hub: TestHub): Promise<OpenapiDocument> {
  return (await (await fetch(`${hub.origin}/openapi.json`)).json()) as OpenapiDocument // a validator has looked at it
}

test('the document is valid OpenAPI 3.1 and equals the one in docs/', async () => {
  await using hub = await startTestHub()
  const document = await documentOf(hub)

  const validator = new Validator()
  expect(await validator.validate({ ...structuredClone(document) })).toMatchObject({ valid: true })
  expect(validator.version).toBe('3.1')
  expect(document).toEqual(JSON.parse(written))
})

test('every code that a hub refuses a request with is in the document', () => {
  const unnamed = Object.keys(hubErrors).filter((code) => !written.includes(`\`${code}\``))
  // API tokens are made by a command alone.
  expect(unnamed).toEqual(['token.invalid', 'token.name_taken', 'token.not_found'])
})

test('the document is public and cacheable', async () => {
  await using hub = await startTestHub()
  const url = `${hub.origin}/openapi.json`
  const first = await fetch(url)
  const etag = first.headers.get('etag') ?? ''
  expect(first.status).toBe(200)
  expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(first.headers.get('cache-control')).toBe('public, max-age=300')
  expect(etag).toMatch(/^"[\w-]{43}"$/)

  for (const known of [etag, `W/${etag}`, `"another", ${etag}`, '*']) {
    const again = await fetch(url, { headers: { 'if-none-match': known } })
    expect([known, again.status, await again.text()]).toEqual([known, 304, ''])
    expect(again.headers.get('etag')).toBe(etag)
  }
  const changed = await fetch(url, { headers: { 'if-none-match': '"another"' } })
  expect([changed.status, changed.headers.get('etag')]).toEqual([200, etag])
  const head = await fetch(url, { method: 'HEAD' })
  expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, etag, ''])
})

interface Documented {
  readonly method: string
  readonly path: string
  readonly operation: DocumentedOperation
  /** One that needs nothing but a scope. */
  readonly scope: string | undefined
}

const verbs = ['get', 'post', 'put', 'patch', 'delete']

function operationsOf({ paths }: OpenapiDocument): readonly Documented[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    'servers' in item
      ? [] // on an address of its own
      : Object.entries(item)
          .filter(([verb]) => verbs.includes(verb))
          .map(([verb, operation]) => {
            const scopes = (operation.security ?? []).flatMap(
              (scheme) => (scheme as { readonly oauth2?: readonly string[] }).oauth2 ?? [],
            )
            return { method: verb.toUpperCase(), path, operation, scope: scopes[0] }
          }),
  )
}

interface Sent {
  readonly method?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends a request to an operation and holds the answer to the document. */
function driver(hub: TestHub, document: OpenapiDocument) {
  const check = answerCheck(document)
  const seen = new Set<string>()
  const undocumented = new Set<string>()
  return {
    /** Which operations answered with which status, `getSignal 404`. */
    seen,
    undocumented,
    async send({ method, path, operation }: Documented, sent: Sent): Promise<number> {
      const headers = { ...sent.headers }
      const answer = await fetch(
        hub.origin + path.replaceAll(/\{\w+\}/g, 'nobody-has-this') + (sent.query ?? ''),
        {
          method: sent.method ?? method,
          headers,
          redirect: 'manual',
          ...(sent.body !== undefined && { body: sent.body }),
        },
      )
      const whole: SeenAnswer = {
        method: sent.method ?? method,
        path,
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: await answer.text(),
      }
      const problem = check(whole)
      if (problem !== undefined) undocumented.add(problem)
      seen.add(`${operation.operationId ?? ''} ${answer.status}`)
      return answer.status
    },
  }
}

const json = { 'content-type': 'application/json' }

test('every refusal of every operation is in the document', { timeout: 120_000 }, async () => {
  await using hub = await startTestHub()
  const document = await documentOf(hub)
  const { send, seen, undocumented } = driver(hub, document)
  const admin = { authorization: `SSWS ${hub.adminToken}` }
  const app = await registerServiceApp(hub, 'okta.logs.read okta.clients.read')
  const tokens = {
    logs: `Bearer ${await app.token('okta.logs.read')}`,
    clients: `Bearer ${await app.token('okta.clients.read')}`,
  }

  for (const documented of operationsOf(document)) {
    const { method, path, operation, scope } = documented
    const expectStatus = (status: number, what: string, right: number): void => {
      expect({ of: operation.operationId, what, status }).toEqual({
        of: operation.operationId,
        what,
        status: right,
      })
    }
    const takesBody = operation.requestBody !== undefined

    if (scope !== undefined) {
      const bearer = scope.startsWith('okta.logs') ? tokens.clients : tokens.logs
      const authzen = path.startsWith('/access/')
      expectStatus(await send(documented, {}), 'no credentials', authzen ? 401 : 403)
      for (const authorization of ['SSWS wrong', 'Bearer wrong', 'DPoP wrong']) {
        expectStatus(await send(documented, { headers: { authorization } }), authorization, 401)
      }
      expectStatus(await send(documented, { headers: { authorization: bearer } }), 'wrong scope', 403)
    }
    if (path.includes('{')) {
      const body = takesBody ? '{}' : undefined
      const sent = { headers: { ...admin, ...(takesBody && json) }, ...(body !== undefined && { body }) }
      // Metadata of a client is read before anybody looks for the client.
      const right = operation.operationId === 'replaceClient' ? 400 : 404
      expectStatus(await send(documented, sent), 'an unknown id', right)
    }
    const accept = await send(documented, { headers: { ...admin, accept: 'image/png' } })
    if ('406' in operation.responses) expectStatus(accept, 'accepts only images', 406)
    await send(documented, { query: '?limit=x&since=x&after=x&include=x&force=x&x=y', headers: admin })
    await send(documented, { query: '?filter=((&q=x&limit=1', headers: admin })
    const long = await send(documented, { headers: { ...admin, 'x-long': 'x'.repeat(17_000) } })
    if (path !== '/access/v1/forward-auth') expectStatus(long, 'a long head', 431)

    if (takesBody) {
      for (const type of Object.keys(operation.requestBody.content)) {
        const headers = { ...admin, 'content-type': type, 'x-request-id': 'r1' }
        for (const body of ['', '[]', '{}', '"x"', '{"a":', '{"a":1,"a":2}', 'a=b&a=c', 'x.y.z']) {
          const status = await send(documented, { headers, body })
          if (status >= 500) undocumented.add(`${operation.operationId ?? ''} ${status} ${body}`)
        }
        await send(documented, { headers: { ...headers, 'content-encoding': 'gzip' }, body: '{}' })
        await send(documented, { headers, body: `{"a":"${'x'.repeat(1_100_000)}"}` })
      }
      await send(documented, { headers: { ...admin, 'content-type': 'text/plain' }, body: 'x' })
      await send(documented, { headers: { ...admin, 'content-type': 'no media type' }, body: 'x' })
    }
    if (method === 'GET') {
      const asHead = await send(documented, { method: 'HEAD', headers: admin })
      expectStatus(asHead, 'HEAD in place of GET', await send(documented, { headers: admin }))
    }
    const item = document.paths[path] ?? {}
    for (const verb of [...verbs, 'options'].filter((verb) => item[verb] === undefined)) {
      const status = await send(documented, { method: verb.toUpperCase(), headers: admin })
      expectStatus(status, `${verb} in place of ${method}`, 405)
    }
  }
  expect([...undocumented]).toEqual([])

  // Nobody's stream is told before a body is looked at.
  const taking = operationsOf(document).filter(
    ({ path, operation }) => operation.requestBody !== undefined && !path.startsWith('/ssf/'),
  )
  const refused = (status: number): string[] =>
    taking
      .map(({ operation }) => `${operation.operationId ?? ''} ${status}`)
      .filter((answer) => !seen.has(answer))
  expect([refused(413), refused(415)]).toEqual([[], []])
})

test('each scope that the document names opens its operation', { timeout: 60_000 }, async () => {
  await using hub = await startTestHub()
  const document = await documentOf(hub)
  const { send, undocumented } = driver(hub, document)
  const guarded = operationsOf(document).filter(({ scope }) => scope !== undefined)
  const scopesOf = ({ operation }: Documented): readonly string[] =>
    (operation.security ?? []).flatMap(
      (scheme) => (scheme as { readonly oauth2?: readonly string[] }).oauth2 ?? [],
    )
  const all = [...new Set(guarded.flatMap(scopesOf))]
  const app = await registerServiceApp(hub, all.join(' '))
  // A service app has no user, and this one is no risk provider.
  const alsoRefused = new Set(['getCurrentUser', 'sendRiskEvents'])
  const closed: string[] = []
  for (const scope of all) {
    const authorization = `Bearer ${await app.token(scope)}`
    for (const documented of guarded) {
      const opens = scopesOf(documented).includes(scope)
      const { method, operation } = documented
      if (!opens || alsoRefused.has(operation.operationId ?? '')) continue
      const status = await send(documented, {
        headers: { authorization, ...json },
        ...(method !== 'GET' && { body: '{}' }),
      })
      if (status === 401 || status === 403) closed.push(`${operation.operationId ?? ''} ${scope} ${status}`)
    }
  }
  expect([closed, [...undocumented]]).toEqual([[], []])
  const { flows } = (document.components['securitySchemes'] as { oauth2: { flows: Flows } }).oauth2
  expect(all.filter((scope) => !Object.hasOwn(flows.clientCredentials.scopes, scope))).toEqual([])
})

interface Flows {
  readonly clientCredentials: { readonly scopes: object }
}

test('metrics, on an address of their own, are in the document', async () => {
  await using hub = await startTestHub({ settings: { metricsListen: '127.0.0.1:0' } })
  const check = answerCheck(await documentOf(hub))
  for (const [method, status] of [
    ['GET', 200],
    ['POST', 405],
  ] as const) {
    const answer = await fetch(`${hub.metricsOrigin ?? ''}/metrics`, { method })
    const headers = Object.fromEntries(answer.headers)
    expect([method, answer.status]).toEqual([method, status])
    expect(check({ method, path: '/metrics', status, headers, body: await answer.text() })).toBeUndefined()
  }
})

test('the answer to unknown paths is in the document', async () => {
  await using hub = await startTestHub()
  const check = answerCheck(await documentOf(hub))
  for (const [method, path] of [
    ['GET', '/nothing'],
    ['POST', '/v1/nothing'],
    ['GET', '/api/v1/users'],
  ] as const) {
    const answer = await fetch(hub.origin + path, { method })
    const { status } = answer
    const headers = Object.fromEntries(answer.headers)
    expect([path, status]).toEqual([path, 404])
    expect(check({ method, path: undefined, status, headers, body: await answer.text() })).toBeUndefined()
  }
})

test('the answer 429 is in the document for each operation', { timeout: 60_000 }, async () => {
  await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '1', refusalsPerMinute: '1' } })
  const document = await documentOf(hub)
  const { send, seen, undocumented } = driver(hub, document)
  const admin = { authorization: `SSWS ${hub.adminToken}`, ...json }
  for (const documented of operationsOf(document)) {
    for (const headers of [admin, {}]) await send(documented, { headers })
  }
  expect([...undocumented]).toEqual([])
  const limited = operationsOf(document)
    .filter(({ scope, path }) => scope !== undefined && !path.startsWith('/access/'))
    .map(({ operation }) => `${operation.operationId ?? ''} 429`)
  expect(limited.filter((answer) => !seen.has(answer))).toEqual([])
})

test('this test finds an answer that does not match the document', async () => {
  await using hub = await startTestHub()
  const check = answerCheck(await documentOf(hub))
  const answer = await hub.api('GET', '/v1/signals/counts')
  const seen: SeenAnswer = {
    method: 'GET',
    path: '/v1/signals/counts',
    status: 200,
    headers: Object.fromEntries(answer.headers),
    body: await answer.text(),
  }
  const counts = JSON.parse(seen.body) as object
  expect(check(seen)).toBeUndefined()
  expect(check({ ...seen, body: JSON.stringify({ ...counts, more: 1 }) })).toContain('additional properties')
  expect(check({ ...seen, body: JSON.stringify({ ...counts, pending: undefined }) })).toContain('pending')
  expect(check({ ...seen, body: JSON.stringify({ ...counts, pending: '1' }) })).toContain('must be integer')
  expect(check({ ...seen, body: '' })).toContain('the body is missing')
  expect(check({ ...seen, status: 418 })).toContain('there is no such answer')
  expect(check({ ...seen, headers: { ...seen.headers, 'x-more': '1' } })).toContain('no header x-more')
  expect(check({ ...seen, headers: { ...seen.headers, 'content-type': 'text/html' } })).toContain(
    'no text/html',
  )
})
