import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { logEntries, refusal, registerServiceApp, type TestServiceApp } from './service-app.ts'

const path = '/api/v1/risk/events/ip'
const scope = 'okta.riskEvents.manage'
const event = (ip = '203.0.113.7', over: object = {}): object => ({
  subjects: [{ ip, riskLevel: 'HIGH' }],
  ...over,
})

interface Sender extends TestServiceApp {
  readonly providerId: string
  send(events: unknown): Promise<Response>
}

async function newSender(hub: TestHub, action = 'enforce_and_log'): Promise<Sender> {
  const app = await registerServiceApp(hub, scope)
  const answer = await hub.api('POST', '/api/v1/risk/providers', {
    name: `Partner ${action} ${app.clientId}`,
    clientId: app.clientId,
    action,
  })
  const { id } = (await answer.json()) as { id: string }
  const token = await app.token(scope)
  return {
    ...app,
    providerId: id,
    send: (events) =>
      fetch(hub.origin + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(events),
      }),
  }
}

interface Verdict {
  readonly decision: boolean
  readonly context: {
    readonly outcome: string
    readonly level: string
    readonly reasons: readonly { readonly text: string; readonly expires_at: string | null }[]
    readonly reported: { readonly outcome: string; readonly level: string }
  }
}

async function evaluate(hub: TestHub, ip: string): Promise<Verdict['context']> {
  const answer = await hub.api('POST', '/access/v1/evaluation', {
    subject: { type: 'user', id: 'ada@example.com' },
    action: { name: 'authenticate' },
    resource: { type: 'app', id: 'mail' },
    context: { ip },
  })
  return ((await answer.json()) as Verdict).context
}

const counts = async (hub: TestHub, { providerId }: Sender): Promise<unknown> =>
  (await hub.api('GET', `/v1/risk/providers/${providerId}/counts`)).json()

describe('accepted events', () => {
  test('an event is answered with 202 without a body, is logged, and sets the risk of the address at once (OKTA-V10, OKTA-V11, OKTA-V18, OKTA-L72)', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const answer = await sender.send([
      {
        timestamp: '2026-01-01T00:00:00.001Z',
        subjects: [
          { ip: '::ffff:203.0.113.7', riskLevel: 'HIGH', message: 'Detected brute force' },
          { ip: '2001:DB8::1', riskLevel: 'LOW' },
        ],
      },
      event('198.51.100.1', { timestamp: '2026-01-01T00:00:00Z' }),
    ])
    expect([answer.status, await answer.text()]).toEqual([202, ''])

    const entries = await logEntries(hub, 'security.risk.signal.consume')
    const shared = {
      riskSignalProviderAction: 'ENFORCE_AND_LOG',
      riskSignalProviderId: sender.providerId,
      riskSignalProviderName: `Partner enforce_and_log ${sender.clientId}`,
      requestId: expect.any(String),
    }
    expect(entries.map(({ debugContext }) => debugContext.debugData)).toEqual([
      {
        riskSignalList: '[{ip=203.0.113.7, riskLevel=HIGH}, {ip=2001:db8::1, riskLevel=LOW}]',
        riskSignalSize: '2',
        ...shared,
      },
      { riskSignalList: '[{ip=198.51.100.1, riskLevel=HIGH}]', riskSignalSize: '1', ...shared },
    ])
    expect(entries[0]).toMatchObject({
      actor: { id: sender.clientId, type: 'PublicClientApp' },
      client: { ipAddress: '127.0.0.1' },
      outcome: { result: 'SUCCESS' },
      target: [{ id: sender.providerId, type: 'RiskProvider' }],
    })

    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({
      outcome: 'deny',
      level: 'HIGH',
      reasons: [{ text: expect.stringContaining('Detected brute force') }],
    })
    expect(await evaluate(hub, '2001:db8:0:0::1')).toMatchObject({ outcome: 'allow', level: 'LOW' })
    expect(await evaluate(hub, '203.0.113.8')).toMatchObject({ outcome: 'allow', level: 'NONE', reasons: [] })
    expect(await counts(hub, sender)).toEqual({ taken: 2, ignored: 0 })
  })

  test('20 events of 50 subjects are accepted (OKTA-V12, OKTA-V13)', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const events = Array.from({ length: 20 }, (_, at) => ({
      subjects: Array.from({ length: 50 }, (_, n) => ({ ip: `10.0.${at}.${n}`, riskLevel: 'MEDIUM' })),
    }))
    expect((await sender.send(events)).status).toBe(202)
    expect(await evaluate(hub, '10.0.19.49')).toMatchObject({ level: 'MEDIUM', outcome: 'challenge' })
    expect(await logEntries(hub, 'security.risk.signal.consume')).toHaveLength(20)
  })

  test('an event is valid for 24 hours by default (OKTA-V14)', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const before = Date.now()
    await sender.send([event(), event('198.51.100.1', { expiresAt: '2199-01-01T00:00:00Z' })])
    const expiry = async (ip: string): Promise<number> =>
      Date.parse((await evaluate(hub, ip)).reasons[0]?.expires_at ?? '')
    const day = 24 * 60 * 60_000
    expect(await expiry('203.0.113.7')).toBeGreaterThanOrEqual(before + day)
    expect(await expiry('203.0.113.7')).toBeLessThanOrEqual(Date.now() + day)
    expect(await expiry('198.51.100.1')).toBe(Date.parse('2199-01-01T00:00:00Z'))
  })

  test('a later event replaces that of the same provider, and not that of another provider', async () => {
    await using hub = await startTestHub()
    const [one, other] = [await newSender(hub), await newSender(hub)]
    const ip = '203.0.113.7'
    const say = (sender: Sender, timestamp: string, riskLevel: string, over: object = {}) =>
      sender.send([{ timestamp, subjects: [{ ip, riskLevel }], ...over }])
    await say(one, '2026-01-02T00:00:00Z', 'HIGH')
    await say(one, '2026-01-01T00:00:00Z', 'LOW') // older, and came later
    expect(await evaluate(hub, ip)).toMatchObject({ level: 'HIGH' })
    await say(other, '2026-01-03T00:00:00Z', 'LOW')
    expect(await evaluate(hub, ip)).toMatchObject({ level: 'HIGH' })
    await say(one, '2026-01-03T00:00:00Z', 'MEDIUM')
    expect(await evaluate(hub, ip)).toMatchObject({ level: 'MEDIUM' })
    await say(one, '2026-01-04T00:00:00Z', 'LOW')
    expect(await evaluate(hub, ip)).toMatchObject({ level: 'LOW' })
  })

  test('accepted events survive a restart', async () => {
    await using folder = await temporaryFolder()
    {
      await using hub = await startTestHub({ folder: folder.path })
      expect((await (await newSender(hub)).send([event()])).status).toBe(202)
    }
    await using hub = await startTestHub({ folder: folder.path })
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({ level: 'HIGH' })
    expect(await logEntries(hub, 'security.risk.signal.consume')).toHaveLength(1)
  })
})

describe("the provider's action (OKTA-V18)", () => {
  test('log_only is logged and reported, and decides nothing', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub, 'log_only')
    await sender.send([event()])
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({
      outcome: 'allow',
      level: 'NONE',
      reported: { outcome: 'deny', level: 'HIGH' },
    })
    const [entry] = await logEntries(hub, 'security.risk.signal.consume')
    expect(entry?.debugContext.debugData['riskSignalProviderAction']).toBe('LOG_ONLY')
  })

  test('none keeps nothing but a counter', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub, 'none')
    expect((await sender.send([event(), event('198.51.100.1')])).status).toBe(202)
    expect(await logEntries(hub, 'security.risk.signal.consume')).toEqual([])
    expect(await counts(hub, sender)).toEqual({ taken: 0, ignored: 2 })
    await hub.api('PUT', `/api/v1/risk/providers/${sender.providerId}`, {
      name: 'now enforced',
      clientId: sender.clientId,
      action: 'enforce_and_log',
    })
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({ level: 'NONE', reported: { level: 'NONE' } })
  })

  test('a change of it, or deleting the provider, applies at once to earlier events', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub, 'enforce_and_log')
    await sender.send([event()])
    const provider = `/api/v1/risk/providers/${sender.providerId}`
    const put = (action: string) => hub.api('PUT', provider, { name: 'a', clientId: sender.clientId, action })
    const seen = async () => {
      const { level, reported } = await evaluate(hub, '203.0.113.7')
      return [level, reported.level]
    }
    expect(await seen()).toEqual(['HIGH', 'NONE'])
    await put('log_only')
    expect(await seen()).toEqual(['NONE', 'HIGH'])
    await put('none')
    expect(await seen()).toEqual(['NONE', 'NONE'])
    await put('enforce_and_log')
    expect(await seen()).toEqual(['HIGH', 'NONE'])
    await hub.api('DELETE', provider)
    expect(await seen()).toEqual(['NONE', 'NONE'])
    expect((await sender.send([event()])).status).toBe(403)
  })
})

describe('refusals', () => {
  test('one bad subject refuses the whole request', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const { status, code, causes } = await refusal(
      await sender.send([event(), event('1.2.3'), event('10.0.0.0/8')]),
    )
    expect([status, code]).toEqual([400, 'E0000001'])
    expect(causes.map((cause) => cause.split(': ')[0])).toEqual(['[1].subjects[0].ip', '[2].subjects[0].ip'])
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({ level: 'NONE' })
    expect(await logEntries(hub, 'security.risk.signal.consume')).toEqual([])
    expect(await counts(hub, sender)).toEqual({ taken: 0, ignored: 0 })
  })

  test.each([
    ['before now', { expiresAt: '2026-01-04T00:00:01Z' }, /^\[1\]\.expiresAt: .*before now, 20/],
    [
      'before its timestamp',
      { timestamp: '2198-01-02T00:00:00Z', expiresAt: '2198-01-01T00:00:00Z' },
      /^\[1\]\.expiresAt: .*before the timestamp, 2198-01-02T00:00:00.000Z/,
    ],
  ])('an expiry %s is refused by its name, and the whole request with it', async (_, over, message) => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const answer = await sender.send([event(), event('198.51.100.1', over)])
    const { errorCauses } = (await answer.clone().json()) as {
      readonly errorCauses: readonly { readonly errorSummary: string }[]
    }
    expect(await refusal(answer)).toMatchObject({ status: 400, code: 'E0000001' })
    expect(errorCauses.map(({ errorSummary }) => errorSummary)).toEqual([expect.stringMatching(message)])
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({ level: 'NONE' })
  })

  test('bad shapes and exceeded limits are refused (OKTA-V12, OKTA-V13, OKTA-V15)', async () => {
    await using hub = await startTestHub()
    const sender = await newSender(hub)
    const bodies: unknown[] = [
      [],
      {},
      null,
      'x',
      event(),
      Array.from({ length: 21 }, () => event()),
      [{ subjects: Array.from({ length: 51 }, () => ({ ip: '1.2.3.4', riskLevel: 'LOW' })) }],
      [{ subjects: [{ ip: '1.2.3.4', riskLevel: 'NONE' }] }],
      [{ subjects: [{ ip: '1.2.3.4', riskLevel: 'LOW', message: 'a, b' }] }],
      [event('1.2.3.4', { timestamp: '2026-02-30T00:00:00Z' })],
      [event('1.2.3.4', { expiresAt: 'tomorrow' })],
    ]
    for (const body of bodies) {
      expect(await refusal(await sender.send(body))).toMatchObject({ status: 400, code: 'E0000001' })
    }
    expect(await logEntries(hub, 'security.risk.signal.consume')).toEqual([])
  })

  test('an API token, and a service app without a risk provider, are refused (OKTA-V10, OKTA-V16, OKTA-V19)', async () => {
    await using hub = await startTestHub()
    const other = await registerServiceApp(hub, scope)
    await newSender(hub)
    for (const answer of [
      await hub.api('POST', path, [event()]),
      await other.call(scope, 'POST', path, [event()]),
    ]) {
      expect(await refusal(answer)).toMatchObject({ status: 403, code: 'E0000006' })
    }
    expect(await evaluate(hub, '203.0.113.7')).toMatchObject({ level: 'NONE' })
  })

  test('missing, wrong and insufficient credentials are refused (OKTA-X10, OKTA-X11, OKTA-X13)', async () => {
    await using hub = await startTestHub()
    const post = (headers: Record<string, string>) => fetch(hub.origin + path, { method: 'POST', headers })
    expect(await refusal(await post({}))).toMatchObject({ status: 403, code: 'E0000005' })
    expect(await refusal(await post({ authorization: 'SSWS no' }))).toMatchObject({
      status: 401,
      code: 'E0000011',
    })
    const app = await registerServiceApp(hub, `${scope} okta.logs.read`)
    const answer = await app.call('okta.logs.read', 'POST', path, [event()])
    expect([answer.status, await answer.text()]).toEqual([403, ''])
  })

  test('the setting limits the requests of each provider separately from the rest of the API (OKTA-V17, OKTA-Q1 to OKTA-Q3)', async () => {
    await using hub = await startTestHub({
      settings: { riskEventRequestsPerMinute: '2', apiRequestsPerMinute: '600' },
    })
    const [one, other] = [await newSender(hub), await newSender(hub)]
    const remaining = async (answer: Promise<Response>) => {
      const { status, headers } = await answer
      return [status, headers.get('x-rate-limit-limit'), headers.get('x-rate-limit-remaining')]
    }
    expect(await remaining(one.send([event()]))).toEqual([202, '2', '1'])
    expect(await remaining(one.send([event('nonsense')]))).toEqual([400, '2', '0'])
    const limited = await one.send([event()])
    expect(Number(limited.headers.get('x-rate-limit-reset'))).toBeGreaterThan(Date.now() / 1_000 - 1)
    expect(limited.headers.get('date')).not.toBeNull()
    expect(await refusal(limited)).toMatchObject({ status: 429, code: 'E0000047' })
    expect(await remaining(other.send([event()]))).toEqual([202, '2', '1'])
    expect((await hub.api('GET', '/api/v1/logs')).headers.get('x-rate-limit-limit')).toBe('600')
  })
})
