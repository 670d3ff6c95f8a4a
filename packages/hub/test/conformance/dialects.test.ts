import { describe, expect, test } from 'vitest'
import { generateSigningKey, publicJwk, signSet, appleEventPrefix } from '@watchbell/receiver/set'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startLocalServer } from '../local-server.ts'
import type { SignalBody } from '../../src/wire/signals.ts'

// Google: "Protect user accounts with Cross-Account Protection" (its example token, its table of event types, its section
// on OAuth token identifiers), and draft-ietf-secevent-subject-identifiers for `id_token_claims`.
// Apple: "Processing changes for Sign in with Apple accounts" for the event types; its forum's thread "Sign in with Apple
// Server to Server Notification Documentation" for body, claims and members, which the former page does not show.
const google = {
  issuer: 'https://accounts.google.com/',
  aud: '123456789-abcedfgh.apps.googleusercontent.com',
}
const apple = { issuer: 'https://appleid.apple.com', aud: 'com.example.app' }
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const googleUser = { format: 'iss_sub', iss: google.issuer, sub: '7375626A656374' }
const googleSubject = { subject_type: 'iss-sub', iss: google.issuer, sub: '7375626A656374' }

interface Site extends AsyncDisposable {
  readonly hub: TestHub
  /** A token of the provider; claims and header as given, over what every one of its tokens has. */
  sign(claims: object, header?: Readonly<Record<string, unknown>>): string
  setDialects(body: object): Promise<Response>
  newest(): Promise<SignalBody | undefined>
}

async function startSite({ issuer, aud }: { readonly issuer: string; readonly aud: string }): Promise<Site> {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub())
  const key = await generateSigningKey('RS256')
  const keys = opened.use(
    await startLocalServer((_request, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ keys: [publicJwk(key)] })),
    ),
  )
  const settings = { issuer, jwks_url: `${keys.origin}/certs` }
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'P',
    type: 'test',
    settings,
  })
  const { id } = (await created.json()) as { id: string }
  let jti = 0
  return {
    hub,
    sign: (claims, header = {}) =>
      signSet({
        key,
        claims: {
          iss: issuer,
          aud,
          iat: Math.floor(Date.now() / 1_000),
          jti: `756E69717565-${(jti += 1)}`,
          ...claims,
        },
        header,
      }),
    setDialects: (body) => hub.api('PUT', `/v1/providers/${id}/dialects`, body),
    async newest() {
      await hub.handleAll()
      const { signals } = (await (await hub.api('GET', '/v1/signals?limit=1')).json()) as {
        signals: SignalBody[]
      }
      return signals[0]
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

describe('Google RISC', () => {
  const hijacked = {
    iat: 1_508_184_845,
    jti: '756E69717565206964656E746966696572',
    events: { [`${risc}account-disabled`]: { subject: googleSubject, reason: 'hijacking' } },
  }

  test.each([
    ['typ as it should be', {}],
    ['the typ of any JWT', { typ: 'JWT' }],
    ['no typ', { typ: undefined }],
  ])(
    'is refused with the name of the dialect while that is off, and taken when it is on: %s',
    async (_, header) => {
      await using site = await startSite(google)
      expect((await site.setDialects({ dialects: [], audiences: [google.aud] })).status).toBe(200)
      const token = site.sign(hijacked, header)
      const refused = await site.hub.push(token)
      expect(refused.status).toBe(400)
      expect(((await refused.json()) as { description: string }).description).toContain(
        'the dialect google-risc',
      )

      expect((await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud] })).status).toBe(
        200,
      )
      expect((await site.hub.push(token)).status).toBe(202)
      expect(await site.newest()).toMatchObject({
        outcome: 'handled',
        events: [
          {
            type: `${risc}account-disabled`,
            subject: { format: 'iss_sub', iss: google.issuer, sub: '7375626A656374' },
            claims: { reason: 'hijacking' },
          },
        ],
      })
    },
  )

  test.each([
    [googleSubject, { format: 'iss_sub', iss: google.issuer, sub: '7375626A656374' }],
    [
      { subject_type: 'email', email: 'ada@gmail.com' },
      { format: 'email', email: 'ada@gmail.com' },
    ],
    [
      { subject_type: 'id_token_claims', iss: google.issuer, sub: '1', email: 'ada@gmail.com' },
      {
        format: 'aliases',
        identifiers: [
          { format: 'iss_sub', iss: google.issuer, sub: '1' },
          { format: 'email', email: 'ada@gmail.com' },
        ],
      },
    ],
    [
      { subject_type: 'id_token_claims', iss: google.issuer, sub: '1' },
      { format: 'iss_sub', iss: google.issuer, sub: '1' },
    ],
    [
      { ...googleSubject, format: 'email', email: 'new@example.com' },
      { format: 'email', email: 'new@example.com' },
    ], // RISC 1.0 §3.1
  ])('the subject %j is understood', async (subject, understood) => {
    await using site = await startSite(google)
    await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud] })
    expect(
      (await site.hub.push(site.sign({ events: { [`${risc}account-enabled`]: { subject } } }))).status,
    ).toBe(202)
    expect((await site.newest())?.events).toMatchObject([{ subject: understood }])
  })

  const oauth = 'https://schemas.openid.net/secevent/oauth/event-type/'
  const tokenSubject = {
    token_type: 'refresh_token',
    token_identifier_alg: 'hash_base64_sha512_sha512',
    token: 'x',
  }

  test.each<[string, object, object | undefined]>([
    [`${risc}sessions-revoked`, { subject: googleSubject }, googleUser],
    [`${oauth}tokens-revoked`, { subject: googleSubject }, googleUser],
    [
      `${oauth}token-revoked`,
      { subject: { subject_type: 'oauth_token', ...tokenSubject } },
      { format: 'oauth_token', ...tokenSubject },
    ],
    [`${risc}account-disabled`, { subject: googleSubject, reason: 'bulk-account' }, googleUser],
    [`${risc}account-disabled`, { subject: googleSubject }, googleUser],
    [`${risc}account-enabled`, { subject: googleSubject }, googleUser],
    [`${risc}account-credential-change-required`, { subject: googleSubject }, googleUser],
    [`${risc}verification`, { state: 'Test token requested' }, undefined],
  ])('its event %s %j is refused without the dialect, and taken with it', async (type, event, subject) => {
    await using site = await startSite(google)
    const token = site.sign({ events: { [type]: event } }, { typ: 'JWT' })
    await site.setDialects({ dialects: [], audiences: [google.aud] })
    const refused = await site.hub.push(token)
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringContaining('the dialect google-risc,'),
    ])
    await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud] })
    expect((await site.hub.push(token)).status).toBe(202)
    expect((await site.newest())?.events).toMatchObject([{ type, ...(subject && { subject }) }])
  })

  test('the audience may be any of an app’s client ids, and exp is nothing to look at', async () => {
    await using site = await startSite(google)
    const other = '123456789-ijklmnop.apps.googleusercontent.com'
    await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud, other] })
    expect((await site.hub.push(site.sign({ ...hijacked, aud: other, exp: 1_508_188_445 }))).status).toBe(202)
    expect((await site.hub.push(site.sign({ ...hijacked, aud: 'third' }))).status).toBe(400)
  })

  test('the dialect forgives nothing else', async () => {
    await using site = await startSite(google)
    await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud] })
    const push = async (claims: object, header?: Readonly<Record<string, unknown>>): Promise<unknown> => {
      const answer = await site.hub.push(site.sign({ ...hijacked, ...claims }, header))
      return [answer.status, ((await answer.json()) as { err: string }).err]
    }
    expect(await push({ aud: site.hub.origin })).toEqual([400, 'invalid_audience']) // the audience is Google's now
    expect(await push({}, { typ: 'at+jwt' })).toEqual([400, 'invalid_request'])
    expect(await push({ sub: '7375626A656374' })).toEqual([400, 'invalid_request'])
    expect(await push({ events: { [`${risc}account-enabled`]: { subject: { subject_type: 7 } } } })).toEqual([
      400,
      'invalid_request',
    ])
    expect(await push({ iss: 'https://accounts.google.com' })).toEqual([400, 'invalid_issuer'])
  })
})

describe('Apple', () => {
  const at = 1_611_765_847_700
  const relayed = { email: 'ada@privaterelay.appleid.com', is_private_email: 'true' }
  const notification = (event: object): object => ({
    iat: 1_611_765_860,
    exp: 1_611_852_260,
    events: JSON.stringify({ type: 'consent-revoked', sub: '000123.abc.0456', event_time: at, ...event }),
  })
  const post = (site: Site, body: unknown): Promise<Response> =>
    fetch(`${site.hub.origin}/security/api/v1/security-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  test('is refused with the name of the dialect while that is off, and answered with 200 when it is on', async () => {
    await using site = await startSite(apple)
    const token = site.sign(notification({ type: 'email-disabled', ...relayed }), { typ: undefined })
    await site.setDialects({ dialects: [], audiences: [apple.aud] })
    const refused = await post(site, { payload: token })
    expect(refused.status).toBe(400)
    expect(((await refused.json()) as { description: string }).description).toContain('the dialect apple')

    await site.setDialects({ dialects: ['apple'], audiences: [apple.aud] })
    expect((await post(site, { payload: token })).status).toBe(200)
    expect((await site.hub.push(token)).status).toBe(202)
    expect(await site.newest()).toMatchObject({
      repeats: 1,
      events: [
        {
          type: `${appleEventPrefix}email-disabled`,
          subject: { format: 'iss_sub', iss: apple.issuer, sub: '000123.abc.0456' },
          occurred_at: new Date(at).toISOString(),
          claims: relayed,
        },
      ],
    })
  })

  // Apple's page says account-deleted, and developers see account-delete.
  test.each(['email-disabled', 'email-enabled', 'consent-revoked', 'account-deleted', 'account-delete'])(
    'its event %s is taken, with typ JWT as well',
    async (type) => {
      await using site = await startSite(apple)
      await site.setDialects({ dialects: ['apple'], audiences: [apple.aud] })
      const event = type.startsWith('email') ? { type, ...relayed } : { type }
      const payload = site.sign(notification(event), { typ: 'JWT' })
      expect((await post(site, { payload })).status).toBe(200)
      expect((await site.newest())?.events).toMatchObject([
        { type: appleEventPrefix + type, occurred_at: new Date(at).toISOString() },
      ])
    },
  )

  test.each([
    ['no JSON', { events: 'consent-revoked' }],
    ['no type', { events: '{"sub":"1"}' }],
    ['an empty list', { events: '[]' }],
    ['two events, of which one would be lost', { events: '[{"type":"a","sub":"1"},{"type":"b","sub":"1"}]' }],
    ['a number', { events: 7 }],
    ['nothing', {}],
  ])('events that hold %s are refused', async (_, claims) => {
    await using site = await startSite(apple)
    await site.setDialects({ dialects: ['apple'], audiences: [apple.aud] })
    expect((await post(site, { payload: site.sign(claims) })).status).toBe(400)
  })

  test('nobody else may put tokens into JSON', async () => {
    await using site = await startSite(google)
    await site.setDialects({ dialects: ['google-risc'], audiences: [google.aud] })
    const token = site.sign({ events: { [`${risc}account-enabled`]: { subject: googleSubject } } })
    expect((await post(site, { payload: token })).status).toBe(400)
    expect((await post(site, { token })).status).toBe(400)
    expect((await post(site, token)).status).toBe(400)
    expect((await site.hub.push(token)).status).toBe(202)
  })
})

describe('Keycloak', () => {
  // What version 26.7.3 sent when an administrator logged a user out of everything, with times and ids of this test.
  const keycloak = { issuer: 'https://sso.example/realms/acme', aud: 'watchbell/b8a52dd6' }
  const user = { format: 'iss_sub', iss: keycloak.issuer, sub: '2d58081c-1e9e-4331-b159-e8458bb853aa' }
  const seconds = (agoS: number): number => Math.floor(Date.now() / 1_000) - agoS
  const loggedOutEverywhere = () => ({
    sub_id: { format: 'complex', user, session: { format: 'opaque', id: 'ALL' } },
    txn: 'c527085a-457b-4ea4-b4b9-43c8ec8fd903',
    events: {
      'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {
        event_timestamp: seconds(60),
        initiating_entity: 'user',
        reason_admin: { en: 'User logout' },
      },
    },
  })

  test('the session ALL is refused with the name of the dialect while that is off', async () => {
    await using site = await startSite(keycloak)
    await site.setDialects({ dialects: [], audiences: [keycloak.aud] })
    const refused = await site.hub.push(site.sign(loggedOutEverywhere()))
    expect(refused.status).toBe(400)
    expect(((await refused.json()) as { description: string }).description).toContain('the dialect keycloak,')
  })

  test('and ends every session of the user that began before, when it is on', async () => {
    await using site = await startSite(keycloak)
    await site.setDialects({ dialects: ['keycloak'], audiences: [keycloak.aud] })
    expect((await site.hub.push(site.sign(loggedOutEverywhere()))).status).toBe(202)
    expect(await site.newest()).toMatchObject({
      outcome: 'handled',
      events: [{ matched: true, subject: { format: 'complex', user } }],
    })
    const decisionOn = async (sub: string, issuedAt: number, session?: string): Promise<unknown> => {
      const answer = await site.hub.api('POST', '/access/v1/evaluation', {
        subject: { type: 'user', id: sub },
        action: { name: 'authenticate' },
        resource: { type: 'app', id: 'mail' },
        context: { issued_at: new Date(issuedAt * 1_000).toISOString(), ...(session && { session }) },
      })
      return ((await answer.json()) as { decision: boolean }).decision
    }
    expect(await decisionOn(user.sub, seconds(120))).toBe(false)
    expect(await decisionOn(user.sub, seconds(120), 'any-session')).toBe(false)
    expect(await decisionOn(user.sub, seconds(10))).toBe(true)
    expect(await decisionOn('somebody-else', seconds(120))).toBe(true)
  })
})

test('dialects are read whole, shown, journaled, and go with their provider', async () => {
  await using site = await startSite(google)
  for (const body of [
    undefined,
    {},
    { dialects: 'apple' },
    { dialects: ['klingon'] },
    { dialects: [], audiences: [''] },
    { dialects: [], audiences: 'a' },
  ]) {
    expect((await site.setDialects(body as object)).status).toBe(400) // one is not even an object
  }
  const answer = await site.setDialects({ dialects: ['scim', 'apple', 'scim'] })
  expect(await answer.json()).toEqual({ dialects: ['apple', 'scim'], audiences: [] })
  expect(
    (await site.hub.api('PUT', '/v1/providers/sse00000000000000000/dialects', { dialects: [] })).status,
  ).toBe(404)
  const logs = await site.hub.api('GET', '/api/v1/logs?filter=eventType eq "security.events.provider.update"')
  expect(await logs.json()).toMatchObject([
    { target: [{ changeDetails: { from: { dialects: [] }, to: { dialects: ['apple', 'scim'] } } }] },
  ])
})
