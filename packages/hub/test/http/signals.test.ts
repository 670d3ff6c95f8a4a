import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter, type Transmitter } from '../../src/testing/transmitter.ts'
import { accessTokenOf, registerApp } from './oauth-app.ts'
import { ada, startHubWithProvider, type HubWithProvider } from './with-provider.ts'
import type { SignalBody } from '../../src/wire/signals.ts'

interface Page {
  readonly signals: readonly SignalBody[]
  readonly next: string | null
}

async function page(hub: TestHub, query = ''): Promise<Page> {
  const answer = await hub.api('GET', `/v1/signals${query}`)
  expect([query, answer.status]).toEqual([query, 200])
  return (await answer.json()) as Page // of a 200
}

/** Every page, following `next` to the end; `between` happens before each further page. */
async function follow(
  hub: TestHub,
  query: string,
  between: () => Promise<void> = async () => undefined,
): Promise<readonly (readonly SignalBody[])[]> {
  const pages: (readonly SignalBody[])[] = []
  let { signals, next } = await page(hub, query)
  for (;;) {
    pages.push(signals)
    if (next === null) return pages
    expect(next.startsWith(`${hub.origin}/v1/signals?`)).toBe(true)
    await between()
    ;({ signals, next } = await page(hub, next.slice(`${hub.origin}/v1/signals`.length)))
  }
}

/** Refusals are stored a moment after their answer: asks until there are as many. */
async function untilRefused(hub: TestHub, count: number): Promise<readonly SignalBody[]> {
  return vi.waitFor(
    async () => {
      const { signals } = await page(hub, '?outcome=refused&limit=200')
      expect(signals).toHaveLength(count)
      return signals
    },
    { timeout: 10_000 },
  )
}

const jtis = (signals: readonly SignalBody[]): readonly (string | null)[] => signals.map(({ jti }) => jti)
const q = (parameters: Record<string, string>): string => `?${new URLSearchParams(parameters).toString()}`

describe('GET /v1/signals', () => {
  test('shows an accepted signal with its events and normalised subjects, newest first', async () => {
    await using site = await startHubWithProvider()
    await site.hub.push(site.sign({ jti: 'old' }))
    await site.hub.push(site.sign({ jti: 'new', type: 'credential-change' }))
    await site.hub.handleAll()
    const { signals, next } = await page(site.hub)
    expect([jtis(signals), next]).toEqual([['new', 'old'], null])
    const time = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
    expect(signals[1]).toEqual({
      id: expect.stringMatching(/^sig[0-9a-f]{32}$/),
      outcome: 'handled',
      received_at: time,
      provider: site.providerId,
      iss: site.transmitter.issuer,
      jti: 'old',
      issued_at: time,
      via: 'push',
      source: '127.0.0.1',
      repeats: 0,
      repeated_at: null,
      events: [
        expect.objectContaining({
          type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
          family: 'caep',
          name: 'session-revoked',
          subject: ada,
          claims: expect.any(Object),
          occurred_at: time,
        }),
      ],
    })
  })

  test('shows a refused signal with a code and a reason, and nothing of its token', async () => {
    await using site = await startHubWithProvider()
    const draft = { type: 'session-revoked', aud: site.hub.origin, subject: ada }
    const token = await site.transmitter.signBroken('signature', { ...draft, jti: 'forged' })
    await site.hub.push(token)
    const [signal] = await untilRefused(site.hub, 1)
    expect(signal).toMatchObject({
      id: expect.stringMatching(/^rfs\w{17}$/),
      outcome: 'refused',
      provider: site.providerId,
      jti: 'forged',
      code: 'set.bad_signature',
      reason: expect.stringMatching(/signature/),
      events: [],
    })
    const shown = await site.hub.api('GET', `/v1/signals/${signal?.id}?include=token`)
    expect(await shown.json()).toMatchObject({ id: signal?.id, token: null })
    expect(JSON.stringify(signal)).not.toContain(token.split('.')[2])
  })

  test('shows how often a SET was repeated', async () => {
    await using site = await startHubWithProvider()
    const set = site.sign({ jti: 'again' })
    for (let times = 0; times < 3; times++) await site.hub.push(set)
    expect(await site.signals()).toMatchObject([
      { jti: 'again', repeats: 2, repeated_at: expect.any(String) },
    ])
  })
})

describe('filters', () => {
  let site: HubWithProvider
  let other: Transmitter
  let otherId: string
  const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
  const changed = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
  const bob = { format: 'iss_sub', iss: 'https://idp.example', sub: 'bob-1' }

  beforeAll(async () => {
    site = await startHubWithProvider()
    const { hub } = site
    other = await startTransmitter({ alg: 'ES256' })
    const created = await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'other',
      type: 'test',
      settings: { issuer: other.issuer, jwks_url: other.jwksUrl },
    })
    otherId = ((await created.json()) as { id: string }).id // OKTA-R2
    await hub.push(site.sign({ jti: 'a', type: 'session-revoked', subject: ada }))
    await hub.push(site.sign({ jti: 'b', type: 'credential-change', subject: bob }))
    await hub.push(other.sign({ jti: 'a', type: 'session-revoked', subject: bob, aud: hub.origin }))
    await hub.handleAll()
    await hub.push(
      await other.signBroken('signature', { jti: 'x', type: 'session-revoked', aud: hub.origin }),
    )
    await hub.push(await other.signBroken('iss', { jti: 'y', type: 'session-revoked', aud: hub.origin }))
    await untilRefused(hub, 2)
  })
  afterAll(async () => {
    await site[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })

  const own = (): string => site.providerId
  test.each<[string, () => Record<string, string>, readonly string[]]>([
    ['none', () => ({}), ['y', 'x', 'a', 'b', 'a']],
    ['provider', () => ({ provider: own() }), ['b', 'a']],
    ['provider, its refusals too', () => ({ provider: otherId }), ['x', 'a']],
    ['an unknown provider', () => ({ provider: 'sse00000000000000000' }), []],
    ['iss', () => ({ iss: site.transmitter.issuer }), ['b', 'a']],
    ['iss of a stranger', () => ({ iss: 'https://stranger.example' }), ['y']],
    ['iss in part', () => ({ iss: site.transmitter.issuer.slice(0, -1) }), []],
    ['jti', () => ({ jti: 'a' }), ['a', 'a']],
    ['jti of a refused one', () => ({ jti: 'y' }), ['y']],
    ['jti and iss', () => ({ jti: 'a', iss: other.issuer }), ['a']],
    ['type', () => ({ type: revoked }), ['a', 'a']],
    ['type in part', () => ({ type: 'session-revoked' }), []],
    ['subject: an address', () => ({ subject: 'ada@example.com' }), ['a']],
    ['subject: an address in capitals', () => ({ subject: 'ADA@example.com' }), ['a']],
    ['subject: a sub', () => ({ subject: 'bob-1' }), ['a', 'b']],
    ['subject: nobody', () => ({ subject: "' OR 1=1 --" }), []],
    ['type and subject', () => ({ type: changed, subject: 'bob-1' }), ['b']],
    ['type and provider', () => ({ type: revoked, provider: otherId }), ['a']],
    ['outcome handled', () => ({ outcome: 'handled' }), ['a', 'b', 'a']],
    ['outcome refused', () => ({ outcome: 'refused' }), ['y', 'x']],
    ['outcome pending', () => ({ outcome: 'pending' }), []],
    ['outcome failed', () => ({ outcome: 'failed' }), []],
    ['since long ago', () => ({ since: '2020-01-01' }), ['y', 'x', 'a', 'b', 'a']],
    ['since the future', () => ({ since: '2999-01-01T00:00:00Z' }), []],
    ['until long ago', () => ({ until: '2020-01-01T00:00:00.000+02:00' }), []],
    ['until the future', () => ({ until: '2999-01-01' }), ['y', 'x', 'a', 'b', 'a']],
    ['an empty window', () => ({ since: '2999-01-01', until: '2020-01-01' }), []],
    ['limit', () => ({ limit: '2' }), ['y', 'x']],
  ])('%s', async (_name, parameters, expected) => {
    expect(jtis((await page(site.hub, q(parameters()))).signals)).toEqual(expected)
  })

  test('since is inclusive and until exclusive, to the millisecond', async () => {
    const [newest] = (await page(site.hub, '?outcome=handled')).signals
    const { received_at: at } = newest as unknown as { received_at: string } // shown above
    const later = new Date(Date.parse(at) + 1).toISOString()
    const shown = async (parameters: Record<string, string>): Promise<boolean> =>
      (await page(site.hub, q({ outcome: 'handled', ...parameters }))).signals.some(
        ({ id }) => id === newest?.id,
      )
    expect([await shown({ since: at }), await shown({ until: at })]).toEqual([true, false])
    expect([await shown({ since: later }), await shown({ until: later })]).toEqual([false, true])
  })

  test.each([
    ['2026-03-17T12:00:00', '2026-03-17T12:00:00Z'],
    ['2026-03-17', '2026-03-17T00:00:00Z'],
    ['2026-03-17T14:00:00+0200', '2026-03-17T12:00:00Z'],
  ])('%s is %s in any time zone of the hub', async (given, meant) => {
    const answer = await site.hub.api('GET', `/v1/signals${q({ limit: '1', since: given })}`)
    const { next } = (await answer.json()) as Page // of a 200
    expect(new URL(next ?? '').searchParams.get('since')).toBe(given)
    const before = new Date(Date.parse(meant) + 1).toISOString()
    expect((await page(site.hub, q({ since: given, until: before }))).signals).toEqual([])
  })
})

describe('pages', () => {
  let site: HubWithProvider
  const pushed = Array.from({ length: 23 }, (_, at) => `jti-${at}`)
  beforeAll(async () => {
    site = await startHubWithProvider()
    for (const jti of pushed) await site.hub.push(site.sign({ jti }))
    await site.hub.handleAll()
  })
  afterAll(() => site[Symbol.asyncDispose]())
  const newestFirst = pushed.toReversed()

  test.each([1, 5, 22, 23, 24, 200])('of %s show each signal once', async (limit) => {
    const pages = await follow(site.hub, `?limit=${limit}`)
    expect(pages.flatMap(jtis)).toEqual(newestFirst)
    expect(pages).toHaveLength(Math.ceil(newestFirst.length / limit))
    expect(pages.slice(0, -1).every((signals) => signals.length === limit)).toBe(true)
  })

  test('keep their filters', async () => {
    const parameters = {
      limit: '2',
      subject: 'ada@example.com',
      iss: site.transmitter.issuer,
      outcome: 'handled',
    }
    const pages = await follow(site.hub, q(parameters))
    expect(pages.flatMap(jtis)).toEqual(newestFirst)
    expect((await page(site.hub, q({ ...parameters, subject: 'nobody' }))).next).toBeNull()
  })

  test('have the next page in the Link header as well', async () => {
    const answer = await site.hub.api('GET', '/v1/signals?limit=3&include=token')
    const { next } = (await answer.json()) as Page // of a 200
    expect(answer.headers.get('link')).toBe(`<${next}>; rel="next"`)
    expect(new URL(next ?? '').searchParams.get('include')).toBe('token')
    expect((await site.hub.api('GET', '/v1/signals?limit=200')).headers.get('link')).toBeNull()
  })

  test('do not shift while new signals arrive', async () => {
    await using site = await startHubWithProvider()
    for (const jti of pushed) await site.hub.push(site.sign({ jti }))
    let further = 0
    const pages = await follow(site.hub, '?limit=4', async () => {
      await site.hub.push(site.sign({ jti: `further-${further++}` }))
      await site.hub.push(await site.transmitter.signBroken('aud', { type: 'session-revoked', aud: 'x' }))
    })
    expect(pages.flatMap(jtis)).toEqual(newestFirst)
    expect(further).toBe(5)
  })
})

describe('bad parameters', () => {
  let hub: TestHub
  beforeAll(async () => {
    hub = await startTestHub()
  })
  afterAll(() => hub[Symbol.asyncDispose]())

  test.each([
    ['limit=0', /^limit: '0' is not a whole number from 1 to 200$/],
    ['limit=201', /^limit: /],
    ['limit=-1', /^limit: /],
    ['limit=1.5', /^limit: /],
    ['limit=1e2', /^limit: /],
    ['limit=ten', /^limit: /],
    ['limit=', /^limit: The parameter is empty/],
    ['limit=1&limit=2', /^limit: The parameter may be given once$/],
    ['after=0', /^after: /],
    ['after=abc', /^after: /],
    ['after=99999999999999999999', /^after: /],
    [
      'outcome=accepted',
      /^outcome: 'accepted' is not one of the allowed values: pending, handled, failed, refused$/,
    ],
    ['outcome=Handled', /^outcome: /],
    ['outcome=', /^outcome: The parameter is empty/],
    ['since=yesterday', /^since: 'yesterday' is not an ISO 8601 time such as 2026-01-31T12:00:00Z$/],
    ['since=2026-02-30', /^since: /],
    ['since=2025-02-29T00:00:00Z', /^since: /],
    ['since=2026-01-01T25:00:00Z', /^since: /],
    ['since=1767225600', /^since: /],
    ['since=2026-01-01junk', /^since: /],
    ['since=', /^since: The parameter is empty/],
    ['until=2026-13-01', /^until: /],
    ['until=17.03.2026', /^until: /],
    ['include=everything', /^include: 'everything' is not one of the allowed values: token$/],
    ['include=', /^include: /],
    ['provider=', /^provider: The parameter is empty/],
    ['jti=', /^jti: The parameter is empty/],
    ['Limit=5', /^Limit: There is no such parameter; known are provider, iss/],
    ['filter=x', /^filter: There is no such parameter/],
    ['sortOrder=ASCENDING', /^sortOrder: /],
  ])('%s is 400 with the valid values', async (query, cause) => {
    const answer = await hub.api('GET', `/v1/signals?${query}`)
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { errorCode: 'E0000001', errorCauses: [{ errorSummary: expect.stringMatching(cause) }] },
    ])
  })

  test('all of them are reported together', async () => {
    const answer = await hub.api('GET', '/v1/signals?limit=0&since=x&until=y&outcome=z&nonsense=1')
    const { errorCauses } = (await answer.json()) as { errorCauses: { errorSummary: string }[] } // of a 400
    expect(errorCauses.map(({ errorSummary }) => errorSummary.split(':')[0])).toEqual(
      expect.arrayContaining(['limit', 'since', 'until', 'outcome', 'nonsense']),
    )
  })
})

describe('the token', () => {
  test('is shown only with include=token', async () => {
    await using site = await startHubWithProvider()
    const set = site.sign({ jti: 'evidence' })
    await site.hub.push(set)
    await site.hub.handleAll()
    const [{ id } = { id: '' }] = await site.signals()
    for (const path of ['/v1/signals', `/v1/signals/${id}`, '/v1/signals/counts', '/api/v1/logs']) {
      const text = await (await site.hub.api('GET', path)).text()
      expect(text).not.toContain(set)
      expect(text).not.toContain(set.split('.')[2])
    }
    expect(await site.signals('?include=token')).toMatchObject([{ token: set }])
    const one = await site.hub.api('GET', `/v1/signals/${id}?include=token`)
    expect(await one.json()).toMatchObject({ id, token: set })
  })
})

describe('GET /v1/signals/{id}', () => {
  test('shows the same as the list', async () => {
    await using site = await startHubWithProvider()
    await site.hub.push(site.sign())
    await site.hub.push('garbage')
    await untilRefused(site.hub, 1)
    await site.hub.handleAll()
    const signals = await site.signals()
    expect(signals).toHaveLength(2)
    for (const signal of signals) {
      const answer = await site.hub.api('GET', `/v1/signals/${signal.id}`)
      expect([answer.status, await answer.json()]).toEqual([200, signal])
    }
  })

  test.each([
    `sig${'0'.repeat(32)}`,
    `sig${'0'.repeat(31)}`,
    'rfs00000000000000000',
    'x',
    '%00',
    "'%20OR%201=1--",
    'x'.repeat(900),
  ])('%s is 404', async (id) => {
    await using hub = await startTestHub()
    const answer = await hub.api('GET', `/v1/signals/${id}`)
    expect([answer.status, await answer.json()]).toMatchObject([404, { errorCode: 'E0000007' }])
  })

  test('include is checked here as well', async () => {
    await using hub = await startTestHub()
    const answer = await hub.api('GET', `/v1/signals/sig${'0'.repeat(32)}?include=all`)
    expect(answer.status).toBe(400)
  })
})

describe('GET /v1/signals/counts', () => {
  test('counts all signals, and refusals by provider and code', async () => {
    await using site = await startHubWithProvider()
    const { hub, transmitter, providerId } = site
    const counts = async (): Promise<unknown> => (await hub.api('GET', '/v1/signals/counts')).json()
    expect(await counts()).toEqual({ accepted: 0, repeated: 0, pending: 0, failed: 0, refused: [] })
    const set = site.sign()
    for (let times = 0; times < 3; times++) await hub.push(set)
    await hub.push(site.sign())
    const draft = { type: 'session-revoked', aud: hub.origin, subject: ada }
    for (let times = 0; times < 2; times++) await hub.push(await transmitter.signBroken('signature', draft))
    await hub.push(await transmitter.signBroken('iss', draft))
    await untilRefused(hub, 3)
    await hub.handleAll()
    expect(await counts()).toEqual({
      accepted: 2,
      repeated: 2,
      pending: 0,
      failed: 0,
      refused: expect.arrayContaining([
        {
          provider: providerId,
          provider_name: transmitter.issuer,
          code: 'set.bad_signature',
          count: 2,
        },
        { provider: null, provider_name: null, code: 'set.unknown_issuer', count: 1 },
      ]),
    })
  })
})

describe('permissions', () => {
  test('watchbell.signals.read and no other scope; an API token of any role', async () => {
    await using hub = await startTestHub()
    const app = await registerApp(hub, 'watchbell.signals.read okta.logs.read')
    const { secret } = await hub.hub.apiTokens.create({ name: 'reader', role: 'read_only' })
    const able = `Bearer ${await accessTokenOf(hub, app, 'watchbell.signals.read')}`
    const unable = `Bearer ${await accessTokenOf(hub, app, 'okta.logs.read')}`
    for (const [path, found] of [
      ['/v1/signals', 200],
      ['/v1/signals/counts', 200],
      ['/v1/signals?include=token', 200],
      ['/v1/signals/rfs00000000000000000', 404],
    ] as const) {
      const as = async (authorization: string): Promise<number> =>
        (await fetch(hub.origin + path, { headers: { authorization } })).status
      expect([path, await as(able), await as(`SSWS ${secret}`), await as(unable), await as('')]).toEqual([
        path,
        found,
        found,
        403,
        403,
      ])
    }
  })

  test('other methods are 405', async () => {
    await using hub = await startTestHub()
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect((await hub.api(method, '/v1/signals', {})).status).toBe(405)
      expect((await hub.api(method, '/v1/signals/x', {})).status).toBe(405)
    }
  })
})

test('an invalid optional claim is noted in the verdict and does not prevent the effect of the event', async () => {
  await using site = await startHubWithProvider()
  const type = 'account-disabled'
  const set = site.sign({ type, claims: { reason: 'disabled-by-admin' } })
  expect((await site.hub.push(set)).status).toBe(202)
  await site.hub.handleAll()
  expect(await site.signals()).toMatchObject([
    {
      outcome: 'handled',
      events: [
        {
          name: type,
          matched: true,
          claims: {},
          left_out: [
            { claim: 'reason', value: '"disabled-by-admin"', problem: 'Not one of the allowed values' },
          ],
        },
      ],
    },
  ])
  const answer = await site.hub.api('POST', '/access/v1/evaluation', {
    subject: { type: 'user', id: ada.email },
    action: { name: 'authenticate' },
    resource: { type: 'app', id: 'mail' },
  })
  expect(await answer.json()).toMatchObject({ context: { level: 'MEDIUM' } })
})
