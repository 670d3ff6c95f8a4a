import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ada, startHubWithProvider, type HubWithProvider } from './with-provider.ts'
import { freePort } from '../free-port.ts'
import { startLocalServer } from '../local-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { hasNginx, startNginx } from './nginx.ts'
import { logEntries } from './service-app.ts'
import { setRisk } from './user-risk.ts'

const proxied = { trustedProxies: '127.0.0.1' }
const headers = {
  forwardAuthSessionHeader: 'X-Watchbell-Session',
  forwardAuthSignedInHeader: 'X-Watchbell-Signed-In',
}

interface From {
  readonly user?: string
  readonly ip?: string
  readonly session?: string
  readonly signedIn?: string | number
}

interface Seen {
  readonly status: number
  readonly revocation: string | null
}

async function ask({ hub }: Pick<HubWithProvider, 'hub'>, from: From = {}): Promise<Seen> {
  const { user = 'ada@example.com', ip = '203.0.113.7', session, signedIn } = from
  const answer = await fetch(`${hub.origin}/access/v1/forward-auth`, {
    headers: {
      'x-forwarded-user': user,
      'x-forwarded-for': ip,
      ...(session !== undefined && { 'x-watchbell-session': session }),
      ...(signedIn !== undefined && { 'x-watchbell-signed-in': String(signedIn) }),
    },
  })
  return { status: answer.status, revocation: answer.headers.get('x-watchbell-revocation') }
}

const status = async (started: Pick<HubWithProvider, 'hub'>, from: From = {}): Promise<number> =>
  (await ask(started, from)).status

async function revoke(
  { hub, sign }: HubWithProvider,
  subject: object = ada,
  at = Date.now() / 1_000,
): Promise<void> {
  const claims = { event_timestamp: Math.floor(at) }
  const draft = { type: 'session-revoked', subject, claims } as Parameters<typeof sign>[0]
  expect((await hub.push(sign(draft))).status).toBe(202)
  await hub.handleAll()
}

const start = (settings = {}, folder?: string): Promise<HubWithProvider> =>
  startHubWithProvider({
    hub: { settings: { ...proxied, ...headers, ...settings }, ...(folder && { folder }) },
  })

describe('with the time of the sign-in', () => {
  test('a session from before the revocation is refused until the user signs in again', async () => {
    await using started = await start()
    const now = Math.floor(Date.now() / 1_000)
    await revoke(started, ada, now - 60)
    const iso = (seconds: number): string => new Date(seconds * 1_000).toISOString()
    const over = { status: 401, revocation: 'session_over' }
    for (const signedIn of [
      now - 3_600,
      now - 60,
      `${now - 61}.5`,
      iso(now - 3_600),
      '2026-01-31T12:00:00+02:00',
    ])
      expect([signedIn, await ask(started, { signedIn })]).toEqual([signedIn, over])
    for (let again = 0; again < 3; again++) expect(await ask(started, { signedIn: now - 61 })).toEqual(over)
    for (const signedIn of [now - 59, now, iso(now)])
      expect([signedIn, await ask(started, { signedIn })]).toEqual([
        signedIn,
        { status: 200, revocation: null },
      ])
  })

  test('oauth2-proxy’s format of the time is read', async () => {
    await using started = await start()
    await revoke(started, ada, Date.UTC(2026, 2, 1, 9) / 1_000)
    expect(await status(started, { signedIn: '2026-03-01 08:59:59.123456789 +0000 UTC' })).toBe(401)
    expect(await status(started, { signedIn: '2026-03-01 10:30:00 +0200 CEST' })).toBe(401)
    expect(await status(started, { signedIn: '2026-03-01 09:00:01.5 +0000 UTC m=+12.3' })).toBe(200)
  })

  test('an unreadable or future time is refused', async () => {
    await using started = await start()
    await revoke(started)
    for (const signedIn of [
      'yesterday',
      Date.now(),
      '-1',
      '2099-01-01T00:00:00Z',
      '1e9',
      '1000000000, 1000000000',
    ])
      expect([signedIn, await status(started, { signedIn })]).toEqual([signedIn, 400])
    expect(await logEntries(started.hub, 'policy.evaluate_sign_on')).toEqual([])
  })

  test('the answer is 403 when the risk denies as well', async () => {
    await using started = await start()
    await setRisk(started.hub, 'ada@example.com', 'HIGH')
    await revoke(started)
    expect(await ask(started, { signedIn: 1_000_000_000 })).toEqual({ status: 403, revocation: null })
    expect(await ask(started)).toEqual({ status: 403, revocation: null })
  })

  test('headers that no setting names are ignored', async () => {
    await using started = await startHubWithProvider({ hub: { settings: proxied } })
    await revoke(started)
    const forged = { signedIn: Math.floor(Date.now() / 1_000) + 10, session: 'forged' }
    expect(await ask(started, forged)).toEqual({ status: 401, revocation: 'sign_in_again' })
  })
})

describe('with a session id and no time', () => {
  const session = (id: string) => ({ format: 'opaque', id })

  test('a revocation of one session ends that session only', async () => {
    await using started = await start()
    await revoke(started, { format: 'complex', user: ada, session: session('s-1') })
    expect(await ask(started, { session: 's-1' })).toEqual({ status: 401, revocation: 'session_over' })
    expect(await ask(started, { session: 's-2' })).toEqual({ status: 200, revocation: null })
  })

  test('a session seen before the revocation is refused, and the next one of the user is accepted', async () => {
    await using started = await start()
    const again = { status: 401, revocation: 'sign_in_again' }
    for (const id of ['old', 'other']) expect(await status(started, { session: id })).toBe(200)
    await revoke(started)
    for (let times = 0; times < 3; times++) expect(await ask(started, { session: 'old' })).toEqual(again)
    expect(await ask(started, { session: 'new' })).toEqual({ status: 200, revocation: null })
    expect(await ask(started, { session: 'old' })).toEqual(again)
    expect(await ask(started, { session: 'other' })).toEqual(again)
    expect(await status(started, { session: 'old', ip: '198.51.100.9' })).toBe(401)
    expect(await status(started, { session: 'new', ip: '198.51.100.10' })).toBe(200)
    await revoke(started, ada, Date.now() / 1_000 + 1)
    expect(await ask(started, { session: 'new' })).toEqual(again)
    expect(await status(started, { session: 'newer' })).toBe(200)
  })

  test('an unknown session has to sign in again and stays refused when no session had to yet', async () => {
    await using started = await start()
    await revoke(started)
    for (let times = 0; times < 3; times++) expect(await status(started, { session: 'unseen' })).toBe(401)
    expect(await status(started, { session: 'signed in since' })).toBe(200)
    // that user was asked elsewhere vouches for nothing here
    expect(await status(started, { session: 'stolen', ip: '198.51.100.9' })).toBe(401)
    expect(await status(started, { session: 'stolen', ip: '203.0.113.7' })).toBe(401)
    expect(await status(started, { session: 'stolen', ip: '198.51.100.9' })).toBe(401)
  })

  test('a request without session id gains nothing from the sign-in of others', async () => {
    await using started = await start()
    await revoke(started)
    expect(await status(started, { session: 'a' })).toBe(401)
    expect(await status(started, {})).toBe(401)
    expect(await status(started, {})).toBe(200)
  })

  test('sessions of other users are not affected', async () => {
    await using started = await start()
    for (const user of ['ada@example.com', 'bob@example.com']) await ask(started, { user, session: 's' })
    await revoke(started)
    expect(await status(started, { session: 's' })).toBe(401)
    expect(await ask(started, { user: 'bob@example.com', session: 's' })).toEqual({
      status: 200,
      revocation: null,
    })
  })

  test('a session that began while the risk denied the user is not accepted later', async () => {
    await using started = await start()
    await setRisk(started.hub, 'ada@example.com', 'HIGH')
    await revoke(started)
    expect(await status(started, { session: 'old' })).toBe(403)
    await setLevel(started, 'LOW')
    expect(await status(started, { session: 'old' })).toBe(401)
    expect(await status(started, { session: 'new' })).toBe(200)
    expect(await status(started, { session: 'old' })).toBe(401)
  })

  test('two session ids are refused', async () => {
    await using started = await start()
    expect(await status(started, { session: 'forged, real' })).toBe(400)
  })
})

async function setLevel({ hub }: HubWithProvider, riskLevel: string): Promise<void> {
  await hub.api('PUT', '/api/v1/users/ada@example.com/risk', { riskLevel })
}

describe('with only the user', () => {
  test('each address has to sign in once for each revocation', async () => {
    await using started = await startHubWithProvider({ hub: { settings: proxied } })
    expect(await ask(started)).toEqual({ status: 200, revocation: null })
    await revoke(started)
    expect(await ask(started)).toEqual({ status: 401, revocation: 'sign_in_again' })
    for (let again = 0; again < 2; again++)
      expect(await ask(started)).toEqual({ status: 200, revocation: null })
    expect(await status(started, { ip: '198.51.100.9' })).toBe(401)
    expect(await status(started, { ip: '198.51.100.9' })).toBe(200)
    expect(await status(started, { user: 'ADA@Example.com' })).toBe(200)
    expect(await status(started, { user: 'bob@example.com' })).toBe(200)

    await revoke(started, ada, Date.now() / 1_000 + 1)
    expect(await status(started)).toBe(401)
    expect(await status(started)).toBe(200)
  })

  test('an IPv6 address counts by its network', async () => {
    await using started = await start()
    await revoke(started)
    expect(await status(started, { ip: '2001:db8:1:2::1' })).toBe(401)
    expect(await status(started, { ip: '2001:db8:1:2:ffff::2' })).toBe(200)
    expect(await status(started, { ip: '2001:db8:1:3::1' })).toBe(401)
  })

  test('a later revocation counts separately, whatever time it names', async () => {
    await using started = await start()
    await revoke(started)
    expect(await status(started)).toBe(401)
    await revoke(started, { format: 'complex', user: ada }, Date.now() / 1_000 - 600)
    await revoke(started, ada, Date.now() / 1_000 + 2)
    expect(await status(started)).toBe(401)
    expect(await status(started)).toBe(200)
  })

  test('a revocation older than the longest session requires no sign-in', async () => {
    await using started = await start({ forwardAuthSessionDays: '7' })
    await revoke(started, ada, Date.now() / 1_000 - 8 * 86_400)
    expect(await ask(started)).toEqual({ status: 200, revocation: null })
    await revoke(started, ada, Date.now() / 1_000 - 6 * 86_400)
    expect(await status(started)).toBe(401)
  })

  test('only revocations of enforced providers count', async () => {
    await using started = await start()
    const act = (action: string) =>
      started.hub.api('PUT', `/v1/providers/${started.providerId}/action`, { action })
    await act('log_only')
    await revoke(started)
    expect(await ask(started)).toEqual({ status: 200, revocation: null })
    await act('enforce_and_log')
    expect(await status(started)).toBe(401)
    await act('none')
    expect(await status(started)).toBe(200)
    await act('enforce_and_log')
    expect(await status(started)).toBe(200)
  })

  test('the System Log has the evaluation', async () => {
    await using started = await start()
    await revoke(started)
    await ask(started)
    await ask(started)
    const entries = await logEntries(started.hub, 'policy.evaluate_sign_on')
    expect(
      entries.map(({ outcome, debugContext }) => [outcome.result, debugContext.debugData['notes']]),
    ).toEqual([
      ['CHALLENGE', expect.stringContaining('must sign in again')],
      ['ALLOW', expect.stringContaining('was asked to sign in again since')],
    ])
    expect(entries[0]?.outcome.reason).toContain('revoked all sessions of the user')
  })
})

describe('WATCHBELL_FORWARD_AUTH_UNTIMED=ignore', () => {
  test('allows the request and says so in the answer, the log and a warning', async () => {
    await using started = await start({ forwardAuthUntimed: 'ignore' })
    await revoke(started)
    expect(await ask(started)).toEqual({ status: 200, revocation: 'ignored' })
    expect(await ask(started, { session: 's' })).toEqual({ status: 200, revocation: 'ignored' })
    const [entry] = await logEntries(started.hub, 'policy.evaluate_sign_on')
    expect(entry?.outcome.result).toBe('ALLOW')
    expect(entry?.debugContext.debugData['notes']).toContain('that is ignored, as the settings say')
    const signedIn = Math.floor(Date.now() / 1_000) - 60
    expect(await status(started, { signedIn })).toBe(401)
  })
})

describe('marks of sign-ins', () => {
  test('survive a restart', async () => {
    await using folder = await temporaryFolder()
    {
      await using started = await start({}, folder.path)
      await ask(started, { session: 'old' })
      await revoke(started)
      expect(await status(started)).toBe(401)
      expect(await status(started, { session: 'old' })).toBe(401)
    }
    await using started = await start({}, folder.path)
    expect(await status(started)).toBe(200)
    expect(await status(started, { session: 'old' })).toBe(401)
    expect(await status(started, { session: 'new' })).toBe(200)
  })
})

describe('examples/nginx/forward-auth.conf', () => {
  function documented({ hub }: HubWithProvider, app: string, time: string): string {
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
      .replaceAll('X-Watchbell-Signed-In "";', `X-Watchbell-Signed-In ${time};`)
  }

  test.skipIf(!hasNginx).each(['""', '$http_x_test_time'])(
    'a revocation refuses the session, with %s as its time (skipped without nginx)',
    async (time) => {
      await using app = await startLocalServer((_, reply) => void reply.end('hello'))
      await using started = await start()
      await using nginx = await startNginx(documented(started, app.origin, time), await freePort())
      const now = Math.floor(Date.now() / 1_000)
      const as = async (signedIn: number): Promise<number> => {
        const forged = { 'x-watchbell-signed-in': String(now + 60), 'x-watchbell-session': 'forged' }
        const own = { 'x-test-user': 'ada@example.com', 'x-test-time': String(signedIn) }
        return (await fetch(`${nginx.origin}/page`, { headers: { ...own, ...forged } })).status
      }
      expect(await as(now - 60)).toBe(200)
      await revoke(started, ada, now)
      expect(await as(now - 60)).toBe(401)
      expect(await as(now + 1)).toBe(200)
      expect(await as(now - 60)).toBe(time === '""' ? 200 : 401)
    },
  )
})
