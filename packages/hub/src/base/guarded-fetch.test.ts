import { createServer as createTlsServer } from 'node:https'
import type { LookupAddress } from 'node:dns'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { LookupFunction } from 'node:net'
import { describe, expect, test } from 'vitest'
import { listenLocally, startLocalServer } from '../../test/local-server.ts'
import { createGuardedFetch } from './guarded-fetch.ts'
import { HubError } from './hub-error.ts'
import { parseOutboundAllow } from './outbound-allow.ts'

function guarded(allow: string, lookup?: LookupFunction) {
  const parsed = parseOutboundAllow(allow)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return createGuardedFetch({
    allow: parsed.value,
    connectTimeoutMs: 5_000,
    ...(lookup === undefined ? {} : { lookup }),
  })
}

/** A name server that gives its answers in order and repeats the last one. */
function resolver(...answers: readonly (readonly string[])[]) {
  const asked: string[] = []
  const lookup: LookupFunction = (name, options, answer) => {
    const found = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(name)
    const addresses: LookupAddress[] = found.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }))
    if (!options.all) throw new Error('the whole answer must be asked for')
    setImmediate(() => answer(null, addresses))
  }
  return { lookup, asked }
}

async function errorOf(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => new Error('it was fetched'),
    (reason: unknown) => reason,
  )
  if (error instanceof HubError) return error
  throw error
}

const hello = () => startLocalServer((_request, response) => response.end('hello'))

describe('addresses that may be reached', () => {
  test.each(['127.0.0.1', '127.0.0.0/8'])('this machine, when %s is allowed', async (allow) => {
    await using server = await hello()
    await using guard = guarded(allow)
    const response = await guard.fetch(`${server.origin}/jwks`)
    expect([response.status, await response.text()]).toEqual([200, 'hello'])
  })

  test('an allowed host and port, and no other port of it', async () => {
    await using server = await hello()
    await using other = await hello()
    await using guard = guarded(`127.0.0.1:${server.port}`)
    expect((await guard.fetch(server.origin)).status).toBe(200)
    expect(await errorOf(guard.fetch(other.origin))).toMatchObject({ code: 'outbound.refused' })
    expect(other.connections()).toBe(0)
  })

  test('an allowed name, whatever it resolves to', async () => {
    await using server = await hello()
    await using guard = guarded('idp.local', resolver(['127.0.0.1']).lookup)
    expect((await guard.fetch(`http://idp.local:${server.port}/`)).status).toBe(200)
  })

  test('an allowed address, under any name', async () => {
    await using server = await hello()
    await using guard = guarded('127.0.0.1', resolver(['127.0.0.1']).lookup)
    expect((await guard.fetch(`http://anything.example:${server.port}/`)).status).toBe(200)
  })

  test("names resolve by the operating system: of localhost's addresses, the allowed one is reached", async () => {
    await using server = await hello()
    await using guard = guarded('127.0.0.1')
    expect((await guard.fetch(`http://localhost:${server.port}/`)).status).toBe(200)
  })

  test('a Request object with method, headers and body', async () => {
    await using server = await startLocalServer((request, response) => {
      response
        .setHeader('x-method', request.method ?? '')
        .setHeader('x-type', request.headers['content-type'] ?? '')
      request.pipe(response)
    })
    await using guard = guarded('127.0.0.1')
    const headers = { 'content-type': 'text/x-test' }
    const response = await guard.fetch(new Request(server.origin, { method: 'POST', headers, body: 'ping' }))
    expect([response.headers.get('x-method'), response.headers.get('x-type'), await response.text()]).toEqual(
      ['POST', 'text/x-test', 'ping'],
    )
  })
})

describe('addresses that may not be reached', () => {
  test.each(['', '127.0.0.2', '10.0.0.0/8', 'localhost', 'idp.local'])(
    'this machine, when the list is %j',
    async (allow) => {
      await using server = await hello()
      await using guard = guarded(allow)
      const error = await errorOf(guard.fetch(server.origin))
      expect(error).toMatchObject({ code: 'outbound.refused' })
      expect(error.detail).toContain(`127.0.0.1:${server.port} is a loopback address`)
      expect(error.detail).toContain('WATCHBELL_OUTBOUND_ALLOW')
      expect(server.connections()).toBe(0)
    },
  )

  test.each([
    ['127.0.0.1', 'a loopback address'],
    ['::ffff:127.0.0.1', 'an IPv4 address written as IPv6'],
    ['169.254.169.254', 'a link-local address'],
    ['fd00:ec2::254', 'a private address'],
    ['64:ff9b::7f00:1', 'a loopback address'],
  ])('a public-looking name that resolves to %s', async (address, kind) => {
    await using server = await hello()
    await using guard = guarded('', resolver([address]).lookup)
    const error = await errorOf(guard.fetch(`https://idp.example:${server.port}/jwks?key=secret`))
    expect(error.code).toBe('outbound.refused')
    expect(error.detail).toContain(`idp.example:${server.port} resolves to ${kind}`)
    expect(error.detail).not.toContain('secret')
    expect(server.connections()).toBe(0)
  })

  test('a public address over http, although the list has a block', async () => {
    await using guard = guarded('10.0.0.0/8', resolver(['93.184.215.14']).lookup)
    const error = await errorOf(guard.fetch('http://idp.example/jwks'))
    expect(error).toMatchObject({ code: 'outbound.refused', detail: expect.stringContaining('over http') })
  })

  test.each([
    ['http://idp.example/', 'over http'],
    ['http://8.8.8.8/', 'over http'],
    ['https://ada:secret@idp.example/', 'user name or password'],
    ['ftp://idp.example/', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['https://2130706433/', 'loopback'],
    ['https://[::ffff:7f00:1]/', 'IPv4 address written as IPv6'],
    ['nonsense', 'absolute URL'],
    ['', 'absolute URL'],
  ])('%j is refused before a name is resolved', async (url, why) => {
    const { lookup, asked } = resolver(['93.184.215.14'])
    await using guard = guarded('', lookup)
    const error = await errorOf(guard.fetch(url))
    expect(error).toMatchObject({ code: 'outbound.refused', detail: expect.stringContaining(why) })
    expect(error.detail).not.toContain('secret')
    expect(asked).toEqual([])
  })
})

describe('names that change their answer (DNS rebinding)', () => {
  test('the checked address is the one that is connected to', async () => {
    await using trap = await hello()
    await using permitted = await startLocalServer((_request, response) => response.end('permitted'), {
      host: '127.0.0.2',
      port: trap.port,
    })
    const { lookup, asked } = resolver(['127.0.0.2'], ['127.0.0.1'])
    await using guard = guarded('127.0.0.2', lookup)
    const response = await guard.fetch(`http://rebind.example:${permitted.port}/`)
    expect(await response.text()).toBe('permitted')
    expect(asked).toEqual(['rebind.example'])
    expect(trap.connections()).toBe(0)
  })

  test('the next connection is judged by the next answer', async () => {
    await using trap = await hello()
    await using permitted = await startLocalServer(
      (_request, response) => response.setHeader('connection', 'close').end('permitted'),
      { host: '127.0.0.2', port: trap.port },
    )
    const { lookup, asked } = resolver(['127.0.0.2'], ['127.0.0.1'])
    await using guard = guarded('127.0.0.2', lookup)
    const url = `http://rebind.example:${permitted.port}/`
    expect(await (await guard.fetch(url)).text()).toBe('permitted')
    const error = await errorOf(guard.fetch(url))
    expect(error).toMatchObject({
      code: 'outbound.refused',
      detail: expect.stringContaining('resolves to a loopback'),
    })
    expect(asked).toHaveLength(2)
    expect(trap.connections()).toBe(0)
  })

  test.each([
    [['127.0.0.1', '127.0.0.2']],
    [['127.0.0.2', '127.0.0.1']],
    [['::1', '127.0.0.1', '127.0.0.2', '169.254.169.254']],
  ])('of several addresses %j only the permitted one is connected to', async (answer) => {
    await using trap = await hello()
    await using permitted = await startLocalServer((_request, response) => response.end('permitted'), {
      host: '127.0.0.2',
      port: trap.port,
    })
    await using guard = guarded('127.0.0.2', resolver(answer).lookup)
    const response = await guard.fetch(`http://mixed.example:${permitted.port}/`)
    expect(await response.text()).toBe('permitted')
    expect(trap.connections()).toBe(0)
  })
})

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308, 300, 304])(
    '%i is not followed, and where it leads is said',
    async (status) => {
      await using target = await hello()
      await using server = await startLocalServer((_request, response) =>
        response.writeHead(status, { location: `${target.origin}/moved?token=secret` }).end(),
      )
      await using guard = guarded('127.0.0.0/8')
      const error = await errorOf(guard.fetch(server.origin))
      expect(error).toMatchObject({ code: 'outbound.failed' })
      expect(error.detail).toContain(`redirects to ${target.origin}/moved and`)
      expect(error.detail).not.toContain('secret')
      expect(target.connections()).toBe(0)
    },
  )

  test('a caller cannot make the fetch follow redirects', async () => {
    await using target = await hello()
    await using server = await startLocalServer((_request, response) =>
      response.writeHead(302, { location: target.origin }).end(),
    )
    await using guard = guarded('127.0.0.0/8')
    expect(await errorOf(guard.fetch(server.origin, { redirect: 'follow' }))).toMatchObject({
      code: 'outbound.failed',
    })
    expect(target.connections()).toBe(0)
  })

  test('the message shortens the location, and tolerates a missing or unreadable one', async () => {
    const places: (string | undefined)[] = [`/${'x'.repeat(5_000)}`, undefined, 'https://[']
    await using server = await startLocalServer((_request, response) => {
      const location = places.shift()
      response.writeHead(302, location === undefined ? {} : { location }).end()
    })
    await using guard = guarded('127.0.0.0/8')
    expect((await errorOf(guard.fetch(server.origin))).detail.length).toBeLessThan(400)
    expect((await errorOf(guard.fetch(server.origin))).detail).toContain('redirects to somewhere else')
    expect((await errorOf(guard.fetch(server.origin))).detail).toContain('redirects to somewhere else')
  })
})

describe('https', () => {
  const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc8nFZEvqTZxS8Gqw
l+9qwcbjL1nTDTV+XkEzIaw8y3WhRANCAAS0mEO6tmiSyPhB+7kKe3teXDxseuNl
AMArcTNGoJPP4qEOqxlsbRbfxvpGzloGY3VFOmOTFIFciIF9lAMjIE54
-----END PRIVATE KEY-----`
  const cert = `-----BEGIN CERTIFICATE-----
MIIBkTCCATigAwIBAgIUIjfEsEqdFCFIZt1qR2xnyb3732cwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIdGxzLnRlc3QwIBcNMjYxMTIxMjAxODA0WhgPMjEyNjEwMjgy
MDE4MDRaMBMxETAPBgNVBAMMCHRscy50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEtJhDurZoksj4Qfu5Cnt7Xlw8bHrjZQDAK3EzRqCTz+KhDqsZbG0W38b6
Rs5aBmN1RTpjkxSBXIiBfZQDIyBOeKNoMGYwHQYDVR0OBBYEFB8OPdkz2t7ScSu9
tm0K9aSRfMXvMB8GA1UdIwQYMBaAFB8OPdkz2t7ScSu9tm0K9aSRfMXvMA8GA1Ud
EwEB/wQFMAMBAf8wEwYDVR0RBAwwCoIIdGxzLnRlc3QwCgYIKoZIzj0EAwIDRwAw
RAIgYhyBsWvgMihsAkQvfTiI+CfuppgaVMbeF68Eu88J9iUCIBF532BF4XuuyxOh
N2hYdqOHDvp4HECeIIATycLl7MXl
-----END CERTIFICATE-----`
  const startTls = () =>
    listenLocally(
      createTlsServer({ key, cert }, (_request, response) => response.end('over TLS')),
      { scheme: 'https' },
    )

  test('a certificate of an unknown authority is refused (CAEP interop §2.1)', async () => {
    await using server = await startTls()
    await using guard = guarded('tls.test', resolver(['127.0.0.1']).lookup)
    const error = await errorOf(guard.fetch(`https://tls.test:${server.port}/`))
    expect(error).toMatchObject({
      code: 'outbound.failed',
      detail: expect.stringContaining('self-signed certificate'),
    })
    expect(server.requests).toEqual([])
  })

  test('a configured authority is trusted besides the others, for the names in its certificates (CAEP interop §2.1)', async () => {
    await using server = await startTls()
    const parsed = parseOutboundAllow('tls.test other.test')
    if (!parsed.ok) throw new Error('unreadable')
    const { lookup } = resolver(['127.0.0.1'])
    await using guard = createGuardedFetch({
      allow: parsed.value,
      connectTimeoutMs: 5_000,
      extraCa: [cert],
      lookup,
    })
    expect(await (await guard.fetch(`https://tls.test:${server.port}/`)).text()).toBe('over TLS')
    const error = await errorOf(guard.fetch(`https://other.test:${server.port}/`))
    expect(error).toMatchObject({ code: 'outbound.failed', detail: expect.stringContaining('altnames') })
  })

  test('the certificate must be for the name in the URL (CAEP interop §2.1)', async () => {
    const before = getCACertificates('default')
    setDefaultCACertificates([...before, cert])
    try {
      await using server = await startTls()
      await using guard = guarded('tls.test other.test', resolver(['127.0.0.1']).lookup)
      expect(await (await guard.fetch(`https://tls.test:${server.port}/`)).text()).toBe('over TLS')
      const error = await errorOf(guard.fetch(`https://other.test:${server.port}/`))
      expect(error).toMatchObject({ code: 'outbound.failed', detail: expect.stringContaining('altnames') })
      expect(server.requests).toEqual(['/'])
    } finally {
      setDefaultCACertificates(before)
    }
  })
})

describe('the text of a failure', () => {
  test('no listener', async () => {
    const server = await hello()
    await server[Symbol.asyncDispose]()
    await using guard = guarded('127.0.0.1')
    const error = await errorOf(guard.fetch(server.origin))
    expect(error).toMatchObject({
      code: 'outbound.failed',
      detail: expect.stringContaining('connection was refused'),
    })
  })

  test('the name does not resolve', async () => {
    const lookup: LookupFunction = (_name, _options, answer) =>
      answer(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '')
    await using guard = guarded('', lookup)
    const error = await errorOf(guard.fetch('https://idp.example/'))
    expect(error.code).toBe('outbound.failed')
    expect(error.detail).toBe('idp.example could not be fetched: its name does not resolve.')
  })

  test('the name has no address', async () => {
    await using guard = guarded('', resolver([]).lookup)
    const error = await errorOf(guard.fetch('https://idp.example/'))
    expect(error).toMatchObject({
      code: 'outbound.failed',
      detail: expect.stringContaining('has no address'),
    })
  })

  test('the name server never answers', async () => {
    await using guard = createGuardedFetch({
      allow: { names: [], blocks: [] },
      connectTimeoutMs: 50,
      lookup: () => undefined,
    })
    const error = await errorOf(guard.fetch('https://idp.example/'))
    expect(error).toMatchObject({ code: 'outbound.failed', detail: expect.stringContaining('in time') })
  })

  test('the connection is cut, and the answer is not HTTP', async () => {
    let cut = true
    await using server = await startLocalServer((request) => {
      if (cut) request.socket.destroy()
      else request.socket.end('SSH-2.0-OpenSSH\r\n')
    })
    await using guard = guarded('127.0.0.1')
    expect(await errorOf(guard.fetch(server.origin))).toMatchObject({ code: 'outbound.failed' })
    cut = false
    expect(await errorOf(guard.fetch(server.origin))).toMatchObject({ code: 'outbound.failed' })
  })

  test('a caller that aborts gets its own reason', async () => {
    await using server = await startLocalServer(() => undefined)
    await using guard = guarded('127.0.0.1')
    const caller = new AbortController()
    const reason = new Error('changed my mind')
    const fetching = guard.fetch(server.origin, { signal: caller.signal })
    caller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
  })

  test('disposing ends requests in progress', async () => {
    await using server = await startLocalServer(() => undefined)
    const guard = guarded('127.0.0.1')
    const fetching = errorOf(guard.fetch(server.origin))
    await expect.poll(() => server.requests).toHaveLength(1)
    await guard[Symbol.asyncDispose]()
    expect(await fetching).toMatchObject({ code: 'outbound.failed' })
  })
})
