import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../temporary-folder.ts'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { logEntries, registerServiceApp } from './service-app.ts'
import { setRisk } from './user-risk.ts'
import { ada, startHubWithProvider } from './with-provider.ts'

const path = '/access/v1/evaluation'
const batchPath = '/access/v1/evaluations'
const request = {
  subject: { type: 'user', id: 'ada@example.com' },
  action: { name: 'authenticate' },
  resource: { type: 'app', id: 'mail' },
}

interface Decision {
  readonly decision: boolean
  readonly context: Readonly<Record<string, unknown>>
}

async function ask(hub: TestHub, context: object = {}, over: object = {}): Promise<Decision> {
  const answer = await hub.api('POST', path, { ...request, context, ...over })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Decision
}

async function askAll(hub: TestHub, body: object): Promise<readonly Decision[]> {
  const answer = await hub.api('POST', batchPath, body)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { evaluations: readonly Decision[] }).evaluations
}

describe('one evaluation (Authorization API 1.0 §6)', () => {
  test.each([
    ['LOW', true, 'allow'],
    ['MEDIUM', false, 'challenge'],
    ['HIGH', false, 'deny'],
  ])('%s: decision %s, outcome %s, with readable reasons', async (level, decision, outcome) => {
    await using hub = await startTestHub()
    await setRisk(hub, 'ada@example.com', level)
    expect(await ask(hub)).toEqual({
      decision,
      context: {
        outcome,
        level,
        reasons: [
          {
            text: expect.stringMatching(new RegExp(`^An administrator says ${level} of the user: `)),
            about: 'user',
            level,
            source: { kind: 'admin', id: 'admin', name: 'An administrator' },
            occurred_at: expect.any(String),
            expires_at: null,
          },
        ],
        reported: { outcome: 'allow', level: 'NONE', reasons: [] },
        user: expect.stringMatching(/^00u/),
      },
    })
  })

  test('an unknown user is allowed, and the answer says that the user is unknown', async () => {
    await using hub = await startTestHub()
    expect(await ask(hub)).toEqual({
      decision: true,
      context: {
        outcome: 'allow',
        level: 'NONE',
        reasons: [],
        reported: { outcome: 'allow', level: 'NONE', reasons: [] },
        notes: ['Nothing is known of this user.'],
      },
    })
  })

  test('the user is found by email address in any case, by sign-in name and by entity id', async () => {
    await using hub = await startTestHub()
    await setRisk(hub, 'ada@example.com', 'HIGH')
    const { user } = (await ask(hub)).context
    for (const id of ['ADA@Example.COM', String(user)]) {
      expect(await ask(hub, {}, { subject: { type: 'user', id } })).toMatchObject({
        decision: false,
        context: { user },
      })
    }
    expect(await ask(hub, {}, { subject: { type: 'user', id: 'bob@example.com' } })).toMatchObject({
      decision: true,
    })
  })

  test('a handled signal counts according to the action of its provider', async () => {
    await using started = await startHubWithProvider()
    const { hub, sign, providerId: id } = started
    await hub.push(sign({ type: 'okta/user-risk-change', subject: ada, claims: { current_level: 'high' } }))
    await hub.handleAll()
    expect(await ask(hub)).toMatchObject({ decision: false, context: { outcome: 'deny', level: 'HIGH' } })
    const act = (action: string) => hub.api('PUT', `/v1/providers/${id}/action`, { action })
    await act('log_only')
    expect(await ask(hub)).toMatchObject({
      decision: true,
      context: { level: 'NONE', reported: { outcome: 'deny', level: 'HIGH', reasons: [{ about: 'user' }] } },
    })
    await act('none')
    expect(await ask(hub)).toMatchObject({ decision: true, context: { reported: { level: 'NONE' } } })
    await act('enforce_and_log')
    expect(await ask(hub)).toMatchObject({ decision: false })
    await hub.api('DELETE', `/api/v1/security-events-providers/${id}`)
    expect(await ask(hub)).toMatchObject({ decision: true, context: { reported: { level: 'NONE' } } })
  })

  test('a revocation ends sessions that were issued before it, and no later ones', async () => {
    await using started = await startHubWithProvider()
    const { hub, sign } = started
    const revokedAt = Math.floor(Date.now() / 1_000) - 60
    const claims = { event_timestamp: revokedAt }
    await hub.push(sign({ type: 'caep/session-revoked', subject: ada, claims }))
    await hub.handleAll()
    const iso = (seconds: number): string => new Date(seconds * 1_000).toISOString()
    for (const issued_at of [iso(revokedAt - 1), revokedAt - 1, revokedAt, '2001-01-01T00:00:00+02:00']) {
      const answer = await ask(hub, { issued_at })
      expect(answer).toMatchObject({ decision: false, context: { outcome: 'deny' } })
    }
    for (const issued_at of [iso(revokedAt + 1), revokedAt + 1]) {
      expect((await ask(hub, { issued_at })).context['outcome']).not.toBe('deny')
    }
  })

  test('address and device are read from the subject as well (§5.1.1)', async () => {
    await using hub = await startTestHub()
    const properties = { ip_address: '203.0.113.7', device_id: 'laptop' }
    const subject = { ...request.subject, properties }
    expect((await ask(hub, {}, { subject })).decision).toBe(true)
    const [entry] = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entry).toMatchObject({
      client: { ipAddress: '203.0.113.7' },
      debugContext: { debugData: { deviceId: 'laptop' } },
    })
  })

  test('another outcome for each level, by a setting', async () => {
    await using hub = await startTestHub({
      settings: { riskOutcomes: 'LOW=challenge,MEDIUM=challenge,HIGH=challenge' },
    })
    await setRisk(hub, 'ada@example.com', 'HIGH')
    expect(await ask(hub)).toMatchObject({
      decision: false,
      context: { outcome: 'challenge', level: 'HIGH' },
    })
  })

  test('actions and resources have the outcomes of the table in the docs', async () => {
    await using folder = await temporaryFolder()
    const page = readFileSync(new URL('../../../../docs/access-evaluation.md', import.meta.url), 'utf8')
    const [, table = ''] = /### Outcomes by action and resource[^]*?```json\n([^]*?)```/.exec(page) ?? []
    const file = join(folder.path, 'outcomes.json')
    await writeFile(file, table)
    await using hub = await startTestHub({ settings: { outcomeTable: file } })
    await setRisk(hub, 'ada@example.com', 'MEDIUM')
    const outcome = async (over: object): Promise<unknown> => (await ask(hub, {}, over)).context['outcome']
    const bank = { type: 'app', id: 'bank' }
    expect(await outcome({})).toBe('challenge')
    expect(await outcome({ action: { name: 'transfer' }, resource: bank })).toBe('deny')
    expect(await outcome({ action: { name: 'look' }, resource: bank })).toBe('challenge')
    expect(await outcome({ action: { name: 'read' }, resource: bank })).toBe('allow')
    expect(await outcome({ resource: { type: 'http', id: 'PAYROLL.example:443' } })).toBe('deny')
  })

  test('any action, any resource and unknown members are accepted', async () => {
    await using hub = await startTestHub()
    const over = {
      action: { name: 'can_read', properties: { a: 1 } },
      resource: { type: 'x', id: 'y', z: 1 },
      more: [],
    }
    expect((await ask(hub, { time: 'now' }, over)).decision).toBe(true)
    expect((await hub.api('POST', path, request)).status).toBe(200) // without a context
  })
})

describe('the System Log', () => {
  test('has each evaluation with its outcome and risk before the answer', async () => {
    await using hub = await startTestHub()
    for (const [user, level] of [
      ['low', 'LOW'],
      ['medium', 'MEDIUM'],
      ['high', 'HIGH'],
    ] as const) {
      await setRisk(hub, `${user}@example.com`, level)
      await ask(
        hub,
        { ip: '203.0.113.7', session: 's1', user_agent: 'Browser' },
        { subject: { type: 'user', id: `${user}@example.com` } },
      )
    }
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ outcome }) => outcome.result)).toEqual(['ALLOW', 'CHALLENGE', 'DENY'])
    expect(entries[2]).toMatchObject({
      actor: { id: expect.stringMatching(/^00u/), type: 'User', alternateId: 'high@example.com' },
      client: { ipAddress: '203.0.113.7', userAgent: { rawUserAgent: 'Browser' } },
      outcome: { reason: expect.stringContaining('An administrator says HIGH') },
      target: [{ id: 'mail', type: 'app' }],
      debugContext: {
        debugData: {
          action: 'authenticate',
          sessionId: 's1',
          risk: expect.stringMatching(/^\{level=HIGH, reasons=.+\}$/),
        },
      },
    })
    const filter = encodeURIComponent(
      'eventType eq "policy.evaluate_sign_on" and debugContext.debugData.risk co "level=HIGH"',
    )
    expect(await (await hub.api('GET', `/api/v1/logs?filter=${filter}`)).json()).toHaveLength(1)
  })

  test('does not take names from senders as members of the logged risk', async () => {
    await using started = await startHubWithProvider()
    const { hub, sign, providerId: id } = started
    const claims = { current_level: 'low', reason_admin: { en: 'fine}, {level=HIGH, reasons=none' } }
    await hub.push(sign({ type: 'okta/user-risk-change', subject: ada, claims }))
    await hub.handleAll()
    await ask(hub)
    await hub.api('PUT', `/v1/providers/${id}/action`, { action: 'log_only' })
    await ask(hub)
    const risks = (await logEntries(hub, 'policy.evaluate_sign_on')).flatMap(({ debugContext }) => {
      const { risk, reportedRisk } = debugContext.debugData
      return [risk, reportedRisk]
    })
    const low = expect.stringMatching(/^\{level=LOW, reasons=[^{}=,]*fine[^{}=,]*\}$/)
    expect(risks).toEqual([low, undefined, '{level=NONE}', low])
  })

  test('has only evaluations that do not allow when the setting says so', async () => {
    await using hub = await startTestHub({ settings: { logEvaluations: 'non_allow' } })
    await ask(hub)
    await setRisk(hub, 'ada@example.com', 'MEDIUM')
    await ask(hub)
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ outcome }) => outcome.result)).toEqual(['CHALLENGE'])
  })

  test('has one entry for each of many concurrent evaluations', async () => {
    await using hub = await startTestHub()
    const users = Array.from({ length: 200 }, (_, n) => `user${n}@example.com`)
    await Promise.all(users.map((id) => ask(hub, {}, { subject: { type: 'user', id } })))
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    expect(entries.map(({ actor }) => actor.alternateId).toSorted()).toEqual(users.toSorted())
  })
})

describe('malformed requests are 400 with a string that says what is wrong (§10.1.7)', () => {
  const { subject, action, resource } = request
  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /body/],
    ['null', null, /body/],
    ['an array', [request], /body/],
    ['a string', 'x', /body/],
    ['no subject', { action, resource }, /subject/],
    ['a subject that is a string', { ...request, subject: 'ada' }, /subject/],
    ['a subject of another type', { ...request, subject: { type: 'robot', id: 'x' } }, /subject\.type/],
    ['a subject without a type', { ...request, subject: { id: 'x' } }, /subject\.type/],
    ['a subject without an id', { ...request, subject: { type: 'user' } }, /subject\.id/],
    ['an empty id', { ...request, subject: { type: 'user', id: '' } }, /subject\.id/],
    ['an id that is a number', { ...request, subject: { type: 'user', id: 7 } }, /subject\.id/],
    [
      'an id of 1,001 characters',
      { ...request, subject: { type: 'user', id: 'x'.repeat(1_001) } },
      /subject\.id/,
    ],
    ['properties that are a list', { ...request, subject: { ...subject, properties: [] } }, /properties/],
    ['no action', { subject, resource }, /action/],
    ['an action without a name', { ...request, action: {} }, /action\.name/],
    ['an action that is a string', { ...request, action: 'read' }, /action/],
    ['no resource', { subject, action }, /resource/],
    ['a resource without an id', { ...request, resource: { type: 'app' } }, /resource\.id/],
    ['a resource without a type', { ...request, resource: { id: 'app' } }, /resource\.type/],
    ['a context that is a list', { ...request, context: [] }, /context/],
    ['a context that is a string', { ...request, context: 'x' }, /context/],
    ...['1.2.3', '010.0.0.1', 'fe80::1%eth0', '1.2.3.4:80', '10.0.0.0/8', '', 7].map(
      (ip) => [`the address ${ip}`, { ...request, context: { ip } }, /context\.ip/] as const,
    ),
    ['a device that is an object', { ...request, context: { device: {} } }, /context\.device/],
    ['an empty session', { ...request, context: { session: '' } }, /context\.session/],
    ['a user agent that is a number', { ...request, context: { user_agent: 1 } }, /user_agent/],
    ...[
      'yesterday',
      '2026-02-30T00:00:00Z',
      '',
      -1,
      1e300,
      true,
      {},
      [],
      Date.now(),
      '2099-01-01T00:00:00Z',
    ].map(
      (issued_at) =>
        [
          `issued at ${JSON.stringify(issued_at)}`,
          { ...request, context: { issued_at } },
          /issued_at/,
        ] as const,
    ),
  ]

  test('none of them is logged', async () => {
    await using hub = await startTestHub()
    for (const [what, body, message] of bad) {
      for (const url of body === undefined ? [path] : [path, batchPath]) {
        const answer = await hub.api('POST', url, body)
        expect([what, answer.status]).toEqual([what, 400])
        expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
        expect([what, await answer.json()]).toEqual([what, expect.stringMatching(message)])
      }
    }
    expect(await logEntries(hub, 'policy.evaluate_sign_on')).toEqual([])
  })

  test.each([
    ['application/json', '{"subject":', 400],
    ['application/json', '{"subject":{},"subject":{}}', 400],
    ['text/plain', JSON.stringify(request), 400],
    ['application/json', `{"a":"${'x'.repeat(1_100_000)}"}`, 413],
  ])('%s %#', async (type, body, status) => {
    await using hub = await startTestHub()
    const answer = await fetch(hub.origin + path, {
      method: 'POST',
      headers: { authorization: `SSWS ${hub.adminToken}`, 'content-type': type },
      body,
    })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toEqual(expect.any(String))
  })
})

describe('several evaluations (§7)', () => {
  const users = (...ids: readonly string[]) =>
    ids.map((id) => ({ subject: { type: 'user', id: `${id}@example.com` } }))
  const { action, resource } = request
  const defaults = { action, resource }

  async function withLevels(): Promise<TestHub> {
    const hub = await startTestHub()
    await setRisk(hub, 'high@example.com', 'HIGH')
    await setRisk(hub, 'medium@example.com', 'MEDIUM')
    return hub
  }

  test('a request without evaluations, or with an empty list, is one evaluation (§7.1)', async () => {
    await using hub = await withLevels()
    for (const over of [{}, { evaluations: [] }]) {
      const answer = await hub.api('POST', batchPath, { ...request, ...over })
      expect(await answer.json()).toMatchObject({ decision: true, context: { outcome: 'allow' } })
    }
  })

  test.each([
    [undefined, [true, false, true, false]],
    ['execute_all', [true, false, true, false]],
    ['deny_on_first_deny', [true, false]],
    ['permit_on_first_permit', [true]],
  ])('%s answers in order and stops where it says (§7.1.2.1)', async (evaluations_semantic, decisions) => {
    await using hub = await withLevels()
    const evaluations = users('low', 'high', 'none', 'medium')
    const options = evaluations_semantic === undefined ? {} : { options: { evaluations_semantic } }
    const made = await askAll(hub, { ...defaults, evaluations, ...options })
    expect(made.map(({ decision }) => decision)).toEqual(decisions)
    expect(await logEntries(hub, 'policy.evaluate_sign_on')).toHaveLength(decisions.length)
  })

  test('permit_on_first_permit continues after a deny and after a challenge', async () => {
    await using hub = await withLevels()
    const options = { evaluations_semantic: 'permit_on_first_permit' }
    const made = await askAll(hub, { ...defaults, options, evaluations: users('high', 'medium', 'a', 'b') })
    expect(made.map(({ decision }) => decision)).toEqual([false, false, true])
  })

  test('members of the request are defaults that a member of an evaluation replaces whole (§7.1.1)', async () => {
    await using hub = await withLevels()
    const made = await askAll(hub, {
      ...defaults,
      subject: { type: 'user', id: 'high@example.com' },
      context: { ip: '203.0.113.7', session: 'default' },
      evaluations: [{}, { context: { session: 'own' } }, ...users('a')],
    })
    expect(made.map(({ decision }) => decision)).toEqual([false, false, true])
    const entries = await logEntries(hub, 'policy.evaluate_sign_on')
    const asked = entries.map(({ client, debugContext }) => [
      client?.ipAddress ?? null,
      debugContext.debugData['sessionId'],
    ])
    expect(asked).toHaveLength(3)
    expect(asked).toEqual(
      expect.arrayContaining([
        [null, 'own'],
        ['203.0.113.7', 'default'],
      ]),
    )
  })

  test('an invalid evaluation has its error in its place, permits nothing and does not affect the others (§7.2.1)', async () => {
    await using hub = await withLevels()
    const made = await askAll(hub, {
      ...defaults,
      evaluations: [...users('a'), {}, null, { ...users('b')[0], context: { ip: 'x' } }, ...users('c')],
    })
    expect(made.map(({ decision }) => decision)).toEqual([true, false, false, false, true])
    for (const { context } of made.slice(1, 4)) {
      expect(context).toEqual({ error: { status: 400, message: expect.any(String) } })
    }
    const first = { ...defaults, options: { evaluations_semantic: 'deny_on_first_deny' } }
    expect(await askAll(hub, { ...first, evaluations: [{}, ...users('a')] })).toHaveLength(1)
  })

  test('an invalid request is 400', async () => {
    await using hub = await withLevels()
    const bodies = [
      { evaluations: {} },
      { evaluations: 'x' },
      { evaluations: users('a'), options: { evaluations_semantic: 'all' } },
      { evaluations: users('a'), options: { evaluations_semantic: 1 } },
      { evaluations: users('a'), options: 'execute_all' },
      { evaluations: Array.from({ length: 101 }, () => ({})) },
    ]
    for (const body of bodies) {
      const answer = await hub.api('POST', batchPath, { ...request, ...body })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toEqual(expect.any(String))
    }
    expect(
      await askAll(hub, { ...request, evaluations: Array.from({ length: 100 }, () => ({})) }),
    ).toHaveLength(100)
  })
})

describe('metadata, credentials and limits', () => {
  const post = (hub: TestHub, headers: Record<string, string>, body: unknown = request) =>
    fetch(hub.origin + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })

  test('the metadata is public and names the endpoints (§9)', async () => {
    await using hub = await startTestHub()
    const answer = await fetch(`${hub.origin}/.well-known/authzen-configuration`)
    expect(await answer.json()).toEqual({
      policy_decision_point: hub.origin,
      access_evaluation_endpoint: `${hub.origin}/access/v1/evaluation`,
      access_evaluations_endpoint: `${hub.origin}/access/v1/evaluations`,
    })
  })

  test('X-Request-ID is returned, with refusals as well (§10.1.9)', async () => {
    await using hub = await startTestHub()
    const authorization = `SSWS ${hub.adminToken}`
    const id = { 'x-request-id': 'bfe9 "any/thing"' }
    for (const [headers, body, status] of [
      [{ authorization, ...id }, request, 200],
      [{ authorization, ...id }, {}, 400],
      [id, request, 401],
    ] as const) {
      const answer = await post(hub, headers, body)
      expect([answer.status, answer.headers.get('x-request-id')]).toEqual([status, id['x-request-id']])
    }
    expect((await post(hub, { authorization })).headers.get('x-request-id')).toBeNull()
  })

  test('missing and wrong credentials are 401, a missing scope is 403, all with a string as body', async () => {
    await using hub = await startTestHub()
    const app = await registerServiceApp(hub, 'watchbell.access.evaluate okta.logs.read')
    expect((await app.call('watchbell.access.evaluate', 'POST', path, request)).status).toBe(200)
    const none = await post(hub, {})
    expect(none.headers.get('www-authenticate')).toMatch(/^Bearer /)
    const answers = [
      none,
      await post(hub, { authorization: 'SSWS wrong' }),
      await post(hub, { authorization: 'Bearer wrong' }),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(401)
      expect(await answer.json()).toEqual(expect.any(String))
    }
    const other = await app.call('okta.logs.read', 'POST', path, request)
    expect(other.status).toBe(403)
    expect(other.headers.get('www-authenticate')).toContain('insufficient_scope')
    expect(await other.json()).toEqual(expect.any(String))
  })

  test('a revoked token is refused at once', async () => {
    await using hub = await startTestHub()
    const { token, secret } = await hub.hub.apiTokens.create({ name: 'pep', role: 'read_only' })
    const authorization = `SSWS ${secret}`
    expect((await post(hub, { authorization })).status).toBe(200)
    await hub.hub.apiTokens.revoke(token.id)
    expect((await post(hub, { authorization })).status).toBe(401)
  })

  test('valid credentials are not rate limited, and bad ones are limited by address', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '2' } })
    const authorization = `SSWS ${hub.adminToken}`
    for (let n = 0; n < 5; n++) expect((await post(hub, { authorization })).status).toBe(200)
    const statuses: number[] = []
    for (let n = 0; n < 4; n++) statuses.push((await post(hub, { authorization: 'SSWS wrong' })).status)
    expect(statuses).toEqual([401, 401, 429, 429])
    const { headers } = await post(hub, { authorization: 'SSWS wrong' })
    expect(headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|6[01])$/)
    expect((await post(hub, { authorization })).status).toBe(200)
  })

  test('each evaluation of a read_only token counts as a request, before any is answered', async () => {
    await using hub = await startTestHub({ settings: { apiRequestsPerMinute: '4' } })
    const { secret } = await hub.hub.apiTokens.create({ name: 'dashboard', role: 'read_only' })
    const headers = { authorization: `SSWS ${secret}`, 'content-type': 'application/json' }
    const askMany = async (count: number): Promise<Response> =>
      fetch(hub.origin + batchPath, {
        method: 'POST',
        headers,
        body: JSON.stringify({ ...request, evaluations: Array.from({ length: count }, () => ({})) }),
      })
    const one = await post(hub, { authorization: headers.authorization })
    expect([one.status, one.headers.get('x-rate-limit-remaining')]).toEqual([200, '3'])
    expect((await askMany(2)).status).toBe(200)
    const refused = await askMany(2)
    expect([refused.status, await refused.json()]).toEqual([429, expect.any(String)])
    expect(refused.headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|6[01])$/)
    expect((await post(hub, { authorization: headers.authorization })).status).toBe(429)
    expect((await fetch(`${hub.origin}/v1/signals`, { headers })).status).toBe(429)
    const app = await registerServiceApp(hub, 'watchbell.access.evaluate')
    const bearer = { authorization: `Bearer ${await app.token('watchbell.access.evaluate')}` }
    for (let n = 0; n < 6; n++) expect((await post(hub, bearer)).status).toBe(200)
    expect(await logEntries(hub, 'policy.evaluate_sign_on')).toHaveLength(3 + 6)
  })

  test('other methods are 405', async () => {
    await using hub = await startTestHub()
    for (const url of [path, batchPath]) expect((await hub.api('GET', url)).status).toBe(405)
  })
})
