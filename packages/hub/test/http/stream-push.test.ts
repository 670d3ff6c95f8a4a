import { describe, expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { expectLimit } from './rate-limit.ts'
import { ada, startStreamSite, type StreamSite, type PushedStream } from './with-stream.ts'

const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

interface Refused {
  readonly err: string
  readonly description: string
}

async function push(
  site: StreamSite,
  { push_url }: Pick<PushedStream, 'push_url'>,
  token: string,
  authorization: string | undefined = site.transmitter.stream().authorization,
): Promise<Response> {
  return fetch(push_url, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', ...(authorization && { authorization }) },
    body: token,
  })
}

async function refused(answer: Response): Promise<Refused & { readonly status: number }> {
  return { status: answer.status, ...((await answer.json()) as Refused) }
}

describe('the Authorization of a push (SSF 1.0 §6.1.1, RFC 8935 §3)', () => {
  test.each([
    ['missing', ''],
    ['another value', 'Bearer x'],
    ['a prefix', 'prefix'],
    ['without its scheme', 'bare'],
  ])('%s is 401 with WWW-Authenticate, and recorded', async (_, given) => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const right = site.transmitter.stream().authorization ?? ''
    const wrong: Record<string, string> = { prefix: right.slice(0, -1), bare: right.replace('Bearer ', '') }
    const answer = await fetch(stream.push_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/secevent+jwt',
        ...(given && { authorization: wrong[given] ?? given }),
      },
      body: site.sign(),
    })
    expect(answer.headers.get('www-authenticate')).toBe(`Bearer realm="${site.hub.origin}"`)
    expect(answer.headers.get('content-language')).toBe('en')
    expect(await refused(answer)).toMatchObject({ status: 401, err: 'authentication_failed' })
    expect(await site.signals('?outcome=refused')).toMatchObject([
      { provider: site.providerId, code: 'set.push_unauthorized', iss: null },
    ])
  })

  test('a push with a content encoding is 415, and recorded', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const answer = await fetch(stream.push_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/secevent+jwt',
        'content-encoding': 'gzip',
        authorization: site.transmitter.stream().authorization ?? '',
      },
      body: site.sign(),
    })
    expect(answer.headers.get('accept-encoding')).toBe('identity')
    expect(await refused(answer)).toMatchObject({ status: 415, err: 'invalid_request' })
    expect(await site.signals('?outcome=refused')).toMatchObject([{ code: 'request.content_encoding' }])
  })

  test('an unknown stream and a poll stream have no push URL', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const token = site.sign()
    expect((await push(site, { push_url: stream.push_url.replace('/str', '/sts') }, token)).status).toBe(404)
    await site.connect({ delivery: 'poll' })
    expect((await push(site, stream, token)).status).toBe(404)
  })

  test('is rotated with or without an overlap', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const first = site.transmitter.stream().authorization
    const rotate = (overlap: unknown): Promise<Response> =>
      site.api(
        'POST',
        '/rotate-authorization',
        overlap === undefined ? undefined : { overlap_seconds: overlap },
      )
    expect((await rotate(60)).status).toBe(200)
    const second = site.transmitter.stream().authorization
    expect(second).not.toBe(first)
    for (const value of [first, second]) {
      expect((await push(site, stream, site.sign(), value)).status).toBe(202)
    }
    expect((await rotate(0)).status).toBe(200)
    expect((await push(site, stream, site.sign(), first)).status).toBe(401)
    expect((await push(site, stream, site.sign(), second)).status).toBe(401)
    expect((await push(site, stream, site.sign())).status).toBe(202)
    for (const bad of [-1, 1.5, '60', 604_801]) expect((await rotate(bad)).status).toBe(400)
    expect(await site.logs('watchbell.stream.rotate')).toHaveLength(2)
  })

  test('a rotation whose answer is lost loses no event, whichever value the transmitter uses', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const first = site.transmitter.stream().authorization
    site.transmitter.fail('configuration', 'lost_answer')
    expect((await site.api('POST', '/rotate-authorization', { overlap_seconds: 0 })).status).toBe(502)
    const second = site.transmitter.stream().authorization
    expect(second).not.toBe(first)
    for (const value of [first, second]) {
      expect((await push(site, stream, site.sign(), value)).status).toBe(202)
    }
    expect((await site.api('POST', '/rotate-authorization')).status).toBe(200)
    expect((await push(site, stream, site.sign())).status).toBe(202)
  })

  test('a rotation that is retried and fails loses no event either: both values stay valid', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const first = site.transmitter.stream().authorization
    site.transmitter.fail('configuration', 'lost_answer')
    expect((await site.api('POST', '/rotate-authorization')).status).toBe(502)
    const second = site.transmitter.stream().authorization
    for (const fault of [{ status: 503 }, 'reset'] as const) {
      site.transmitter.fail('configuration', fault)
      expect((await site.api('POST', '/rotate-authorization')).status).toBe(502)
      for (const value of [first, second]) {
        expect((await push(site, stream, site.sign(), value)).status).toBe(202)
      }
    }
    expect((await site.api('PATCH', '', { description: 'New' })).status).toBe(200)
    expect((await push(site, stream, site.sign())).status).toBe(202)
    expect((await site.api('POST', '/rotate-authorization', { overlap_seconds: 0 })).status).toBe(200)
    expect((await push(site, stream, site.sign())).status).toBe(202)
    expect((await push(site, stream, site.sign(), first)).status).toBe(401)
    expect((await site.api('POST', '/rotate-authorization', { overlap_seconds: 0 })).status).toBe(200)
    expect((await push(site, stream, site.sign(), second)).status).toBe(401)
    expect((await push(site, stream, site.sign())).status).toBe(202)
  })
})

describe('the SETs that a stream accepts', () => {
  test('valid SETs of another provider are refused (SSF 1.0 §4.1.6, RFC 8935 §2)', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    await using other = await startTransmitter({ alg: 'ES256' })
    const settings = { issuer: other.issuer, jwks_url: other.jwksUrl }
    await site.hub.api('POST', '/api/v1/security-events-providers', { name: 'Other', type: 'test', settings })
    const token = other.sign({ type: 'session-revoked', aud: site.transmitter.stream().aud, subject: ada })
    expect(await refused(await push(site, stream, token))).toMatchObject({
      status: 400,
      err: 'invalid_issuer',
    })
    const [remembered] = await site.signals('?outcome=refused')
    expect(remembered).toMatchObject({ code: 'set.unknown_issuer', iss: other.issuer })
  })

  test('a repeated SET gets the same answer (RFC 8935 §2), and an invalid one is 400', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const token = site.sign()
    expect((await push(site, stream, token)).status).toBe(202)
    expect((await push(site, stream, token)).status).toBe(202)
    expect((await push(site, stream, 'garbage')).status).toBe(400)
    expect(await refused(await push(site, stream, token.replace(/.{4}$/, 'AAAA')))).toMatchObject({
      err: 'invalid_key',
    })
    await site.hub.handleAll()
    expect(await site.signals(`?type=${encodeURIComponent(sessionRevoked)}`)).toMatchObject([{ repeats: 1 }])
  })

  test('too many invalid SETs are 429 with the time of the reset (OKTA-E7, OKTA-Q1, OKTA-Q3)', async () => {
    await using site = await startStreamSite({ hub: { settings: { refusalsPerMinute: '2' } } })
    const stream = await site.connect()
    const statuses: number[] = []
    for (let count = 0; count < 3; count++) statuses.push((await push(site, stream, 'garbage')).status)
    expect(statuses).toEqual([400, 400, 429])
    expectLimit((await push(site, stream, 'garbage')).headers, '2')
    expectLimit((await push(site, stream, site.sign(), 'Bearer x')).headers, '2')
    expect((await push(site, stream, site.sign())).status).toBe(202)
  })

  test('SETs of a deactivated provider are refused; deleting a provider deletes its stream', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    const { authorization } = site.transmitter.stream()
    const provider = `/api/v1/security-events-providers/${site.providerId}`
    await site.hub.api('POST', `${provider}/lifecycle/deactivate`)
    expect(await refused(await push(site, stream, site.sign()))).toMatchObject({
      err: 'authentication_failed',
    })
    await site.hub.api('DELETE', provider)
    expect((await push(site, stream, site.sign(), authorization)).status).toBe(404)
    expect((await site.api('GET')).status).toBe(404)
  })

  test('a subject with an unknown critical member is refused (SSF 1.0 §3.6)', async () => {
    await using site = await startStreamSite({ transmitter: { criticalSubjectMembers: ['user', 'galaxy'] } })
    const stream = await site.connect()
    const of = (member: object): string => site.sign({ subject: { format: 'complex', user: ada, ...member } })
    expect((await push(site, stream, of({ moon: ada }))).status).toBe(202)
    expect(await refused(await push(site, stream, of({ galaxy: ada })))).toMatchObject({
      err: 'invalid_request',
    })
  })

  test('a critical member in an unknown format is refused with a verdict (SSF 1.0 §3.6)', async () => {
    const criticalSubjectMembers = ['user', 'device', 'tenant']
    await using site = await startStreamSite({ transmitter: { criticalSubjectMembers } })
    const stream = await site.connect()
    const of = (members: object): string =>
      site.sign({ subject: { format: 'complex', user: ada, ...members } })
    const badge = { format: 'badge', number: '7' }
    const bad = [
      { device: badge },
      { user: badge },
      { tenant: badge },
      { user: { format: 'aliases', identifiers: [ada, badge] } },
      { device: { format: 'ip-addresses', 'ip-addresses': ['192.0.2.1'] } },
    ]
    for (const members of bad) {
      expect(await refused(await push(site, stream, of(members)))).toMatchObject({
        status: 400,
        err: 'invalid_request',
        description: expect.stringMatching(/critical, and its format (badge|ip-addresses) .*SSF 1\.0 §3\.6/),
      })
    }
    expect(await site.signals('?outcome=refused')).toMatchObject(
      bad.map(() => ({ code: 'set.subject_invalid', provider: site.providerId })),
    )
    const good = [
      { device: { format: 'opaque', id: 'd' } },
      { session: badge }, // not critical
      { tenant: { format: 'opaque', id: 't' } },
    ]
    for (const members of good) expect((await push(site, stream, of(members))).status).toBe(202)
  })
})

describe('verification events (SSF 1.0 §8.1.4.1, §8.1.4)', () => {
  const verification = (site: StreamSite, claims: object, over: object = {}): string =>
    site.sign({
      type: `${ssf}verification`,
      subject: { format: 'opaque', id: site.transmitter.stream().id },
      claims,
      ...over,
    })

  test.each(['verify-wrong-state', 'verify-unasked-state'] as const)(
    '%s is invalid_state',
    async (misbehaviour) => {
      await using site = await startStreamSite({ transmitter: { misbehaving: [misbehaviour] } })
      await site.connect()
      await site.transmitter.verify()
      await site.transmitter.pushAll()
      const refusals = site.transmitter.stream().pushes.filter(({ status }) => status === 400)
      expect(refusals.length).toBeGreaterThan(0)
      for (const { err } of refusals) expect(err).toBe('invalid_state')
    },
  )

  test('an event about another stream is invalid_request', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-wrong-subject'] } })
    const stream = await site.connect()
    await site.transmitter.pushAll()
    await expect
      .poll(() => site.transmitter.stream().pushes)
      .toMatchObject([{ status: 400, err: 'invalid_request' }])
    for (const subject of [ada, { format: 'opaque', id: 'x' }, { format: 'opaque', id: stream.id }]) {
      const answer = await push(site, stream, verification(site, { state: undefined }, { subject }))
      expect(await refused(answer)).toMatchObject({ status: 400, err: 'invalid_request' })
    }
    expect((await site.shown()).verified_at).toBeNull()
  })

  test('an unsolicited event verifies the stream as well', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-never'] } })
    const stream = await site.connect()
    expect((await push(site, stream, verification(site, { state: undefined }))).status).toBe(202)
    expect((await site.shown()).verified_at).not.toBeNull()
  })

  test('a repeated event, by push or poll, does not verify again', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-never'] } })
    const stream = await site.connect()
    const token = verification(site, { state: undefined })
    await push(site, stream, token)
    const { verified_at: verifiedAt, last_event_at: lastEventAt } = await site.shown()
    expect(verifiedAt).not.toBeNull()
    const before = Date.now()
    await expect.poll(() => Date.now()).toBeGreaterThan(before + 1)
    expect((await push(site, stream, token)).status).toBe(202)
    expect((await site.hub.push(token)).status).toBe(202) // where anybody may send what they saw
    expect(await site.shown()).toMatchObject({ verified_at: verifiedAt, last_event_at: lastEventAt })
  })

  test('the first verification counts also when the hub ended before it was recorded', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-never'] } })
    const stream = await site.connect()
    const token = verification(site, { state: undefined })
    await push(site, stream, token)
    await site.hub.hub.intake.registry.note(stream.id, { verifiedAt: undefined })
    expect((await site.shown()).verified_at).toBeNull()
    expect((await push(site, stream, token)).status).toBe(202)
    expect((await site.shown()).verified_at).not.toBeNull()
  })

  test('a state is valid for one SET, which may be repeated', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    await site.transmitter.pushAll()
    await expect.poll(() => site.transmitter.stream().pushes.length).toBe(1)
    const asked = site.transmitter.requests.find(({ endpoint }) => endpoint === 'verification')
    const { state } = JSON.parse(asked?.body ?? '') as { state: string }
    expect(state).toMatch(/^[\w-]{32}$/)
    const another = await push(site, stream, verification(site, { state }))
    expect(await refused(another)).toMatchObject({ status: 400, err: 'invalid_state' })

    const before = await site.api('POST', '/verify')
    expect(before.status).toBe(202)
    await expect.poll(() => site.transmitter.stream().pushes.length).toBe(2)
    await site.hub.handleAll()
    const [newest] = await site.signals(`?type=${encodeURIComponent(`${ssf}verification`)}&outcome=handled`)
    const shown = await site.hub.api('GET', `/v1/signals/${newest?.id ?? ''}?include=token`)
    const { token } = (await shown.json()) as { token: string }
    expect((await push(site, stream, token)).status).toBe(202) // the same SET: RFC 8935 §2
    expect((await site.hub.push(token)).status).toBe(202) // by the other road, too
  })
})

describe('changes by the transmitter (SSF 1.0 §8.1.5)', () => {
  test('a pause is shown, logged as a failure and reported by the doctor until the stream resumes', async () => {
    await using site = await startStreamSite()
    await site.connect()
    site.transmitter.setStatus('paused', 'Maintenance')
    await site.transmitter.pushAll()
    expect(await site.shown()).toMatchObject({ status: 'paused', status_reason: 'Maintenance' })
    expect(await site.logs('watchbell.stream.status')).toMatchObject([
      {
        outcome: { result: 'FAILURE', reason: 'Maintenance' },
        actor: { id: site.providerId, type: 'SecurityEventProvider' },
      },
    ])
    const health = await (await site.api('GET', '/health')).text()
    expect(health).toContain('It says: Maintenance')
    expect(health).toContain('"healthy":false')
    site.transmitter.setStatus('enabled')
    await site.transmitter.pushAll()
    expect(await site.shown()).toMatchObject({ status: 'enabled', status_reason: null })
  })
})

test('Keycloak’s status in an object is accepted with the dialect on, and refused with its name otherwise', async () => {
  await using site = await startStreamSite()
  const stream = await site.connect()
  const { id: streamId } = site.transmitter.stream()
  const paused = (): string =>
    site.signClaims({
      sub_id: { format: 'opaque', id: streamId },
      events: {
        [`${ssf}stream-updated`]: {
          status: { stream_id: streamId, status: 'paused', reason: 'night' },
          reason: 'night',
        },
      },
    })
  const before = await refused(await push(site, stream, paused()))
  expect(before).toMatchObject({
    status: 400,
    description: expect.stringContaining('the dialect keycloak,'),
  })
  await site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects: ['keycloak'] })
  expect((await push(site, stream, paused())).status).toBe(202)
  expect(await site.shown()).toMatchObject({ status: 'paused', status_reason: 'night' })
})
