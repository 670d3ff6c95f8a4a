import { describe, expect, test } from 'vitest'
import type { RiskAction } from '../../src/risk/risk-action.ts'
import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'

// The attacks of docs/trust.md, cell by cell: a source with a valid key against what another said.

const email = (address: string) => ({ format: 'email', email: address })
const phone = (number: string) => ({ format: 'phone_number', phone_number: number })
const aliases = (...identifiers: readonly object[]) => ({ format: 'aliases', identifiers })
const ada = email('ada@example.com')
const high = { current_level: 'high' }
const none = { current_level: 'none' }
const secondsAgo = (seconds: number): { readonly event_timestamp: number } => ({
  event_timestamp: Math.floor(Date.now() / 1_000) - seconds,
})

interface Source {
  readonly id: string
  readonly issuer: string
  sub(id: string): object
  /** Pushes one event, and waits until it was handled. */
  say(type: string, subject: object, claims?: object): Promise<void>
  /** Pushes many, and handles them together. */
  sayAll(words: readonly (readonly [type: string, subject: object, claims?: object])[]): Promise<void>
  act(action: RiskAction): Promise<void>
  trust(body: object): Promise<void>
  leave(): Promise<void>
}

interface Answered {
  readonly decision: boolean
  readonly context: {
    readonly outcome: string
    readonly level: string
    readonly reasons: readonly { readonly text: string; readonly source: { readonly id: string } }[]
    readonly reasons_total?: number
    readonly reported: { readonly level: string }
    readonly notes?: readonly string[]
    readonly user?: string
  }
}

interface Site extends AsyncDisposable {
  readonly hub: TestHub
  source(action?: RiskAction): Promise<Source>
  ask(user: string, context?: object, properties?: object): Promise<Answered>
}

async function startSite(options: TestHubOptions = {}): Promise<Site> {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub(options))
  let made = 0
  return {
    hub,
    async source(action) {
      const transmitter = opened.use(await startTransmitter({ alg: 'ES256' }))
      const { issuer, jwksUrl } = transmitter
      const created = await hub.api('POST', '/api/v1/security-events-providers', {
        name: `source ${++made}`,
        type: 'test',
        settings: { issuer, jwks_url: jwksUrl },
      })
      const { id } = (await created.json()) as { id: string }
      const put = async (what: string, body: object): Promise<void> => {
        expect((await hub.api('PUT', `/v1/providers/${id}/${what}`, body)).status).toBe(200)
      }
      const source: Source = {
        id,
        issuer,
        sub: (sub) => ({ format: 'iss_sub', iss: issuer, sub }),
        say: (type, subject, claims = {}) => source.sayAll([[type, subject, claims]]),
        async sayAll(words) {
          for (const [type, subject, claims = {}] of words) {
            const set = transmitter.sign({ type, aud: hub.origin, subject, claims })
            expect((await hub.push(set)).status).toBe(202)
          }
          await hub.handleAll()
        },
        act: (action) => put('action', { action }),
        trust: (body) => put('trust', body),
        async leave() {
          expect((await hub.api('DELETE', `/api/v1/security-events-providers/${id}`)).status).toBe(204)
        },
      }
      if (action !== undefined) await source.act(action)
      return source
    },
    async ask(user, context = {}, properties = {}) {
      const answer = await hub.api('POST', '/access/v1/evaluation', {
        subject: { type: 'user', id: user, properties },
        action: { name: 'sign_in' },
        resource: { type: 'app', id: 'mail' },
        context,
      })
      expect(answer.status).toBe(200)
      return (await answer.json()) as Answered
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const hourAgo = (): string => new Date(Date.now() - 3_600_000).toISOString()
const emptied: readonly (RiskAction | 'gone')[] = ['none', 'log_only', 'gone']

describe('revocations stay within the limits per source', () => {
  test.each([...emptied, 'enforce_and_log' as const])(
    'many revocations of a source with the action %s displace none of another source',
    async (action) => {
      await using site = await startSite()
      const idp = await site.source()
      const evil = await site.source(action === 'gone' ? 'enforce_and_log' : action)
      await idp.say('session-revoked', ada, secondsAgo(60))
      // Later ones, of the user and of the same bare id under made-up issuers, and each with a session of its own.
      await evil.sayAll([
        ...Array.from(
          { length: 25 },
          (_, at) =>
            [
              'session-revoked',
              { format: 'iss_sub', iss: `https://made-up-${at}.example`, sub: 'ada@example.com' },
            ] as const,
        ),
        ...Array.from(
          { length: 25 },
          (_, at) =>
            [
              'session-revoked',
              { format: 'complex', user: ada, session: { format: 'opaque', id: `s${at}` } },
            ] as const,
        ),
        ['session-revoked', ada],
      ])
      if (action === 'gone') await evil.leave()
      const { decision, context } = await site.ask('ada@example.com', { issued_at: hourAgo() })
      expect(decision).toBe(false)
      expect(context.reasons.some(({ source }) => source.id === idp.id)).toBe(true)
    },
  )

  test('the same holds for sessions and devices', async () => {
    await using site = await startSite()
    const idp = await site.source()
    const evil = await site.source('log_only')
    const device = { format: 'opaque', id: 'laptop' }
    await idp.say('session-revoked', { format: 'complex', user: ada, device }, secondsAgo(60))
    await evil.sayAll(
      Array.from({ length: 40 }, (_, at) => [
        'session-revoked',
        {
          format: 'complex',
          user: ada,
          device: { format: 'iss_sub', iss: `https://x${at}.example`, sub: 'laptop' },
        },
      ]),
    )
    const asked = { issued_at: hourAgo(), device: 'laptop' }
    expect((await site.ask('ada@example.com', asked)).decision).toBe(false)
    expect((await site.ask('ada@example.com', { ...asked, device: 'phone' })).decision).toBe(true)
  })
})

describe('bare ids', () => {
  test.each(['none', 'log_only', 'enforce_and_log'] as const)(
    'invented ids of a source with the action %s hide no user, at sign-in and for administrators',
    async (action) => {
      await using site = await startSite()
      const evil = await site.source(action)
      const idp = await site.source()
      await evil.sayAll(
        Array.from({ length: 25 }, (_, at) => [
          'user-risk-change',
          { format: 'iss_sub', iss: `https://made-up-${at}.example`, sub: 'u-42' },
          none,
        ]),
      )
      await evil.say('user-risk-change', { format: 'uri', uri: 'u-42' }, none)
      await idp.say('user-risk-change', idp.sub('u-42'), high)
      expect((await site.ask('u-42')).decision).toBe(false)
      const shown = await site.hub.api('GET', '/api/v1/users/u-42/risk')
      expect(await shown.json()).toMatchObject({ riskLevel: 'HIGH' })
      const put = await site.hub.api('PUT', '/api/v1/users/u-42/risk', { riskLevel: 'LOW' })
      expect(put.status).toBe(201)
      expect((await site.ask('u-42')).context.level).toBe('LOW')
    },
  )

  test('only statements of the issuer itself make its ids findable', async () => {
    await using site = await startSite()
    const idp = await site.source()
    const other = await site.source()
    await other.say('user-risk-change', idp.sub('u-7'), high)
    expect((await site.ask('u-7')).context).toMatchObject({ level: 'NONE', notes: [expect.any(String)] })
    expect((await site.hub.api('GET', '/api/v1/users/u-7/risk')).status).toBe(404)
    // With the issuer named, everything that was said of it is found.
    expect((await site.ask('u-7', {}, { iss: idp.issuer })).context.level).toBe('HIGH')
    await idp.say('user-risk-change', idp.sub('u-7'), none)
    expect((await site.ask('u-7')).context.level).toBe('HIGH')
    await idp.act('none')
    expect((await site.ask('u-7')).context.level).toBe('NONE')
  })

  test('a former issuer of a provider makes no ids findable', async () => {
    await using site = await startSite()
    const idp = await site.source()
    await idp.say('user-risk-change', idp.sub('u-7'), high)
    expect((await site.ask('u-7')).decision).toBe(false)
    const path = `/api/v1/security-events-providers/${idp.id}`
    const { settings, ...rest } = (await (await site.hub.api('GET', path)).json()) as {
      name: string
      type: string
      settings: { jwks_url: string }
    }
    const { name, type } = rest
    const elsewhere = { issuer: 'https://elsewhere.example', jwks_url: settings.jwks_url }
    expect((await site.hub.api('PUT', path, { name, type, settings: elsewhere })).status).toBe(200)
    expect((await site.ask('u-7')).decision).toBe(true)
    expect((await site.hub.api('GET', '/api/v1/users/u-7/risk')).status).toBe(404)
    expect((await site.ask('u-7', {}, { iss: idp.issuer })).decision).toBe(false)
  })

  test('a session of another issuer is found when the request names that issuer', async () => {
    await using site = await startSite()
    const siem = await site.source()
    const session = { format: 'jwt_id', iss: 'https://idp.example', jti: 's-1' }
    await siem.say('session-revoked', { format: 'complex', user: ada, session })
    const asked = { session: 's-1', issued_at: hourAgo() }
    expect((await site.ask('ada@example.com', asked)).decision).toBe(true)
    const named = { ...asked, session_iss: 'https://idp.example' }
    expect((await site.ask('ada@example.com', named)).decision).toBe(false)
    expect((await site.ask('ada@example.com', { ...named, session: 's-2' })).decision).toBe(true)
  })

  test('an id of two issuers is denied for the higher risk, and administrators see both', async () => {
    await using site = await startSite()
    const [one, two] = [await site.source(), await site.source()]
    await one.say('user-risk-change', one.sub('u-1'), none)
    await two.say('user-risk-change', two.sub('u-1'), high)
    expect((await site.ask('u-1')).decision).toBe(false)
    const answer = await site.hub.api('GET', '/api/v1/users/u-1/risk')
    expect(answer.status).toBe(400)
    expect(await answer.text()).toMatch(/Several issuers have this id.*00u\w+, 00u\w+/)
    await two.act('log_only')
    const { decision, context } = await site.ask('u-1')
    expect([decision, context.reported.level]).toEqual([true, 'HIGH'])
  })
})

describe('identities of other sources', () => {
  test.each([
    ['recycling the address', 'identifier-recycled', ada, {}],
    ['changing the address', 'identifier-changed', ada, { 'new-value': 'elsewhere@example.com' }],
    ['changing it without a new one', 'identifier-changed', ada, {}],
    ['recycling the number', 'identifier-recycled', phone('+15551234'), {}],
  ])('%s changes nothing of another source or of an administrator', async (_name, type, subject, claims) => {
    await using site = await startSite()
    const idp = await site.source()
    const evil = await site.source()
    const person = aliases(idp.sub('u-1'), ada, phone('+15551234'))
    await idp.say('user-risk-change', person, { ...high, ...secondsAgo(60) })
    await idp.say('session-revoked', person, secondsAgo(60))
    await evil.say(type, subject, claims)
    for (const user of ['ada@example.com', '+15551234', 'u-1']) {
      expect((await site.ask(user)).decision).toBe(false)
    }
    expect((await site.ask('ada@example.com', { issued_at: hourAgo() })).context.reasons).toHaveLength(3)

    await idp.say('user-risk-change', person, none)
    expect(
      (await site.hub.api('PUT', '/api/v1/users/ada%40example.com/risk', { riskLevel: 'HIGH' })).status,
    ).toBe(201)
    await evil.say(type, subject, claims)
    expect((await site.ask('ada@example.com')).decision).toBe(false)
    expect((await site.ask('u-1')).decision).toBe(false)
  })

  test('a source may end statements of other sources only with the permission, and those of an administrator never', async () => {
    await using site = await startSite()
    const [edr, mail] = [await site.source(), await site.source()]
    await edr.say('user-risk-change', ada, { ...high, ...secondsAgo(60) })
    await mail.say('identifier-recycled', ada)
    expect((await site.ask('ada@example.com')).decision).toBe(false)
    await mail.trust({ joins: { domains: ['EXAMPLE.com'] } })
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    await mail.trust({ joins: { domains: ['other.example'] } })
    expect((await site.ask('ada@example.com')).decision).toBe(false)
    await mail.trust({ joins: { everything: true } })
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    await mail.act('log_only')
    expect((await site.ask('ada@example.com')).decision).toBe(false)
  })

  test('the source that was registered first takes precedence over old times and own ids', async () => {
    await using site = await startSite()
    const idp = await site.source()
    const evil = await site.source()
    await evil.say('token-claims-change', aliases(evil.sub('x'), ada, email('hal@example.com')), {
      event_timestamp: 1_000,
    })
    await idp.say('user-risk-change', aliases(idp.sub('u-1'), ada), none)
    await idp.say('user-risk-change', aliases(idp.sub('u-2'), email('hal@example.com')), high)
    for (const user of ['u-2', 'hal@example.com']) expect((await site.ask(user)).decision).toBe(false)
    for (const user of ['u-1', 'ada@example.com']) expect((await site.ask(user)).decision).toBe(true)
    const trust = await site.hub.api('GET', `/v1/providers/${evil.id}/trust`)
    expect(await trust.json()).toMatchObject({
      refused_claims: {
        total: 1,
        newest: [{ reason: expect.stringContaining('exclude each other') as string }],
      },
    })
    const logs = await site.hub.api('GET', '/api/v1/logs?filter=eventType+eq+%22watchbell.subject.claim%22')
    expect(await logs.json()).toMatchObject([
      { outcome: { result: 'FAILURE', reason: expect.stringContaining('exclude each other') as string } },
    ])
  })

  test('an administrator’s list changes the precedence of sources', async () => {
    await using site = await startSite()
    const first = await site.source()
    const second = await site.source()
    const hal = email('hal@example.com')
    await first.sayAll([
      ['user-risk-change', aliases(first.sub('a1'), ada), none],
      ['user-risk-change', aliases(first.sub('h1'), hal), none],
    ])
    await second.say('user-risk-change', aliases(second.sub('one'), ada, hal), none)
    await site.hub.api('PUT', '/api/v1/users/hal%40example.com/risk', { riskLevel: 'HIGH' })
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    await second.trust({ precedence: 1 })
    await site.hub.api('PUT', '/api/v1/users/hal%40example.com/risk', { riskLevel: 'HIGH' })
    expect((await site.ask('ada@example.com')).decision).toBe(false)
  })

  test('joins of a source are undone when it loses its action or is deleted, and made when it gets the action', async () => {
    await using site = await startSite()
    const edr = await site.source()
    const idp = await site.source('none')
    await edr.say('user-risk-change', ada, high)
    await idp.say('token-claims-change', aliases(idp.sub('u-1'), ada))
    expect((await site.ask('u-1', {}, { iss: idp.issuer })).decision).toBe(true)
    await idp.act('enforce_and_log')
    expect((await site.ask('u-1')).decision).toBe(false)
    await idp.act('log_only')
    expect((await site.ask('u-1')).decision).toBe(true)
    await idp.act('enforce_and_log')
    await idp.leave()
    expect((await site.ask('u-1', {}, { iss: idp.issuer })).decision).toBe(true)
    expect((await site.ask('ada@example.com')).decision).toBe(false)
  })

  test('a subject that is not joined still counts for each of its identifiers', async () => {
    await using site = await startSite()
    const idp = await site.source()
    const edr = await site.source()
    const hal = email('hal@example.com')
    await idp.sayAll([
      ['user-risk-change', aliases(idp.sub('a'), ada), none],
      ['user-risk-change', aliases(idp.sub('h'), hal), none],
    ])
    await edr.say('user-risk-change', aliases(edr.sub('both'), ada, hal), high)
    for (const user of ['ada@example.com', 'hal@example.com', 'a', 'h', 'both']) {
      expect((await site.ask(user)).decision).toBe(false)
    }
    // Its good news about one of them takes back its own bad news about all that it calls one, and nothing else.
    await edr.say('user-risk-change', edr.sub('both'), none)
    for (const user of ['ada@example.com', 'hal@example.com'])
      expect((await site.ask(user)).decision).toBe(true)
  })

  test('a lower risk of one identifier does not change another that only a different source joined to it', async () => {
    await using site = await startSite()
    const edr = await site.source()
    const evil = await site.source()
    await edr.say('user-risk-change', ada, high)
    await edr.say('user-risk-change', email('mallory@example.com'), none)
    await evil.say('token-claims-change', aliases(evil.sub('x'), ada, email('mallory@example.com')))
    expect((await site.ask('ada@example.com')).decision).toBe(false)
  })
})

describe('changes by other sources are reversible', () => {
  test('the id of a loaded user is found, whatever happens to a provider that names it as well', async () => {
    await using site = await startSite()
    const idp = await site.source()
    const identifiers = [idp.sub('u-1')]
    const loaded = await site.hub.api('POST', '/v1/subjects', { kind: 'user', login: 'ada', identifiers })
    expect(loaded.status).toBe(201)
    expect((await site.hub.api('PUT', '/api/v1/users/u-1/risk', { riskLevel: 'HIGH' })).status).toBe(201)
    await idp.say('user-risk-change', idp.sub('u-1'), none)
    await idp.leave()
    expect((await site.ask('u-1')).decision).toBe(false)
    expect((await site.hub.api('GET', '/api/v1/users/u-1/risk')).status).toBe(200)
  })

  test('reasons stay when another source joins users', async () => {
    await using site = await startSite()
    const [edr, other] = [await site.source(), await site.source()]
    const hal = email('hal@example.com')
    await edr.say('user-risk-change', ada, { current_level: 'medium' })
    const names = Array.from({ length: 45 }, (_, at) => email(`${at}@example.com`))
    for (const type of ['credential-compromise', 'account-disabled', 'user-risk-change']) {
      const claims = { ...high, credential_type: 'password', reason: 'hijacking' }
      await edr.say(type, aliases(hal, ...names), claims)
    }
    await other.say('token-claims-change', aliases(other.sub('x'), ada, hal))
    for (const credential_type of ['pin', 'app', 'x509']) {
      await edr.say('credential-compromise', aliases(hal, ...names), { credential_type })
    }
    await other.leave()
    expect((await site.ask('ada@example.com')).context.level).toBe('MEDIUM')
  })

  test('a chain of identifiers is joined only up to the limit', async () => {
    await using site = await startSite()
    const source = await site.source()
    const name = (at: number): string => `${at}@example.com`
    await source.sayAll(
      Array.from({ length: 620 }, (_, at) => [
        'identifier-changed',
        email(name(at)),
        { 'new-value': name(at + 1), ...secondsAgo(1_000 - at) },
      ]),
    )
    await source.say('identifier-changed', email(name(620)), { 'new-value': name(621) })
    await source.say('user-risk-change', email(name(621)), high)
    expect((await site.ask(name(621))).decision).toBe(false)
    expect((await site.ask(name(620))).decision).toBe(true)
  })
})

describe('restrictions of a provider', () => {
  test('limit its subjects and event types; an event outside them has no effect and says so', async () => {
    await using site = await startSite()
    const source = await site.source()
    await source.trust({ speaks_of: { domains: ['corp.example'] } })
    const inside = email('ada@corp.example')
    await source.sayAll([
      ['user-risk-change', ada, high],
      ['user-risk-change', phone('+15551234'), high],
      ['user-risk-change', aliases(ada, inside), high],
    ])
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    expect((await site.ask('+15551234')).decision).toBe(true)
    expect((await site.ask('ada@corp.example')).decision).toBe(false)
    const signals = (await (await site.hub.api('GET', '/v1/signals')).json()) as {
      signals: { events: { matched: boolean; unmatched_reason?: string }[] }[]
    }
    expect(signals.signals.map(({ events }) => events[0])).toMatchObject([
      { matched: true },
      { matched: false, unmatched_reason: expect.stringContaining('may not speak of') as string },
      { matched: false, unmatched_reason: expect.stringContaining('may not speak of') as string },
    ])
    // A limit counts at once, also for what was said before.
    await source.trust({ speaks_of: { domains: ['elsewhere.example'] } })
    expect((await site.ask('ada@corp.example')).decision).toBe(true)
    await source.trust({
      speaks_of: { events: ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'] },
    })
    expect((await site.ask('ada@corp.example')).decision).toBe(true)
    await source.say('session-revoked', inside)
    expect((await site.ask('ada@corp.example', { issued_at: hourAgo() })).decision).toBe(false)
    await source.trust({})
    expect((await site.ask('ada@corp.example')).decision).toBe(false)
  })

  test('an id of its own issuer that reads as an address of another domain is not covered', async () => {
    await using site = await startSite()
    const source = await site.source()
    await source.trust({ speaks_of: { domains: ['corp.example'] } })
    const opaque = (id: string) => ({ format: 'opaque', id })
    await source.sayAll([
      ['user-risk-change', source.sub('ada@example.com'), high],
      ['session-revoked', source.sub('ada@example.com')],
      ['user-risk-change', opaque('HAL@Example.COM.'), high],
      ['user-risk-change', source.sub('acct:eve@example.com'), high],
      ['user-risk-change', source.sub('kim@CORP.example'), high],
      ['user-risk-change', source.sub('u-7'), high],
    ])
    const asked = async (user: string): Promise<boolean> =>
      (await site.ask(user, { issued_at: hourAgo() })).decision
    for (const user of ['ada@example.com', 'HAL@Example.COM.', 'acct:eve@example.com'])
      expect([user, await asked(user)]).toEqual([user, true])
    for (const user of ['kim@CORP.example', 'u-7']) expect([user, await asked(user)]).toEqual([user, false])
    await source.trust({ speaks_of: { issuers: [source.issuer] } })
    await source.say('user-risk-change', source.sub('ada@example.com'), high)
    expect(await asked('ada@example.com')).toBe(false)
  })

  test('limit the joins of a provider to its permitted subjects', async () => {
    await using site = await startSite()
    const source = await site.source()
    await source.say('user-risk-change', aliases(source.sub('u-1'), ada, email('ada@corp.example')), none)
    await source.say('user-risk-change', source.sub('u-1'), high)
    expect((await site.ask('ada@example.com')).decision).toBe(false)
    await source.trust({ speaks_of: { domains: ['corp.example'] } })
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    expect((await site.ask('ada@corp.example')).decision).toBe(false)
  })

  test.each<[object, RegExp]>([
    [{ speaks_of: { domains: 'corp.example' } }, /speaks_of\.domains: It must be an array/],
    [{ speaks_of: { domains: ['ada@corp.example'] } }, /speaks_of\.domains\[0\]: It must be a domain/],
    [{ speaks_of: { events: ['session-revoked'] } }, /speaks_of\.events\[0\]: It must be the URI/],
    [{ joins: { all: true } }, /joins\.all: There is no such member/],
    [{ joins: { everything: 'yes' } }, /joins\.everything: It must be true or false/],
    [{ precedence: 0 }, /precedence: It must be a whole number/],
    [{ speaksOf: {} }, /speaksOf: There is no such member/],
  ])('%j is refused with what is wrong', async (body, problem) => {
    await using site = await startSite()
    const { id } = await site.source()
    const answer = await site.hub.api('PUT', `/v1/providers/${id}/trust`, body)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(problem)])
  })
})

describe('cost', () => {
  test('texts of senders do not multiply reasons: one source has few reasons per identifier', async () => {
    await using site = await startSite()
    const source = await site.source()
    await source.sayAll([
      ...Array.from(
        { length: 30 },
        (_, at) => ['credential-compromise', ada, { credential_type: `made up ${at}` }] as const,
      ),
      ...Array.from(
        { length: 30 },
        (_, at) =>
          [
            'risk-level-change',
            ada,
            { principal: `MADE_UP_${at}`, current_level: 'HIGH', previous_level: 'LOW' },
          ] as const,
      ),
    ])
    const { context } = await site.ask('ada@example.com')
    expect(context.reasons.length).toBeLessThanOrEqual(2)
  })

  test('answers and entries show the ten most severe reasons and their number', async () => {
    await using site = await startSite()
    for (let at = 0; at < 12; at += 1) {
      const source = await site.source()
      await source.say('user-risk-change', ada, at < 11 ? { current_level: 'low' } : high)
    }
    const { context } = await site.ask('ada@example.com')
    expect([context.reasons.length, context.reasons_total]).toEqual([10, 12])
    expect(context.reasons[0]?.text).toContain('HIGH')
    const logs = await site.hub.api('GET', '/api/v1/logs?filter=eventType+eq+%22policy.evaluate_sign_on%22')
    expect(JSON.stringify(await logs.json())).toContain('And 2 more.')
  })

  test('the reasons of one source about one user are limited, and the most severe stay', async () => {
    await using site = await startSite()
    const source = await site.source()
    const names = (from: number) => Array.from({ length: 45 }, (_, at) => email(`${from + at}@example.com`))
    const me = source.sub('me')
    const types = [
      'credential-compromise',
      'account-disabled',
      'recovery-activated',
      'recovery-information-changed',
    ]
    for (const type of types) {
      await source.say(type, aliases(me, ...names(0)), { credential_type: 'password' })
    }
    await source.say('user-risk-change', aliases(me, ...names(0)), none)
    await source.say('account-credential-change-required', aliases(me, ...names(0)))
    const { context } = await site.ask('me')
    expect(context.level).toBe('HIGH')
    const subject = await site.hub.api('GET', '/v1/subjects/me')
    const { history } = (await subject.json()) as { history: { level: string }[] }
    expect(history.length).toBeGreaterThan(0)
    expect(new Set(history.map(({ level }) => level))).not.toContain('HIGH')
  })
})

describe('the user of a request', () => {
  test.each([
    ['account', { format: 'account', uri: 'acct:bob@svc.example' }, 'acct:bob@SVC.example'],
    ['did', { format: 'did', url: 'did:example:123#key' }, 'did:example:123#key'],
    ['uri', { format: 'uri', uri: 'urn:people:bob' }, 'urn:people:bob'],
    ['a uri that looks like none', { format: 'uri', uri: 'bob' }, 'bob'],
    ['phone', phone('+1 (555) 123'), '+1 555 123'],
    ['email', email('Bob@Example.com'), 'bob@example.COM'],
  ])('a user named by %s is found by it', async (_format, subject, text) => {
    await using site = await startSite()
    const source = await site.source()
    await source.say('credential-compromise', subject, { credential_type: 'password' })
    expect((await site.ask(text)).decision).toBe(false)
    expect((await site.hub.api('GET', `/v1/subjects/${encodeURIComponent(text)}`)).status).toBe(200)
    const risk = await site.hub.api('GET', `/api/v1/users/${encodeURIComponent(text)}/risk`)
    expect(await risk.json()).toMatchObject({ riskLevel: 'HIGH' })
  })

  test.each([
    ['email', email('lap@example.com'), 'lap@example.com'],
    ['account', { format: 'account', uri: 'acct:lap@svc.example' }, 'acct:lap@svc.example'],
    ['did', { format: 'did', url: 'did:example:9' }, 'did:example:9'],
  ])('a device named by %s is found', async (_format, device, text) => {
    await using site = await startSite()
    const source = await site.source()
    await source.say('device-risk-change', { user: ada, device }, high)
    expect((await site.ask('ada@example.com', { device: text })).decision).toBe(false)
  })

  test('the hub’s entity id, as sub of the hub or as opaque id, names that user', async () => {
    await using site = await startSite()
    const source = await site.source()
    const loaded = await site.hub.api('POST', '/v1/subjects', { kind: 'user', login: 'ada@example.com' })
    const { id } = (await loaded.json()) as { id: string }
    await source.say('user-risk-change', { format: 'iss_sub', iss: site.hub.origin, sub: id }, high)
    for (const user of ['ada@example.com', id]) expect((await site.ask(user)).decision).toBe(false)
    await source.say('user-risk-change', { format: 'opaque', id }, none)
    for (const user of ['ada@example.com', id]) expect((await site.ask(user)).decision).toBe(true)
  })

  test('a new address keeps the statements of the same source about the old one', async () => {
    await using site = await startSite()
    const idp = await site.source()
    await idp.say('user-risk-change', ada, { ...high, ...secondsAgo(120) })
    await idp.say('session-revoked', ada, secondsAgo(120))
    await idp.say('identifier-changed', ada, { 'new-value': 'ada.new@example.com', ...secondsAgo(60) })
    const { decision, context } = await site.ask('ada.new@example.com', { issued_at: hourAgo() })
    expect([decision, context.reasons.length]).toEqual([false, 3])
    await idp.say('user-risk-change', email('ada.new@example.com'), none)
    expect((await site.ask('ada.new@example.com')).context.level).not.toBe('HIGH')
  })

  test('of two events in one second the later to arrive counts, not the more severe', async () => {
    await using site = await startSite()
    const source = await site.source()
    const now = secondsAgo(5)
    await source.sayAll([
      ['account-disabled', ada, { reason: 'hijacking', ...now }],
      ['account-enabled', ada, now],
    ])
    expect((await site.ask('ada@example.com')).decision).toBe(true)
    await source.sayAll([
      ['account-enabled', ada, now],
      ['account-disabled', ada, { reason: 'hijacking', ...now }],
    ])
    expect((await site.ask('ada@example.com')).decision).toBe(false)
  })
})

describe('decisions of an administrator', () => {
  interface Shown {
    readonly level: string
    readonly reasons: readonly { readonly id: string; readonly level: string }[]
    readonly dismissed: readonly { readonly id: string; readonly dismissed_at: string }[]
  }

  test.each([
    ['user', ada, 'ada@example.com', 'user-risk-change'],
    ['device', { device: { format: 'opaque', id: 'laptop' } }, 'laptop', 'device-risk-change'],
  ])('a single reason of a %s can be dismissed and restored', async (_kind, subject, text, type) => {
    await using site = await startSite()
    const [one, two] = [await site.source(), await site.source()]
    await one.say(type, subject, high)
    if (type === 'user-risk-change') await two.say(type, subject, { current_level: 'medium' })
    const path = `/v1/subjects/${encodeURIComponent(text)}`
    const shown = async (): Promise<Shown> => (await (await site.hub.api('GET', path)).json()) as Shown
    const [worst] = (await shown()).reasons
    const dismissal = `${path}/reasons/${encodeURIComponent(worst?.id ?? '')}/dismissal`
    expect((await site.hub.api('PUT', dismissal)).status).toBe(200)
    expect((await shown()).level).toBe(type === 'user-risk-change' ? 'MEDIUM' : 'NONE')
    expect((await shown()).dismissed).toMatchObject([
      { id: worst?.id, dismissed_at: expect.any(String) as string },
    ])
    expect((await site.hub.api('DELETE', dismissal)).status).toBe(200)
    expect((await shown()).level).toBe('HIGH')
    await site.hub.api('PUT', dismissal)
    await one.say(type, subject, high) // the same again is said anew
    expect((await shown()).level).toBe('HIGH')
    const logs = (await (await site.hub.api('GET', '/api/v1/logs?limit=100')).json()) as {
      eventType: string
    }[]
    const types = logs.map(({ eventType }) => eventType)
    expect(types).toEqual(expect.arrayContaining(['watchbell.risk.dismiss', 'watchbell.risk.restore']))
    const nothing = await site.hub.api('PUT', `${path}/reasons/none/dismissal`)
    expect([nothing.status, await nothing.text()]).toEqual([404, expect.stringContaining('none')])
  })

  test('the risk of any entity can be set, to NONE as well', async () => {
    await using site = await startSite()
    const source = await site.source()
    await source.say('device-risk-change', { user: ada, device: { format: 'opaque', id: 'laptop' } }, high)
    const set = (level: string) =>
      site.hub.api('PUT', '/v1/subjects/laptop/risk', { level, reason: 'looked at' })
    expect(await (await set('NONE')).json()).toMatchObject({ kind: 'device', level: 'NONE' })
    expect((await site.ask('ada@example.com', { device: 'laptop' })).decision).toBe(true)
    expect(await (await set('MEDIUM')).json()).toMatchObject({ level: 'MEDIUM' })
    expect((await set('worst')).status).toBe(400)
    expect((await site.hub.api('PUT', '/v1/subjects/nobody/risk', { level: 'worst' })).status).toBe(404)
  })

  test('exempt users are allowed, the answer says so, and no signal makes another user exempt', async () => {
    await using site = await startSite({
      settings: { neverDenied: 'Break.Glass@example.com', logEvaluations: 'non_allow' },
    })
    const source = await site.source()
    await source.say('user-risk-change', email('break.glass@example.com'), high)
    await source.say(
      'user-risk-change',
      aliases(source.sub('m'), email('mallory@example.com'), email('break.glass@example.com')),
      high,
    )
    const spared = await site.ask('break.glass@EXAMPLE.com')
    expect(spared).toMatchObject({ decision: true, context: { outcome: 'allow', level: 'HIGH' } })
    expect(spared.context.notes).toEqual([expect.stringContaining('would be deny')])
    for (const user of ['mallory@example.com', 'm']) expect((await site.ask(user)).decision).toBe(false)
    const logs = await site.hub.api('GET', '/api/v1/logs?filter=eventType+eq+%22policy.evaluate_sign_on%22')
    expect(JSON.stringify(await logs.json())).toContain('never denied')
  })
})
