import { METHODS, request as httpRequest } from 'node:http'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startLocalServer } from '../local-server.ts'
import { hasNginx, startNginx } from './nginx.ts'
import { logEntries, refusal } from './service-app.ts'
import { rawRequest } from './raw-request.ts'
import { setRisk } from './user-risk.ts'
import { freePort } from '../free-port.ts'

const path = '/access/v1/forward-auth'
const trusted = { trustedProxies: '127.0.0.1, 10.0.0.0/8, fd00::/8' }

interface Seen {
  readonly status: number
  readonly body: string
  readonly risk: string | null
  readonly challenge: string | null
}

async function ask(hub: TestHub, headers: Record<string, string>, method = 'GET', at = path): Promise<Seen> {
  const answer = await fetch(hub.origin + at, { method, headers })
  return {
    status: answer.status,
    body: await answer.text(),
    risk: answer.headers.get('x-watchbell-risk'),
    challenge: answer.headers.get('www-authenticate'),
  }
}

/** Which address the hub took for the client's, as its log says. */
async function addressesSeen(hub: TestHub): Promise<readonly unknown[]> {
  const entries = await logEntries(hub, 'policy.evaluate_sign_on')
  return entries.map(({ client }) => client?.ipAddress ?? null)
}

describe('from a trusted proxy', () => {
  test('the answer is 200, 401 or 403 without a body, with the level in a header', async () => {
    await using hub = await startTestHub({ settings: trusted })
    await setRisk(hub, 'medium@example.com', 'MEDIUM')
    await setRisk(hub, 'high@example.com', 'HIGH')
    const as = (user: string) => ask(hub, { 'x-forwarded-user': user, 'x-forwarded-for': '203.0.113.7' })
    expect(await as('ada@example.com')).toEqual({ status: 200, body: '', risk: 'NONE', challenge: null })
    expect(await as('high@example.com')).toEqual({ status: 403, body: '', risk: 'HIGH', challenge: null })
    expect(await as('medium@example.com')).toEqual({
      status: 401,
      body: '',
      risk: 'MEDIUM',
      challenge: `Bearer realm="${hub.origin}", error="insufficient_user_authentication"`,
    })
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ outcome }) => outcome.result)).toEqual(['ALLOW', 'DENY', 'CHALLENGE'])
    expect(entries[0]).toMatchObject({
      actor: { alternateId: 'ada@example.com' },
      client: { ipAddress: '203.0.113.7' },
    })
  })

  test('names beyond ASCII are read as UTF-8 and as Latin-1', async () => {
    await using hub = await startTestHub({ settings: trusted })
    const names = ['müller', 'ada@bücher.example', '鐘']
    for (const login of names) {
      expect((await hub.api('POST', '/v1/subjects', { kind: 'user', login })).status).toBe(201)
      const risk = `/api/v1/users/${encodeURIComponent(login)}/risk`
      expect((await hub.api('PUT', risk, { riskLevel: 'HIGH' })).status).toBe(201)
    }
    const sent = names.map((name) => Buffer.from(name).toString('latin1'))
    for (const user of [...sent, 'müller']) {
      expect(await ask(hub, { 'x-forwarded-user': user })).toMatchObject({ status: 403, risk: 'HIGH' })
    }
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ actor }) => actor.alternateId)).toEqual([...names, 'müller'])
  })

  test('without a user the answer is 401 and nothing is evaluated', async () => {
    await using hub = await startTestHub({ settings: trusted })
    for (const headers of [{}, { 'x-forwarded-user': '' }, { 'x-forwarded-user': '  ' }]) {
      expect(await ask(hub, headers)).toMatchObject({
        status: 401,
        challenge: `Bearer realm="${hub.origin}"`,
        risk: null,
      })
    }
    expect(await logEntries(hub, 'policy.evaluate_sign_on')).toEqual([])
  })

  test('the client address is the last one that is not a trusted proxy', async () => {
    await using hub = await startTestHub({ settings: trusted })
    const cases: readonly (readonly [string | undefined, string | null])[] = [
      ['203.0.113.7', '203.0.113.7'],
      ['198.51.100.1, 203.0.113.7', '203.0.113.7'], // what stands before it the client may have written
      ['198.51.100.1, 203.0.113.7, 10.1.2.3', '203.0.113.7'],
      ['203.0.113.7, fd00::1,10.0.0.1', '203.0.113.7'],
      ['nonsense, 203.0.113.7', '203.0.113.7'],
      ['203.0.113.9:51008', '203.0.113.9'], // Azure's gateways write ports
      ['[2001:db8::1]:443', '2001:db8::1'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['198.51.100.1:1, 203.0.113.7:2, 10.1.2.3:4, [fd00::1]:5', '203.0.113.7'],
      ['203.0.113.7, unix:', '203.0.113.7'], // nginx was asked over a unix socket
      ['unix:', null],
      ['::ffff:203.0.113.7', '203.0.113.7'],
      ['2001:DB8::1', '2001:db8::1'],
      ['10.0.0.5', '10.0.0.5'], // somebody behind the proxies themselves
      ['', null],
      [undefined, null],
    ]
    for (const [forwarded] of cases) {
      const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
      expect((await ask(hub, { 'x-forwarded-user': 'ada', ...headers })).status).toBe(200)
    }
    expect(await addressesSeen(hub)).toEqual(cases.map(([, address]) => address))
  })

  test('an invalid address is refused, not ignored', async () => {
    await using hub = await startTestHub({ settings: trusted })
    for (const forwarded of [
      'unknown',
      '1.2.3',
      '203.0.113.7:',
      '203.0.113.7:443:1',
      '[2001:db8::1',
      '[203.0.113.7].1',
      'unix:/run/nginx.sock',
      '203.0.113.7, _hidden',
    ]) {
      const { status } = await ask(hub, { 'x-forwarded-user': 'ada', 'x-forwarded-for': forwarded })
      expect([forwarded, status]).toEqual([forwarded, 400])
    }
    expect(await addressesSeen(hub)).toEqual([])
  })

  test('two users are refused, because one may come from the client', async () => {
    await using hub = await startTestHub({ settings: trusted })
    const status = await new Promise((resolve, reject) => {
      httpRequest(hub.origin + path, { headers: { 'X-Forwarded-User': ['mallory', 'ada'] } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(400)
    expect((await ask(hub, { 'x-forwarded-user': 'x'.repeat(1_001) })).status).toBe(400)
  })

  test('two users that an intermediary joined are refused, and nothing is evaluated', async () => {
    await using hub = await startTestHub({ settings: trusted })
    await setRisk(hub, 'ada@example.com', 'HIGH')
    for (const user of [
      'mallory, ada@example.com',
      'ada@example.com,ada@example.com',
      'ada@example.com,',
      ',',
    ]) {
      expect([user, (await ask(hub, { 'x-forwarded-user': user })).status]).toEqual([user, 400])
    }
    expect(await logEntries(hub, 'policy.evaluate_sign_on')).toEqual([])
    expect((await ask(hub, { 'x-forwarded-user': 'ada@example.com' })).status).toBe(403)
    const hosts = { 'x-forwarded-user': 'bob', 'x-forwarded-host': 'mail.example, proxy.example' }
    expect((await ask(hub, hosts)).status).toBe(200)
  })

  test('every HTTP method is accepted, and a body is ignored', async () => {
    await using hub = await startTestHub({ settings: trusted })
    const bodies = [
      '\r\n',
      'Content-Length: 2\r\n\r\nhi',
      'Content-Type: ;;;\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi',
      'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    ]
    for (const method of METHODS) {
      if (method === 'CONNECT') continue // asks for a tunnel and has no path
      for (const body of bodies) {
        const head = `${method} ${path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nX-Forwarded-User: ada\r\n`
        const answer = await rawRequest(hub.origin, head + body)
        expect([method, body, answer.status, answer.body]).toEqual([method, body, 200, ''])
      }
    }
    const large = { method: 'POST', headers: { 'x-forwarded-user': 'ada' }, body: 'x'.repeat(2_000_000) }
    expect((await fetch(hub.origin + path, large)).status).toBe(200)
    expect((await ask(hub, { 'x-forwarded-user': 'ada' })).status).toBe(200)
  })

  test('every path below it is accepted, as Envoy sends it', async () => {
    await using hub = await startTestHub({ settings: trusted })
    for (const behind of [
      '/',
      '/app/page?x=1',
      '?x=1',
      '/%zz',
      '/%',
      '/%ff%00',
      '/a%2Fb/../..//c;d=e',
      `/${'x'.repeat(20_000)}`,
    ]) {
      const head = `GET ${path}${behind} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nX-Forwarded-User: ada\r\n\r\n`
      const answer = await rawRequest(hub.origin, Buffer.from(head, 'latin1'))
      expect([behind, answer.status]).toEqual([behind, 200])
    }
    for (const other of ['er', '%2Fapp', ';x'])
      expect((await ask(hub, { 'x-forwarded-user': 'ada' }, 'GET', path + other)).status).toBe(404)
  })

  test('heads as large as nginx’s default limit are accepted here, and are 431 on other paths', async () => {
    await using hub = await startTestHub({ settings: trusted })
    const headers = { 'x-forwarded-user': 'ada' }
    for (const cookie of ['c'.repeat(17_000), 'c'.repeat(32_768), 'c'.repeat(60_000)])
      expect((await ask(hub, { ...headers, cookie })).status).toBe(200)
    expect((await ask(hub, { ...headers, cookie: 'c'.repeat(66_000) })).status).toBe(431)
    for (const at of ['/healthz', '/nothing', '/access/v1/evaluation'])
      expect((await ask(hub, { ...headers, cookie: 'c'.repeat(17_000) }, 'GET', at)).status).toBe(431)
    expect((await ask(hub, {}, 'GET', `/api/v1/users/${'x'.repeat(17_000)}/risk`)).status).toBe(431)
  })

  test('a bad request gets its reason in a header and no body', async () => {
    await using hub = await startTestHub({ settings: { ...trusted, forwardAuthToken: 'let-me-ask' } })
    const wrong = [
      [{ 'x-forwarded-user': 'ada' }, 403, 'X-Watchbell-Token'],
      [{ 'x-watchbell-token': 'let-me-ask', 'x-forwarded-user': 'ada,bob' }, 400, 'X-Forwarded-User'],
      [
        { 'x-watchbell-token': 'let-me-ask', 'x-forwarded-user': 'ada', 'x-forwarded-for': 'x' },
        400,
        'X-Forwarded-For',
      ],
    ] as const
    for (const [headers, status, named] of wrong) {
      const answer = await fetch(hub.origin + path, { headers })
      expect([answer.status, await answer.text()]).toEqual([status, ''])
      expect(answer.headers.get('content-type')).toBeNull()
      expect(answer.headers.get('x-watchbell-error')).toContain(named)
      expect(answer.headers.get('x-watchbell-error')).not.toContain('let-me-ask')
    }
  })

  test('other headers are read when the settings name them', async () => {
    await using hub = await startTestHub({
      settings: { ...trusted, forwardAuthUserHeader: 'Remote-User', forwardAuthAddressHeader: 'X-Real-IP' },
    })
    expect((await ask(hub, { 'x-forwarded-user': 'ada' })).status).toBe(401)
    const headers = { 'remote-user': 'ada', 'x-real-ip': '203.0.113.7', 'x-forwarded-for': '198.51.100.1' }
    expect((await ask(hub, headers)).status).toBe(200)
    expect(await addressesSeen(hub)).toEqual(['203.0.113.7'])
  })

  test('a token is required when the setting says so', async () => {
    await using hub = await startTestHub({ settings: { ...trusted, forwardAuthToken: 'let-me-ask' } })
    const as = (token: string | undefined) =>
      ask(hub, { 'x-forwarded-user': 'ada', ...(token !== undefined && { 'x-watchbell-token': token }) })
    for (const token of [undefined, '', 'let-me-as', 'let-me-askk', 'LET-ME-ASK'])
      expect((await as(token)).status).toBe(403)
    expect((await as('let-me-ask')).status).toBe(200)
  })
})

describe('from another address', () => {
  test.each([{}, { trustedProxies: '10.0.0.0/8' }, { trustedProxies: '::1, 127.0.0.2' }])(
    'case %#: 403 whatever headers and tokens it has',
    async (settings) => {
      await using hub = await startTestHub({ settings })
      const answer = await fetch(hub.origin + path, {
        headers: {
          'x-forwarded-user': 'ada',
          'x-forwarded-for': '10.0.0.1',
          authorization: `SSWS ${hub.adminToken}`,
        },
      })
      expect(await refusal(answer)).toMatchObject({ status: 403, code: 'E0000006' })
      expect(await logEntries(hub, 'policy.evaluate_sign_on')).toEqual([])
    },
  )
})

describe('examples/nginx/forward-auth.conf', () => {
  /** What stands in the `server` block of the example, with the servers of this test in it. */
  function documented(hub: TestHub, app: string): string {
    const file = readFileSync(
      new URL('../../../../examples/nginx/forward-auth.conf', import.meta.url),
      'utf8',
    )
    const [, server = ''] = /^server \{\n([\s\S]*?)\n\}$/m.exec(file) ?? []
    return server
      .replace(/^\s*listen .*$/m, '')
      .replaceAll('http://127.0.0.1:8080', hub.origin)
      .replaceAll('http://127.0.0.1:3000', app)
      .replaceAll('$your_user', '$http_x_test_user')
  }

  test.skipIf(!hasNginx)('allows, asks to sign in again, and denies (skipped without nginx)', async () => {
    await using app = await startLocalServer((request, reply) => {
      reply.end(
        `hello ${String(request.headers['x-forwarded-user'])}, risk ${String(request.headers['x-watchbell-risk'])}`,
      )
    })
    await using hub = await startTestHub({ settings: trusted })
    await setRisk(hub, 'medium@example.com', 'MEDIUM')
    await setRisk(hub, 'high@example.com', 'HIGH')
    await using nginx = await startNginx(documented(hub, app.origin), await freePort())
    // The header of the test stands for whatever signs users in; what a client forges beside it must not get through.
    const as = (user: string) =>
      fetch(`${nginx.origin}/page`, {
        headers: { 'x-test-user': user, 'x-forwarded-user': 'forged@example.com' },
      })
    const [ada, medium, high] = [
      await as('ada@example.com'),
      await as('medium@example.com'),
      await as('high@example.com'),
    ]
    expect([ada.status, await ada.text()]).toEqual([200, 'hello ada@example.com, risk NONE'])
    expect([medium.status, high.status]).toEqual([401, 403])
    expect(app.requests).toEqual(['/page'])
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ actor, outcome }) => [actor.alternateId, outcome.result]).slice(-3)).toEqual([
      ['ada@example.com', 'ALLOW'],
      ['medium@example.com', 'CHALLENGE'],
      ['high@example.com', 'DENY'],
    ])
  })
})
