import { describe, expect, test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { ada, bearer, refusalOf, startStreamSite, type StreamSite } from './with-stream.ts'
import type { StreamBody } from '../../src/wire/streams.ts'

// What transmitters and networks did to streams that were set up well.

const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const clientAuth = (id: string): object => ({
  auth: { method: 'client_secret_basic', client_id: id, client_secret: 'secret' },
})
const patience = { timeout: 30_000 }

/** A round of the keeper; the stream is looked after whether it is due or not, unless `onlyDue`. */
async function keep(site: Pick<StreamSite, 'hub'>, onlyDue = false): Promise<void> {
  const { keeper, registry } = site.hub.hub.intake
  if (!onlyDue) for (const stream of registry.list()) keeper.hurry(stream)
  await keeper.runOnce(new AbortController().signal)
}

function asked(site: StreamSite, endpoint: string, method?: string): number {
  return site.transmitter.requests.filter(
    (request) => request.endpoint === endpoint && (method === undefined || request.method === method),
  ).length
}

async function health(site: StreamSite): Promise<Record<string, string>> {
  const { checks } = (await (await site.api('GET', '/health')).json()) as {
    checks: { name: string; result: string; detail: string }[]
  }
  return Object.fromEntries(checks.map(({ name, result, detail }) => [name, `${result}: ${detail}`]))
}

/** Lets the transmitter answer the read that comes first, and fail at what follows. */
function failChange(site: StreamSite, status: number): void {
  site.transmitter.fail('configuration', { delayMs: 0 })
  site.transmitter.fail('configuration', { status })
}

describe('verification', () => {
  test('a SET that is pushed before the answer to its request is accepted at once', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-before-answer'] } })
    const { last_error: problem } = await site.connect()
    expect(problem).toBeNull()
    expect((await site.shown()).verified_at).not.toBeNull()
    expect(site.transmitter.stream().pushes).toMatchObject([{ status: 202 }])
    expect((await site.api('POST', '/verify')).status).toBe(202)
    expect(site.transmitter.stream().pushes.map(({ status }) => status)).toEqual([202, 202])
  })

  test.each([
    ['400', { status: 400, body: { error: 'stream_verification_error' } }],
    ['429', { status: 429, headers: { 'retry-after': '25' }, body: {} }],
  ])('a request answered with %s is not repeated at once', async (_, fault) => {
    await using site = await startStreamSite()
    site.transmitter.fail('verification', fault)
    expect((await site.connect()).last_error).toContain(`status ${fault.status}`)
    await keep(site, true)
    await keep(site)
    expect(asked(site, 'verification')).toBe(1)
    expect((await health(site))['verification']).toMatch(/^warning: .*could not be requested/)
  })

  test.each(['a later event', 'a later request'])(
    '%s clears the outcome of an earlier request',
    async (later) => {
      await using site = await startStreamSite()
      site.transmitter.fail('verification', { status: 429, body: {} })
      expect((await site.connect()).last_error).toContain('asked too often')
      if (later === 'a later event') await site.transmitter.verify()
      else expect((await site.api('POST', '/verify')).status).toBe(202)
      await site.transmitter.pushAll()
      await expect.poll(async () => (await site.shown()).verified_at, patience).not.toBeNull()
      expect((await site.shown()).last_error).toBeNull()
      expect((await health(site))['stream']).toMatch(/^ok: /)
    },
  )

  test.each([
    ['', 'invalid_state'],
    [' ', 'invalid_state'],
    [5, 'invalid_request'],
    [['a'], 'invalid_request'],
  ])('the state %j confirms nothing', async (state, err) => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['verify-never'] } })
    const { push_url: url } = await site.connect()
    const body = site.sign({
      type: `${ssf}verification`,
      subject: { format: 'opaque', id: site.transmitter.stream().id },
      claims: { state },
    })
    const { authorization = '' } = site.transmitter.stream()
    const headers = { 'content-type': 'application/secevent+jwt', authorization }
    const answer = await fetch(url, { method: 'POST', headers, body })
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(err)])
    expect((await site.shown()).verified_at).toBeNull()
  })
})

describe('a stream of another client', () => {
  const clients = [
    { id: 'one', secret: 'secret' },
    { id: 'two', secret: 'secret' },
  ]

  test('replaces the first, which is deleted, and is verified automatically', async () => {
    await using site = await startStreamSite({ transmitter: { clients } })
    const first = await site.connect(clientAuth('one'))
    await site.transmitter.pushAll()
    await expect.poll(async () => (await site.shown()).verified_at, patience).not.toBeNull()
    site.transmitter.misbehaving.add('verify-never')
    const second = await site.connect(clientAuth('two'))
    expect(second).toMatchObject({ verified_at: null, last_error: null })
    expect(second.verification_asked_at).not.toBeNull()
    expect(second.transmitter?.stream_id).not.toBe(first.transmitter?.stream_id)
    expect(site.transmitter.streams.map(({ id }) => id)).toEqual([second.transmitter?.stream_id])
  })

  test('is reported when the first could not be deleted', async () => {
    await using site = await startStreamSite({ transmitter: { clients } })
    const first = await site.connect(clientAuth('one'))
    site.transmitter.fail('configuration', { delayMs: 0 }, 3) // two reads and the create
    site.transmitter.fail('configuration', { status: 500 })
    const { last_error: problem } = await site.connect(clientAuth('two'))
    expect(problem).toContain(first.transmitter?.stream_id)
    expect(problem).toContain('could not be deleted')
  })
})

describe('a change that the transmitter refuses', () => {
  test.each([
    ['to poll', { delivery: 'poll' }],
    ['of the credentials', { auth: { method: 'bearer', token: 'wrong' } }],
    ['of the events', { events_requested: [sessionRevoked] }],
  ])('%s leaves the stream unchanged and working', async (what, change) => {
    await using site = await startStreamSite()
    const before = await site.connect()
    await site.transmitter.pushAll()
    if (what !== 'of the credentials') failChange(site, 404)
    const { status, message } = await refusalOf(await site.api('PUT', '', { ...bearer, ...change }))
    expect([status, message]).toEqual([502, expect.stringMatching(/status 40[14]/)])
    const after = await site.shown()
    expect(after).toMatchObject({ connected: true, delivery: 'push', transmitter: before.transmitter })
    expect(after).toMatchObject({
      last_error: expect.stringMatching(/status 40[14]/),
      events_requested: null,
    })
    site.transmitter.send({ type: 'session-revoked', subject: ada })
    await site.transmitter.pushAll()
    expect(site.transmitter.stream().pushes.at(-1)).toMatchObject({ status: 202 })
    await keep(site)
    expect(await site.shown()).toMatchObject({ last_error: null })
    expect(asked(site, 'poll')).toBe(0)
  })

  test('a change to poll that is answered with 202 has no poll URL yet', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['answers-202'] } })
    const { push_url: url } = await site.connect()
    const polled = await site.connect({ delivery: 'poll' })
    expect(polled).toMatchObject({ transmitter: { endpoint_url: null } })
    expect(JSON.stringify(polled)).not.toContain(url)
    await keep(site)
    expect(await site.shown()).toMatchObject({
      transmitter: { endpoint_url: expect.stringContaining('/ssf/poll/') },
    })
  })

  test('unreadable metadata is an error of the transmitter, not of the caller', async () => {
    await using site = await startStreamSite()
    await site.connect()
    site.transmitter.fail('metadata', 'reset')
    const { status, message } = await refusalOf(await site.api('PATCH', '', { description: 'x' }))
    expect([status, message]).toEqual([502, expect.stringContaining('metadata')])
  })

  test('the transmitter cannot change a pinned audience', async () => {
    await using site = await startStreamSite()
    const before = await site.connect()
    const audience = ['https://hub.example']
    const { status, message } = await refusalOf(await site.api('PATCH', '', { audience }))
    expect([status, message]).toEqual([502, expect.stringContaining('https://hub.example')])
    expect(await site.shown()).toMatchObject({ connected: true, transmitter: before.transmitter })
    expect((await site.api('PATCH', '', { audience: before.transmitter?.aud })).status).toBe(200)
  })
})

describe('pushes refused for their Authorization', () => {
  test('make the hub send the value to the transmitter again', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await site.transmitter.pushAll()
    const right = site.transmitter.stream().authorization
    site.transmitter.stream().authorization = 'Bearer of-another-node'
    site.transmitter.send({ type: 'session-revoked', subject: ada })
    await site.transmitter.pushAll()
    expect((await site.shown()).last_error).toContain('401')
    expect((await health(site))['delivery']).toMatch(/^failed: /)
    await expect.poll(() => site.transmitter.stream().authorization, patience).toBe(right)
    site.transmitter.send({ type: 'session-revoked', subject: ada })
    await site.transmitter.pushAll()
    expect(site.transmitter.stream().pushes.at(-1)).toMatchObject({ status: 202 })
    expect((await site.shown()).last_error).toBeNull()
  })

  test('cause one request to the transmitter, however many there are', async () => {
    await using site = await startStreamSite()
    const { push_url: url } = await site.connect()
    const headers = { 'content-type': 'application/secevent+jwt', authorization: 'Bearer x' }
    for (let count = 0; count < 5; count++) {
      expect((await fetch(url, { method: 'POST', headers, body: 'x' })).status).toBe(401)
    }
    await keep(site, true)
    await keep(site, true)
    expect(asked(site, 'configuration', 'PATCH')).toBeLessThanOrEqual(1)
  })
})

describe('polls', () => {
  test('a stream that is gone is created again within seconds', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 0 } })
    const first = await site.connect({ delivery: 'poll' })
    await expect.poll(() => asked(site, 'poll'), patience).toBeGreaterThan(0)
    await fetch(`${site.transmitter.origin}/ssf/streams?stream_id=${site.transmitter.stream().id}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer static-token' },
    })
    const remoteId = async () => (await site.shown()).transmitter?.stream_id
    await expect.poll(remoteId, patience).not.toBe(first.transmitter?.stream_id)
    const jti = site.transmitter.send({ type: 'session-revoked', subject: ada })
    await expect.poll(() => site.transmitter.stream().acked, patience).toContain(jti)
  })

  test('an answer without a body means no SETs', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 0 } })
    site.transmitter.fail('poll', { status: 204 }, 2)
    await site.connect({ delivery: 'poll' })
    const jti = site.transmitter.send({ type: 'session-revoked', subject: ada })
    await expect.poll(() => site.transmitter.stream().acked, patience).toContain(jti)
    expect((await site.shown()).last_error).toBeNull()
  })

  test('are not open while the hub makes another request to the transmitter', async () => {
    await using site = await startStreamSite()
    await site.connect({ delivery: 'poll' })
    for (const [method, path, body] of [
      ['GET', '/status', undefined],
      ['GET', '/health', undefined],
      ['POST', '/subjects', { subject: ada }],
      ['PATCH', '', { description: 'x' }],
    ] as const) {
      const polls = asked(site, 'poll')
      await expect.poll(() => asked(site, 'poll'), patience).toBeGreaterThanOrEqual(polls)
      expect((await site.api(method, path, body)).ok).toBe(true)
    }
    const open: AbortSignal[] = []
    for (const request of site.transmitter.requests) {
      if (request.endpoint === 'poll') open.push(request.gone)
    }
    expect(site.transmitter.stream().pollsAtOnceMax).toBeLessThanOrEqual(1)
    expect(open.filter((gone) => !gone.aborted).length).toBeLessThanOrEqual(1)
  })
})

describe('access tokens', () => {
  const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }

  test.each(['tök€n', 'a\r\nx-injected: 1', 'a\u0000b', 'a b', '', 'a"b', '=a'])(
    '%j cannot be sent, and is refused with an error that does not quote it',
    async (token) => {
      await using site = await startStreamSite()
      const body = { access_token: token, token_type: 'Bearer', expires_in: 3_600 }
      site.transmitter.fail('token', { status: 200, body }, 3)
      const { status, message } = await refusalOf(await site.api('PUT', '', { ...bearer, auth }))
      expect([status, message]).toEqual([502, expect.stringContaining('no access token')])
      if (token.length > 1) expect(message).not.toContain(token)
      const { last_error: problem } = await site.shown()
      expect(problem).toContain('no access token')
      if (token !== '') expect(problem).toContain('RFC 6750')
    },
  )

  test('a token with a lifetime of 20 s is used for several requests', async () => {
    await using site = await startStreamSite({ transmitter: { tokenLifetimeS: 20 } })
    await site.connect({ auth })
    for (let count = 0; count < 3; count++) expect((await site.api('GET', '/status')).status).toBe(200)
    expect(site.transmitter.tokensIssued).toBe(1)
  })
})

test('two hubs that take a stream from each other are reported', async () => {
  await using site = await startStreamSite()
  await site.connect()
  await using other = await startTestHub()
  const created = await other.api('POST', '/api/v1/security-events-providers', {
    name: 'Emulated',
    type: 'test',
    settings: { well_known_url: site.transmitter.wellKnownUrl },
  })
  const path = `/v1/providers/${((await created.json()) as { id: string }).id}/stream`
  expect((await other.api('PUT', path, bearer)).status).toBe(200)
  await keep(site)
  expect((await site.shown()).last_error).toBeNull() // an operator may have done that once
  await keep({ hub: other })
  await keep(site)
  const { last_error: problem } = await site.shown()
  expect(problem).toContain('Another party changes the stream')
  expect(problem).toContain(other.origin)
  await keep({ hub: other })
  const theirs = (await (await other.api('GET', path)).json()) as StreamBody
  expect(theirs.last_error).toContain('Another party changes the stream')
})

test('an event type is a URI, and a stream that delivers no event type is reported', async () => {
  await using site = await startStreamSite({ transmitter: { eventsSupported: [sessionRevoked] } })
  const refused = await refusalOf(
    await site.api('PUT', '', { ...bearer, events_requested: ['session-revoked'] }),
  )
  expect([refused.status, refused.message]).toEqual([400, expect.stringContaining('events_requested')])
  await site.connect({ events_requested: ['urn:example:another'] })
  expect((await health(site))['events']).toMatch(/^warning: /)
  await site.connect({ events_requested: [sessionRevoked] })
  expect((await health(site))['events']).toMatch(/^ok: /)
})

test('a push finds a stream and an Authorization value that another node stored', async () => {
  await using site = await startStreamSite()
  const { id, push_url: url } = await site.connect()
  const { registry } = site.hub.hub.intake
  const { authorization = '' } = site.transmitter.stream()
  const push = (): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt', authorization },
      body: site.sign(),
    })
  registry.forget(id)
  expect((await push()).status).toBe(202)
  expect((await site.shown()).id).toBe(id)
})

test.each(['metadata', 'token', 'configuration'] as const)(
  'a request that hangs is ended after the configured time: %s',
  async (endpoint) => {
    await using site = await startStreamSite({ hub: { settings: { transmitterTimeoutS: '1' } } })
    site.transmitter.fail(endpoint, 'hang', 5)
    const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
    const { status, message } = await refusalOf(await site.api('PUT', '', { ...bearer, auth }))
    expect([status, message]).toEqual([502, expect.stringContaining('within 1000 ms')])
  },
)
