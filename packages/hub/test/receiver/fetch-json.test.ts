import { gzipSync } from 'node:zlib'
import type { RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../local-server.ts'
import { type FetchLimits, fetchJson } from '@watchbell/receiver/base'
import { createGuardedFetch } from '../../src/base/guarded-fetch.ts'
import { HubError } from '../../src/base/hub-error.ts'
import { ownVersion } from '../../src/base/version.ts'
import { parseOutboundAllow } from '../../src/base/outbound-allow.ts'

const limits: FetchLimits = { timeoutMs: 10_000, bytesMax: 1_000 }

function guarded() {
  const allow = parseOutboundAllow('127.0.0.1')
  if (!allow.ok) throw new Error('unreadable')
  return createGuardedFetch({ allow: allow.value, connectTimeoutMs: 5_000 })
}

/** The result of fetchJson for a server. */
async function fetched(handle: RequestListener, withLimits: FetchLimits = limits) {
  await using server = await startLocalServer(handle)
  await using guard = guarded()
  return await fetchJson(guard.fetch, `${server.origin}/jwks?key=secret`, withLimits)
}

async function failure(handle: RequestListener, withLimits?: FetchLimits): Promise<string> {
  const error = await fetched(handle, withLimits).then(
    () => new Error('it was fetched'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof HubError)) throw error
  expect(error.code).toBe('outbound.failed')
  expect(error.detail).toMatch(/^127\.0\.0\.1:\d+ /)
  expect(error.detail).not.toContain('secret')
  return error.detail
}

const json =
  (body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)

describe('the headers of a request', () => {
  test('name the hub and the accepted media types, and none of a browser', async () => {
    const { value } = await fetched((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(request.headers))
    })
    const headers = value as Readonly<Record<string, string>> // the server above sends this
    expect(headers).toMatchObject({ accept: 'application/json', 'user-agent': `Watchbell/${ownVersion()}` })
    expect(Object.keys(headers).toSorted()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ])
  })

  test('include the caller’s own User-Agent', async () => {
    await using server = await startLocalServer((request, response) =>
      response.end(request.headers['user-agent']),
    )
    await using guard = guarded()
    const answer = await guard.fetch(new Request(server.origin, { headers: { 'user-agent': 'x' } }))
    expect(await answer.text()).toBe('x')
    expect(await (await guard.fetch(new Request(server.origin))).text()).toMatch(/^Watchbell\//)
  })
})

describe('a document that is accepted', () => {
  test('with an integer that does not fit a double, in an unknown member (RFC 7517 §4)', async () => {
    expect((await fetched(json('{"a":[9007199254740993]}'))).value).toEqual({ a: ['9007199254740993'] })
  })

  test.each([
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/jwk-set+json',
    'application/secevent+json ; x=y',
  ])('%s', async (type) => {
    expect((await fetched(json('{"a":[1]}', { 'content-type': type }))).value).toEqual({ a: [1] })
  })

  test('compressed', async () => {
    const body = gzipSync('{"a":1}')
    expect((await fetched(json(body, { 'content-encoding': 'gzip' }))).value).toEqual({ a: 1 })
  })

  test('exactly of the maximum size', async () => {
    const body = `"${'x'.repeat(998)}"`
    expect((await fetched(json(body))).value).toHaveLength(998)
  })

  test.each([
    [undefined, undefined],
    ['max-age=300', 300],
    ['public, Max-Age=0', 0],
    ['max-age="60"', 60],
    ['s-maxage=9, must-revalidate', undefined],
    ['max-age=-1', undefined],
    ['max-age=1e9', undefined],
    ['max-age=99999999999999', undefined],
    ['no-cache, max-age=300', 0],
    ['no-store', 0],
    ['garbage', undefined],
  ])('Cache-Control %j allows %j seconds', async (cacheControl, maxAgeS) => {
    const headers = cacheControl === undefined ? {} : { 'cache-control': cacheControl }
    expect((await fetched(json('{}', headers))).maxAgeS).toBe(maxAgeS)
  })
})

describe('a document that is refused', () => {
  test.each([201, 204, 206, 400, 401, 403, 404, 429, 500, 503])('status %i', async (status) => {
    const detail = await failure((_request, response) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(status === 204 ? undefined : '{}'),
    )
    expect(detail).toContain(`status ${status} where 200 is needed`)
  })

  test('a redirect', async () => {
    const detail = await failure((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/latest?token=secret' }).end(),
    )
    expect(detail).toContain('redirects to http://169.254.169.254/latest')
  })

  test.each([
    'text/html',
    'text/plain',
    'application/jwt',
    'application/json-seq',
    'jsonapplication/json',
    '+json',
    '',
  ])('Content-Type %j (OKTA-R63)', async (type) => {
    expect(await failure(json('{}', { 'content-type': type }))).toContain('must be application/json')
  })

  test('no Content-Type', async () => {
    expect(await failure((_request, response) => response.writeHead(200).end('{}'))).toContain(
      'without a Content-Type',
    )
  })

  test.each([
    ['', 'not JSON'],
    ['<html>', 'not JSON'],
    ['{"a":1', 'not JSON'],
    ['{"a":1,"a":2}', 'repeated'],
    ['{"__proto__":{}}', 'not JSON'],
    [Buffer.from([0x22, 0xff, 0x22]), 'not JSON'],
    [gzipSync('{}'), 'not JSON'],
  ])('a body such as %j', async (body, why) => {
    expect(await failure(json(body))).toContain(why)
  })

  test('larger than the maximum, with or without Content-Length', async () => {
    const body = `"${'x'.repeat(999)}"`
    expect(await failure(json(body))).toContain('more than 1000 bytes')
    expect(await failure(json(body, { 'content-length': String(body.length) }))).toContain(
      'more than 1000 bytes',
    )
  })

  test('an endless body, whose connection is closed', async () => {
    let open = true
    await using server = await startLocalServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.on('close', () => (open = false))
      const more = (): void => {
        if (open && response.write(' '.repeat(10_000))) setImmediate(more)
      }
      response.on('drain', more)
      more()
    })
    await using guard = guarded()
    await expect(fetchJson(guard.fetch, server.origin, limits)).rejects.toThrow('more than 1000 bytes')
    await expect.poll(() => open).toBe(false)
  })

  test('a gzip bomb: 100 MB in 100 kB', async () => {
    const bomb = gzipSync(Buffer.alloc(100_000_000, ' '), { level: 1 })
    expect(await failure(json(bomb, { 'content-encoding': 'gzip' }))).toContain('more than 1000 bytes')
  })

  test.each([
    ['gzip', 'not gzip at all'],
    ['gzip, gzip, gzip, gzip, gzip, gzip', '{}'],
  ])('encoded as %s and broken', async (encoding, body) => {
    expect(await failure(json(body, { 'content-encoding': encoding }))).toContain('could not be fetched')
  })

  test('cut short', async () => {
    const detail = await failure((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"a":', () => response.destroy())
    })
    expect(detail).toContain('could not be fetched')
  })
})

describe('a slow server', () => {
  const impatient: FetchLimits = { ...limits, timeoutMs: 60 }

  test('that never answers', async () => {
    expect(await failure(() => undefined, impatient)).toContain('did not answer in full within 60 ms')
  })

  test('that never ends its headers', async () => {
    const detail = await failure((request) => {
      request.socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => request.socket.write('X-Drip: 1\r\n'), 5)
      request.socket.on('close', () => clearInterval(drip))
      request.socket.on('error', () => clearInterval(drip))
    }, impatient)
    expect(detail).toContain('did not answer in full within 60 ms')
  })

  test('that drips its body', async () => {
    const detail = await failure((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drip))
    }, impatient)
    expect(detail).toContain('did not answer in full within 60 ms')
  })

  test('whose request the caller aborts', async () => {
    const caller = new AbortController()
    const detail = await failure(() => caller.abort(), { ...limits, signal: caller.signal })
    expect(detail).toContain('no longer needed')
    expect(await failure(json('{}'), { ...limits, signal: AbortSignal.abort() })).toContain(
      'no longer needed',
    )
  })
})
