import { randomInt } from 'node:crypto'
import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventCatalogue } from '@watchbell/receiver/events'
import { breakages, type BreakageName } from '../../src/testing/breakages.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { onPostgres } from '../postgres-database.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { expectLimit } from './rate-limit.ts'
import { ada, startHubWithProvider } from './with-provider.ts'

const receiveEvent = encodeURIComponent('eventType eq "security.events.provider.receive_event"')

/** For tests that leave no trace which another could trip over. */
let shared: Awaited<ReturnType<typeof startHubWithProvider>>
beforeAll(async () => {
  shared = await startHubWithProvider()
})
afterAll(() => shared[Symbol.asyncDispose]())

describe('a SET that verifies', () => {
  test('is handled with identifiers of any length', async () => {
    await using site = await startHubWithProvider()
    // Three bytes each, and nothing that compression makes short.
    const long = (): string =>
      String.fromCodePoint(...Array.from({ length: 2_048 }, () => randomInt(0x4e00, 0x9fff)))
    const subjects = [
      { format: 'opaque', id: long() },
      { format: 'iss_sub', iss: site.transmitter.issuer, sub: long() },
    ]
    for (const subject of subjects) expect((await site.hub.push(site.sign({ subject }))).status).toBe(202)
    await site.hub.handleAll()
    expect((await site.signals()).map(({ outcome }) => outcome)).toEqual(subjects.map(() => 'handled'))
  })

  test('OKTA-E3, RFC 8935 §2.2: is answered with 202 and an empty body, stored, handled and logged', async () => {
    await using site = await startHubWithProvider()
    const answer = await site.hub.push(site.sign({ jti: 'one' }))
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([202, '', '0'])
    await site.hub.handleAll()
    expect(await site.signals()).toMatchObject([
      { outcome: 'handled', provider: site.providerId, iss: site.transmitter.issuer, jti: 'one', repeats: 0 },
    ])
    expect(await site.logs(`?filter=${receiveEvent}`)).toMatchObject([
      {
        eventType: 'security.events.provider.receive_event',
        outcome: { result: 'SUCCESS' },
        actor: { type: 'SecurityEventProvider', displayName: site.transmitter.issuer },
        target: [{ type: 'User', alternateId: 'ada@example.com' }],
        debugContext: { debugData: { jti: 'one' } },
      },
    ])
  })

  test('OKTA-E42, RFC 8935 §2: a repeat is 202 as well, is counted and changes nothing', async () => {
    await using site = await startHubWithProvider()
    const set = site.sign()
    for (let time = 0; time < 3; time += 1) expect((await site.hub.push(set)).status).toBe(202)
    await site.hub.handleAll()
    expect((await site.hub.push(set)).status).toBe(202)
    await site.hub.handleAll()
    expect(await site.signals()).toMatchObject([{ outcome: 'handled', repeats: 3 }])
    expect(await site.logs(`?filter=${receiveEvent}`)).toHaveLength(1)
  })

  test('fifty concurrent copies make one signal', async () => {
    await using site = await startHubWithProvider()
    const set = site.sign()
    const answers = await Promise.all(Array.from({ length: 50 }, () => site.hub.push(set)))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(202))
    await site.hub.handleAll()
    expect(await site.signals()).toMatchObject([{ repeats: 49 }])
    expect(await site.logs(`?filter=${receiveEvent}`)).toHaveLength(1)
  })

  test('survives a restart, and a repeat after the restart is still a repeat', async () => {
    await using folder = await temporaryFolder()
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const port = new URL((await startAndStop()).origin).port
    const settings = { listen: `127.0.0.1:${port}` }
    async function startAndStop(): Promise<{ origin: string }> {
      await using hub = await startTestHub()
      return { origin: hub.origin }
    }
    let set: string
    {
      await using hub = await startTestHub({ folder: folder.path, settings })
      const { issuer, jwksUrl } = transmitter
      await hub.api('POST', '/api/v1/security-events-providers', {
        name: 'idp',
        type: 'test',
        settings: { issuer, jwks_url: jwksUrl },
      })
      set = transmitter.sign({ type: 'session-revoked', subject: ada, aud: hub.origin })
      expect((await hub.push(set)).status).toBe(202)
    }
    await using hub = await startTestHub({ folder: folder.path, settings })
    expect((await hub.push(set)).status).toBe(202)
    await hub.handleAll()
    expect(await (await hub.api('GET', '/v1/signals')).json()).toMatchObject({
      signals: [{ outcome: 'handled', repeats: 1 }],
    })
  })

  test.each(eventCatalogue.map((entry) => [`${entry.family}/${entry.name}`, entry] as const))(
    'every catalogued event is taken and decoded, those of SCIM by its dialect: %s',
    async (name, entry) => {
      const site = shared
      const jti = `catalogue ${name}`
      const dialects = entry.family === 'scim' ? ['scim'] : []
      await site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects })
      expect((await site.hub.push(site.sign({ type: entry.type, jti }))).status).toBe(202)
      expect(await site.signals(`?jti=${encodeURIComponent(jti)}`)).toMatchObject([
        { events: [{ type: entry.type, family: entry.family, name: entry.name }] },
      ])
    },
  )

  test('with only unknown event types is kept as it came (not OKTA-E48)', async () => {
    await using site = await startHubWithProvider()
    const events = { 'https://vendor.example/events/odd': { subject: ada, deep: { er: [1, 'two', null] } } }
    expect((await site.hub.push(site.sign({ events }))).status).toBe(202)
    await site.hub.handleAll()
    expect(await site.signals()).toMatchObject([
      { outcome: 'handled', events: [{ family: 'unknown', claims: { deep: { er: [1, 'two', null] } } }] },
    ])
  })

  test('OKTA-E47: with several events has all of them handled', async () => {
    await using site = await startHubWithProvider()
    const events = Object.fromEntries(
      eventCatalogue
        .filter(({ family }) => family === 'risc')
        .map(({ type, example }) => [type, { ...example, subject: ada }]),
    )
    expect((await site.hub.push(site.sign({ events }))).status).toBe(202)
    await site.hub.handleAll()
    const [signal] = await site.signals()
    expect(signal?.events).toHaveLength(Object.keys(events).length)
    expect(await site.logs(`?filter=${receiveEvent}`)).toHaveLength(Object.keys(events).length)
  })

  test.each([
    ['the origin', (origin: string) => origin],
    ['with a trailing slash', (origin: string) => `${origin}/`],
    ['in an array', (origin: string) => [origin]],
    ['in an array with others', (origin: string) => ['https://other.example', `${origin}/`]],
  ])('OKTA-E41, SSF 1.0 §4.1.8: aud %s', async (_name, aud) => {
    const site = shared
    expect((await site.hub.push(site.sign({ aud: aud(site.hub.origin) }))).status).toBe(202)
  })

  test.each([
    ['bare', (set: string) => set],
    ['OKTA-E5: in double quotes', (set: string) => `"${set}"`],
    ['with white space around', (set: string) => `\r\n ${set} \n`],
  ])('body %s', async (_name, body) => {
    const site = shared
    expect((await site.hub.push(body(site.sign()))).status).toBe(202)
  })

  test.each(['secevent+jwt', 'application/secevent+jwt', 'SECEVENT+JWT', 'Application/SecEvent+JWT'])(
    'OKTA-E30, RFC 8417 §2.3: typ %s',
    async (typ) => {
      const site = shared
      expect((await site.hub.push(site.sign({ header: { typ } }))).status).toBe(202)
    },
  )

  test('OKTA-E1: an Authorization header is ignored', async () => {
    const site = shared
    const answer = await fetch(`${site.hub.origin}/security/api/v1/security-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt', authorization: 'Bearer nonsense' },
      body: site.sign(),
    })
    expect(answer.status).toBe(202)
  })

  test('OKTA-A6, OKTA-A7: paths with // and absolute-form targets are accepted', async () => {
    const site = shared
    const { port } = new URL(site.hub.origin)
    const statuses = [
      '//security/api/v1/security-events',
      'http://elsewhere.example/security/api/v1/security-events',
    ].map(
      (path) =>
        new Promise((resolve, reject) => {
          const headers = { 'content-type': 'application/secevent+jwt', 'proxy-authorization': 'Basic Og==' }
          request({ port, path, method: 'POST', headers }, ({ statusCode }) => resolve(statusCode))
            .on('error', reject)
            .end(site.sign())
        }),
    )
    expect(await Promise.all(statuses)).toEqual([202, 202])
  })
})

describe('a SET that is refused', () => {
  const errOf: Partial<Record<string, string>> = {
    'set.wrong_audience': 'invalid_audience',
    'set.unknown_issuer': 'invalid_issuer',
    'set.unknown_key': 'invalid_key',
    'set.key_refused': 'invalid_key',
    'set.bad_signature': 'invalid_key',
  }
  const names = Object.keys(breakages) as BreakageName[] // the record's own keys

  test.each(names.filter((name) => name !== 'oversized'))(
    'OKTA-E4, RFC 8935 §2.3: broken by %s is 400 in the words of RFC 8935, and shown with the reason',
    async (name) => {
      await using site = await startHubWithProvider()
      const set = await site.transmitter.signBroken(name, {
        type: 'session-revoked',
        aud: site.hub.origin,
        subject: ada,
      })
      const answer = await site.hub.push(set)
      const { code } = breakages[name]
      expect([answer.status, answer.headers.get('content-language')]).toEqual([400, 'en'])
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
      const body = (await answer.json()) as { err: string; description: string }
      expect(Object.keys(body)).toEqual(['err', 'description'])
      expect(body.err).toBe(errOf[code] ?? 'invalid_request')
      expect(body.description).not.toMatch(/\b[A-Z]\d{1,2}\b/) // the rows of our own documents tell a sender nothing
      expect(await site.signals()).toMatchObject([
        { outcome: 'refused', code, reason: body.description, events: [] },
      ])
      expect(await (await site.hub.api('GET', '/v1/signals/counts')).json()).toMatchObject({
        accepted: 0,
        refused: [{ code, count: 1 }],
      })
      expect(await site.logs(`?filter=${receiveEvent}`)).toEqual([]) // OKTA-L75
    },
  )

  test('OKTA-E10, OKTA-E12: a SET without aud is invalid_request, one with another aud is invalid_audience', async () => {
    const site = shared
    const answers = [undefined, 'https://another-receiver.example'].map(async (aud) => {
      const answer = await site.hub.push(site.sign({ token: { aud } }))
      return [answer.status, ((await answer.json()) as { err: string }).err]
    })
    expect(await Promise.all(answers)).toEqual([
      [400, 'invalid_request'],
      [400, 'invalid_audience'],
    ])
  })

  test('OKTA-E20, OKTA-E22: the texts are Okta’s byte for byte', async () => {
    await using site = await startHubWithProvider()
    const descriptionOf = async (type: string, claims: object): Promise<unknown> =>
      ((await (await site.hub.push(site.sign({ type, claims }))).json()) as { description: string })
        .description
    expect(await descriptionOf('device-compliance-change', { previous_status: undefined })).toBe(
      "Failed claim validation in security event token. 'events.mediationDeviceComplianceChangeEvent.previousStatus': The field cannot be left blank",
    )
    expect(
      await descriptionOf('user-risk-change', {
        current_level: '',
        previous_level: undefined,
        initiating_entity: 'nobody',
      }),
    ).toBe(
      "Failed claim validation in security event token. 'events.mediationUserRiskChangeEvent.initiatingEntity': Not one of the allowed values, 'events.mediationUserRiskChangeEvent.currentRiskLevel': The field cannot be left blank, 'events.mediationUserRiskChangeEvent.previousRiskLevel': The field cannot be left blank",
    )
  })

  test('a refused SET does not use up its jti', async () => {
    await using site = await startHubWithProvider()
    const draft = { jti: 'same', type: 'session-revoked', subject: ada, aud: site.hub.origin }
    expect((await site.hub.push(await site.transmitter.signBroken('signature', draft))).status).toBe(400)
    expect((await site.hub.push(site.sign(draft))).status).toBe(202)
    await site.hub.handleAll()
    expect(await site.signals()).toMatchObject([{ outcome: 'handled', repeats: 0 }, { outcome: 'refused' }])
  })

  test('OKTA-E93, OKTA-Z3: SETs of a deactivated provider are refused at once and accepted after activation', async () => {
    await using site = await startHubWithProvider()
    const path = `/api/v1/security-events-providers/${site.providerId}/lifecycle`
    await site.hub.api('POST', `${path}/deactivate`)
    const answer = await site.hub.push(site.sign())
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ err: 'authentication_failed' })
    await site.hub.api('POST', `${path}/activate`)
    expect((await site.hub.push(site.sign())).status).toBe(202)
  })

  test('no SET is accepted after the answer to deactivate', async () => {
    await using site = await startHubWithProvider()
    const pushes: Promise<Response>[] = []
    for (let count = 0; count < 100; count += 1) pushes.push(site.hub.push(site.sign()))
    await site.hub.api('POST', `/api/v1/security-events-providers/${site.providerId}/lifecycle/deactivate`)
    const before = await accepted()
    await Promise.all(pushes)
    expect(await accepted()).toBe(before)
    async function accepted(): Promise<number> {
      return ((await (await site.hub.api('GET', '/v1/signals/counts')).json()) as { accepted: number })
        .accepted
    }
  })

  test.each([[undefined], ['application/json'], ['text/plain'], ['application/jwt']])(
    'RFC 8935 §2.1: media type %s is 400',
    async (type) => {
      const site = shared
      const answer = await fetch(`${site.hub.origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: type === undefined ? {} : { 'content-type': type },
        body: new TextEncoder().encode(site.sign()),
      })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({
        err: 'invalid_request',
        description: 'The Content-Type must be application/secevent+jwt.',
      })
    },
  )

  test('a content encoding is 415 whatever the body is, and nothing is stored', async () => {
    await using site = await startHubWithProvider()
    const push = (encoding: string, body: string | Uint8Array<ArrayBuffer>, type: string) =>
      fetch(`${site.hub.origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': type, 'content-encoding': encoding },
        body,
      })
    const set = 'application/secevent+jwt'
    const apples = JSON.stringify({ payload: site.sign() })
    for (const [encoding, body, type] of [
      ['gzip', site.sign(), set],
      ['gzip', new Uint8Array(gzipSync(site.sign())), set],
      ['deflate', site.sign(), set],
      ['identity, br', site.sign(), set],
      ['gzip', apples, 'application/json'],
    ] as const) {
      const answer = await push(encoding, body, type)
      expect([answer.status, answer.headers.get('accept-encoding')]).toEqual([415, 'identity'])
      expect(await answer.json()).toEqual({
        err: 'invalid_request',
        description: `The Content-Encoding is ${encoding}; send the body without one.`,
      })
    }
    expect((await site.signals('')).map(({ code }) => code)).toEqual(
      Array(5).fill('request.content_encoding'),
    )
    expect((await push('identity', site.sign(), set)).status).toBe(202)
  })

  test('an empty body is 400, one above the limit 413, another method 405', async () => {
    const site = shared
    expect((await site.hub.push('')).status).toBe(400)
    const tooLarge = await site.hub.push('x'.repeat(65_537))
    expect([tooLarge.status, await tooLarge.json()]).toMatchObject([413, { err: 'invalid_request' }])
    expect((await fetch(`${site.hub.origin}/security/api/v1/security-events`)).status).toBe(405)
  })

  test('a request that is refused before its body is read is listed, counted and limited like other refusals', async () => {
    await using site = await startHubWithProvider({ hub: { settings: { refusalsPerMinute: '3' } } })
    const asJson = (): Promise<Response> =>
      fetch(`${site.hub.origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ set: site.sign() }),
      })
    const statuses = [(await asJson()).status, (await site.hub.push('x'.repeat(65_537))).status]
    for (let count = 0; count < 3; count += 1) statuses.push((await asJson()).status)
    expect(statuses).toEqual([400, 413, 400, 429, 429])
    expectLimit((await asJson()).headers, '3')
    expect(await site.signals('?outcome=refused')).toMatchObject([
      { code: 'request.media_type', source: '127.0.0.1' },
      { code: 'request.too_large', reason: expect.stringContaining('larger') },
      {
        code: 'request.media_type',
        provider: null,
        reason: 'The Content-Type must be application/secevent+jwt.',
      },
    ])
    expect(await (await site.hub.api('GET', '/v1/signals/counts')).json()).toMatchObject({
      refused: [
        { code: 'request.media_type', count: 2 },
        { code: 'request.rate_limited', count: 3 },
        { code: 'request.too_large', count: 1 },
      ],
    })
  })

  test('a flood of invalid SETs gets 429 (OKTA-E7), is fully counted and does not block valid SETs', async () => {
    await using site = await startHubWithProvider({ hub: { settings: { refusalsPerMinute: '5' } } })
    const forged = await site.transmitter.signBroken('signature', {
      type: 'session-revoked',
      aud: site.hub.origin,
      subject: ada,
    })
    const statuses: number[] = []
    for (let count = 0; count < 12; count += 1) statuses.push((await site.hub.push(forged)).status)
    expect(statuses).toEqual([...Array<number>(5).fill(400), ...Array<number>(7).fill(429)])
    const limited = await site.hub.push(forged)
    expectLimit(limited.headers, '5')
    expect(await limited.json()).toMatchObject({ errorCode: 'E0000047' })
    expect((await site.hub.push(site.sign())).status).toBe(202)
    expect(await (await site.hub.api('GET', '/v1/signals/counts')).json()).toMatchObject({
      accepted: 1,
      refused: [
        { code: 'request.rate_limited', count: 8 },
        { code: 'set.bad_signature', count: 5 },
      ],
    })
  })

  test('beyond its budget an address causes no signature check and no fetch when a cheaper check fails', async () => {
    await using site = await startHubWithProvider({ hub: { settings: { refusalsPerMinute: '1' } } })
    for (let count = 0; count < 2; count += 1) await site.hub.push('garbage')
    const fetchedBefore = site.hub.hub.keys.status(site.providerId)
    expect(fetchedBefore).toBeUndefined()
    expect((await site.hub.push(site.sign({ aud: 'https://elsewhere.example' }))).status).toBe(429)
    expect(site.hub.hub.keys.status(site.providerId)?.fetchedAt).toBeUndefined()
    expect((await site.hub.push(site.sign())).status).toBe(202)
    expect(site.hub.hub.keys.status(site.providerId)?.fetchedAt).toBeInstanceOf(Date)
  })

  test('unsigned SETs that name an issuer displace no refusals of that issuer and spend none of its budget', async () => {
    await using site = await startHubWithProvider({
      hub: { settings: { refusalsPerMinute: '210', trustedProxies: '127.0.0.1' } },
    })
    const draft = { type: 'session-revoked', aud: site.hub.origin, subject: ada } as const
    const own = [
      site.sign({ jti: 'other-audience', aud: 'https://elsewhere.example' }),
      await site.transmitter.signBroken('exp', { ...draft, jti: 'with-exp' }),
      await site.transmitter.signBroken('typ', { ...draft, jti: 'no-typ' }),
    ]
    for (const token of own) expect((await site.hub.push(token)).status).toBe(400)
    const forged = [
      await site.transmitter.signBroken('alg-none', draft),
      await site.transmitter.signBroken('signature', draft),
      [...site.sign().split('.').slice(0, 2), 'AAAA'].join('.'),
    ]
    for (let count = 0; count < 205; count += 1) await site.hub.push(forged[count % 3] ?? '')
    const codes = async (query: string) =>
      (await site.signals(`?outcome=refused&limit=200${query}`)).map(({ code, proven }) => [code, proven])
    expect(await codes('&proven=true')).toEqual([
      ['set.wrong_type', true],
      ['set.claim_invalid', true],
      ['set.wrong_audience', true],
    ])
    expect(new Set((await codes('&proven=false')).map(String))).toEqual(
      new Set(['set.algorithm_refused,false', 'set.bad_signature,false']),
    )
    // From many addresses, so that it is the name that is over its budget; what the issuer itself sends is still kept.
    const from = async (address: string, body: string): Promise<number> => {
      const headers = { 'content-type': 'application/secevent+jwt', 'x-forwarded-for': address }
      const url = `${site.hub.origin}/security/api/v1/security-events`
      return (await fetch(url, { method: 'POST', headers, body })).status
    }
    for (let count = 0; count < 20; count += 1) await from(`192.0.2.${count}`, forged[1] ?? '')
    expect(await from('192.0.2.99', forged[1] ?? '')).toBe(429)
    const late = site.sign({ jti: 'late', aud: 'https://elsewhere.example' })
    expect(await from('192.0.2.100', late)).toBe(400)
    expect(await site.signals('?proven=true&jti=late')).toMatchObject([{ code: 'set.wrong_audience' }])
    expect((await site.hub.api('GET', '/v1/signals?proven=maybe')).status).toBe(400)
  })

  test('refusals without a known issuer have a ring of their own', async () => {
    await using site = await startHubWithProvider()
    await using stranger = await startTransmitter({ alg: 'ES256' })
    for (let count = 0; count < 210; count += 1) {
      await site.hub.push(stranger.sign({ type: 'session-revoked', aud: site.hub.origin, subject: ada }))
    }
    await site.hub.push(
      await site.transmitter.signBroken('typ', { type: 'session-revoked', aud: site.hub.origin }),
    )
    const unknown = await site.signals(
      `?outcome=refused&iss=${encodeURIComponent(stranger.issuer)}&limit=200`,
    )
    expect(unknown).toHaveLength(200)
    expect(await site.signals(`?outcome=refused&provider=${site.providerId}`)).toMatchObject([
      { code: 'set.wrong_type' },
    ])
    expect(await (await site.hub.api('GET', '/v1/signals/counts')).json()).toMatchObject({
      refused: [
        { provider: null, code: 'set.unknown_issuer', count: 210 },
        { provider: site.providerId, count: 1 },
      ],
    })
  })
})

describe('faults of the hub', () => {
  test('a key set that cannot be fetched is 503 with Retry-After, and the SET is accepted later', async () => {
    await using site = await startHubWithProvider()
    site.transmitter.down = true
    const set = site.sign()
    const answer = await site.hub.push(set)
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await site.signals()).toEqual([]) // not a refusal: nothing is wrong with the SET
    site.transmitter.down = false
    await expect.poll(async () => (await site.hub.push(set)).status, { timeout: 10_000 }).toBe(202)
  })

  test('a rotated key is used at once', async () => {
    await using site = await startHubWithProvider()
    expect((await site.hub.push(site.sign())).status).toBe(202)
    await site.transmitter.rotateKey()
    expect((await site.hub.push(site.sign())).status).toBe(202)
    expect(site.transmitter.fetches.keys).toBe(2)
  })

  // On PostgreSQL test/postgres/hub.test.ts takes the server away.
  test.skipIf(onPostgres)(
    'a failing database is 503, never 400, and the SET is accepted when the database works again',
    async () => {
      await using folder = await temporaryFolder()
      await using site = await startHubWithProvider({ hub: { folder: folder.path, threads: true } })
      const set = site.sign()
      const blocker = new Database(`${folder.path}/watchbell.db`)
      blocker.exec('BEGIN IMMEDIATE')
      const answer = await site.hub.push(set)
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
      blocker.exec('ROLLBACK')
      blocker.close()
      expect((await site.hub.push(set)).status).toBe(202)
      expect(await site.signals()).toMatchObject([{ repeats: 0 }])
    },
  )
})

test('random bytes never give 500', { timeout: 120_000 }, async () => {
  await using site = await startHubWithProvider()
  const parts = site.sign().split('.')
  const json = fc
    .jsonValue({ maxDepth: 4 })
    .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
  const segment = fc.oneof(
    json,
    fc.base64String(),
    fc.constantFrom(...parts),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.string({ unit: 'binary' }),
  )
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.tuple(segment, segment, segment).map((three) => Buffer.from(three.join('.'))),
    fc.record({ at: fc.nat(), byte: fc.nat(255) }).map(({ at, byte }) => {
      const bytes = Buffer.from(parts.join('.'))
      bytes[at % bytes.length] = byte
      return bytes
    }),
  )
  await fc.assert(
    fc.asyncProperty(body, async (bytes) => {
      const answer = await fetch(`${site.hub.origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt' },
        body: Buffer.from(bytes),
      })
      await answer.arrayBuffer()
      if (answer.status === 503) {
        // It names a key that we may not look for again just now, and that may be a new one.
        expect(kidOf(bytes)).not.toBe(kidOf(Buffer.from(parts.join('.'))))
        expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      } else expect([202, 400, 429]).toContain(answer.status)
    }),
    { numRuns: propertyRuns(50) },
  )
})

function kidOf(token: Uint8Array): unknown {
  const [header = ''] = Buffer.from(token).toString().split('.')
  return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid?: unknown }).kid // of a token that was read
}
