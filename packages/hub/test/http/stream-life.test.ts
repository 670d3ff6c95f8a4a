import { describe, expect, test } from 'vitest'
import { ada, refusalOf, startStreamSite, type StreamSite } from './with-stream.ts'

/** A round of the keeper, in which the stream is looked after whether it is due or not. */
async function keep(site: StreamSite): Promise<void> {
  const { keeper, registry } = site.hub.hub.intake
  for (const stream of registry.list()) keeper.hurry(stream)
  await keeper.runOnce(new AbortController().signal)
}

function requests(site: StreamSite, method: string): { readonly path: string; readonly body: unknown }[] {
  return site.transmitter.requests
    .filter((request) => request.method === method)
    .map(({ path, query, body }) => ({
      path: `${path}?${query.toString()}`,
      body: body === '' ? undefined : JSON.parse(body),
    }))
}

describe('status', () => {
  test('is read from the transmitter and set there, journaled (SSF 1.0 §8.1.2.1)', async () => {
    await using site = await startStreamSite()
    await site.connect()
    const set = await site.api('PUT', '/status', { status: 'paused', reason: 'Holidays' })
    expect([set.status, await set.json()]).toEqual([200, { status: 'paused', status_reason: 'Holidays' }])
    expect(site.transmitter.stream().status).toBe('paused')
    site.transmitter.stream().status = 'disabled'
    expect(await (await site.api('GET', '/status')).json()).toMatchObject({ status: 'disabled' })
    expect(await site.shown()).toMatchObject({ status: 'disabled' })
    expect(await site.logs('watchbell.stream.status')).toMatchObject([
      { actor: { type: 'User' }, outcome: { result: 'SUCCESS' } },
    ])
    for (const body of [{}, { status: 'on' }, { status: 'paused', reason: 1 }, []]) {
      expect((await site.api('PUT', '/status', body)).status).toBe(400)
    }
  })

  test('after 202 the current status is shown, and the keeper reads the outcome later (SSF 1.0 §8.1.2.2)', async () => {
    await using site = await startStreamSite({ transmitter: { misbehaving: ['answers-202'] } })
    await site.connect()
    await site.api('PUT', '/status', { status: 'paused' })
    await keep(site)
    expect((await site.shown()).status).toBe(site.transmitter.stream().status)
    expect((await site.api('PATCH', '', { description: 'Later' })).status).toBe(200)
  })
})

describe('subjects', () => {
  test('are added and removed (SSF 1.0 §9.1)', async () => {
    await using site = await startStreamSite({ transmitter: { defaultSubjects: 'NONE' } })
    await site.connect({ subjects: 'listed' })
    expect((await site.api('POST', '/subjects', { subject: ada, verified: false })).status).toBe(204)
    expect(site.transmitter.stream().added).toMatchObject([ada])
    expect((await site.api('POST', '/subjects/remove', { subject: ada })).status).toBe(204)
    const bodies = requests(site, 'POST')
      .filter(({ path }) => path.includes('subjects'))
      .map(({ body }) => body)
    const stream_id = site.transmitter.stream().id
    expect(bodies).toEqual([
      { stream_id, subject: ada, verified: false },
      { stream_id, subject: ada },
    ])
  })

  test.each([
    [undefined, 'subject'],
    [{}, 'subject'],
    [{ subject: 'ada@example.com' }, 'subject'],
    [{ subject: { format: 'email' } }, 'needs `email`'],
    [{ subject: ada, verified: 'yes' }, 'true or false'],
  ])('%j is refused without a request to the transmitter', async (body, why) => {
    await using site = await startStreamSite()
    await site.connect()
    const { status, message } = await refusalOf(await site.api('POST', '/subjects', body))
    expect([status, message]).toEqual([400, expect.stringContaining(why)])
    expect(requests(site, 'POST').filter(({ path }) => path.includes('subjects'))).toEqual([])
  })

  test.each([
    ['all', 'ALL', 'ok: The transmitter chooses the subjects.'],
    ['listed', 'NONE', 'ok: The transmitter sends events about added subjects.'],
    ['all', 'NONE', 'warning: The subjects of the stream are `all`, but'],
    ['listed', 'ALL', 'warning: The subjects of the stream are `listed`, but'],
  ] as const)(
    'the doctor compares %s with default_subjects %s',
    async (subjects, defaultSubjects, verdict) => {
      await using site = await startStreamSite({ transmitter: { defaultSubjects } })
      await site.connect({ subjects })
      const { checks } = (await (await site.api('GET', '/health')).json()) as {
        checks: { name: string; result: string; detail: string }[]
      }
      const check = checks.find(({ name }) => name === 'subjects')
      expect(`${check?.result ?? ''}: ${check?.detail ?? ''}`).toContain(verdict)
    },
  )

  test('an error of the transmitter is passed on', async () => {
    await using site = await startStreamSite()
    await site.connect()
    site.transmitter.fail('subjects', { status: 429, headers: { 'retry-after': '7' }, body: {} })
    const answer = await site.api('POST', '/subjects', { subject: ada })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([502, '7'])
    site.transmitter.fail('subjects', { status: 404 })
    expect(await refusalOf(await site.api('POST', '/subjects/remove', { subject: ada }))).toMatchObject({
      status: 502,
    })
  })
})

describe('changes', () => {
  test('PATCH sends only the changed members, and keeps omitted secrets (SSF 1.0 §8.1.1.3)', async () => {
    await using site = await startStreamSite()
    const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
    await site.connect({ auth })
    const type = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
    expect((await site.api('PATCH', '', { description: 'New', events_requested: [type] })).status).toBe(200)
    const stream_id = site.transmitter.stream().id
    expect(requests(site, 'PATCH')).toEqual([
      { path: '/ssf/streams?', body: { stream_id, description: 'New', events_requested: [type] } },
    ])
    const scoped = { method: 'client_secret_post', client_id: 'receiver', scope: 'ssf.manage ssf.read' }
    expect((await site.api('PATCH', '', { auth: scoped })).status).toBe(200)
    expect((await site.api('GET', '/status')).status).toBe(200)
    // a secret that is kept goes to nobody else
    const elsewhere = `${site.transmitter.origin}/elsewhere`
    for (const other of [
      { client_id: 'other' },
      { token_url: elsewhere },
      { authorization_server: elsewhere },
      { token_url: elsewhere, authorization_server: elsewhere },
    ]) {
      const answer = await site.api('PATCH', '', { auth: { ...scoped, ...other } })
      expect([answer.status, await answer.text()]).toEqual([
        400,
        expect.stringContaining('auth.client_secret'),
      ])
    }
    expect((await site.api('PATCH', '', { events_requested: null })).status).toBe(200)
    expect(site.transmitter.stream().eventsRequested?.length).toBeGreaterThan(1)
    expect((await site.api('PATCH', '', { colour: 'red' })).status).toBe(400)
  })

  test.each(['push', 'poll'])(
    'null removes a description, at the transmitter as well: %s',
    async (delivery) => {
      await using site = await startStreamSite()
      await site.connect({ delivery, description: 'Ours' })
      const { authorization, eventsRequested, method } = site.transmitter.stream()
      expect(site.transmitter.stream().description).toBe('Ours')
      const answer = await site.api('PATCH', '', { description: null })
      expect([answer.status, await answer.json()]).toEqual([
        200,
        expect.objectContaining({ description: null }),
      ])
      expect(site.transmitter.stream()).toMatchObject({
        description: undefined,
        authorization,
        eventsRequested,
        method,
      })
      await keep(site)
      expect(await site.shown()).toMatchObject({ description: null, last_error: null })
    },
  )

  test('polls are long by default (RFC 8936 §2.2)', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 0 } })
    const polls = (): unknown[] =>
      requests(site, 'POST')
        .filter(({ path }) => path.startsWith('/ssf/poll/'))
        .map(({ body }) => (body as { returnImmediately: boolean }).returnImmediately)
    expect(await site.connect({ delivery: 'poll', polling: 'short' })).toMatchObject({ polling: 'short' })
    await expect.poll(() => polls().length).toBeGreaterThan(0)
    expect(new Set(polls())).toEqual(new Set([true]))
    const answer = await site.api('PATCH', '', { polling: null })
    expect(await answer.json()).toMatchObject({ polling: 'long' })
    await expect.poll(() => polls().at(-1), { timeout: 15_000 }).toBe(false)
    for (const polling of ['often', '', 5, true]) {
      const { status, message } = await refusalOf(await site.api('PATCH', '', { polling }))
      expect([status, message]).toEqual([400, expect.stringContaining('must be long or short')])
    }
    expect(await site.connect()).not.toHaveProperty('polling') // by push there are none
  })

  test('a stream changes from push to poll and back', async () => {
    await using site = await startStreamSite()
    const first = await site.connect()
    const polled = await site.connect({ delivery: 'poll' })
    expect(polled).toMatchObject({
      id: first.id,
      delivery: 'poll',
      transmitter: { endpoint_url: expect.stringContaining('/ssf/poll/') },
    })
    expect(polled.push_url).toBeUndefined()
    expect((await site.api('POST', '/rotate-authorization')).status).toBe(400)
    expect(await site.connect()).toMatchObject({ push_url: first.push_url })
    expect(site.transmitter.streams).toHaveLength(1)
  })
})

describe('drift', () => {
  test('is repaired and logged, and a stream without drift is not changed', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    await keep(site)
    expect(requests(site, 'PATCH')).toEqual([])
    const remote = site.transmitter.stream()
    remote.endpointUrl = 'https://elsewhere.example/'
    remote.eventsRequested = remote.eventsRequested?.slice(1)
    const health = await (await site.api('GET', '/health')).text()
    expect(health).toContain('another delivery, events_requested for the stream')
    expect(remote.endpointUrl).toBe('https://elsewhere.example/') // the doctor only looks
    await keep(site)
    expect(remote.endpointUrl).toBe(stream.push_url)
    expect(await site.logs('watchbell.stream.repair')).toMatchObject([{ actor: { id: 'watchbell' } }])
  })

  test('a stream that is gone is created again with a new id', async () => {
    await using site = await startStreamSite()
    const first = await site.connect()
    await fetch(`${site.transmitter.origin}/ssf/streams?stream_id=${site.transmitter.stream().id}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer static-token' },
    })
    expect(await (await site.api('GET', '/health')).text()).toContain('no longer has the stream')
    await keep(site)
    const second = await site.shown()
    expect(second).toMatchObject({
      id: first.id,
      push_url: first.push_url,
      transmitter: { stream_id: site.transmitter.stream().id },
    })
    expect(second.transmitter?.stream_id).not.toBe(first.transmitter?.stream_id)
  })

  test('a stream that is created again has lost its subjects, and says so', async () => {
    await using site = await startStreamSite({ transmitter: { defaultSubjects: 'NONE' } })
    await site.connect({ subjects: 'listed' })
    await fetch(`${site.transmitter.origin}/ssf/streams?stream_id=${site.transmitter.stream().id}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer static-token' },
    })
    await keep(site)
    expect((await site.shown()).last_error).toContain('must be added again')
    expect((await site.api('POST', '/subjects', { subject: ada })).status).toBe(204)
  })

  test('a transmitter that is down, or has another issuer, is reported, and no SET is lost', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    site.transmitter.down = true
    await keep(site)
    const shown = await site.shown()
    expect(shown).toMatchObject({ connected: true, transmitter: stream.transmitter })
    expect(shown.last_error).toContain('connection was closed')
    site.transmitter.down = false
    await keep(site)
    expect((await site.shown()).last_error).toBeNull()
  })

  test('the stream of a deactivated provider is not checked', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await site.hub.api('POST', `/api/v1/security-events-providers/${site.providerId}/lifecycle/deactivate`)
    const before = site.transmitter.requests.length
    await keep(site)
    expect(site.transmitter.requests.length).toBe(before)
  })
})

describe('the end of a stream', () => {
  test('it is deleted at the transmitter, by its id in the query (SSF 1.0 §8.1.1.5), and at the hub', async () => {
    await using site = await startStreamSite()
    const stream = await site.connect()
    expect((await site.api('DELETE')).status).toBe(204)
    expect(requests(site, 'DELETE')).toEqual([
      { path: `/ssf/streams?stream_id=${stream.transmitter?.stream_id ?? ''}`, body: undefined },
    ])
    expect(site.transmitter.streams).toEqual([])
    expect((await site.api('GET')).status).toBe(404)
    expect((await site.api('DELETE')).status).toBe(404)
    expect(await site.logs('watchbell.stream.delete')).toMatchObject([
      { target: [{ id: stream.id }, { id: site.providerId }] },
    ])
  })

  test('a stream that the transmitter does not delete stays unless forced, and one that is gone there is deleted', async () => {
    await using site = await startStreamSite()
    await site.connect()
    site.transmitter.down = true
    expect((await site.api('DELETE')).status).toBe(502)
    expect((await site.api('DELETE', '?force=maybe')).status).toBe(400)
    expect((await site.api('GET')).status).toBe(200)
    expect((await site.api('DELETE', '?force=true')).status).toBe(204)
    site.transmitter.down = false
    await site.connect()
    site.transmitter.fail('configuration', { status: 404 })
    expect((await site.api('DELETE')).status).toBe(204)
  })

  test('requests that need a connected stream are refused without one', async () => {
    await using site = await startStreamSite()
    site.transmitter.fail('configuration', { status: 500 })
    await site.api('PUT', '', { delivery: 'push', auth: { method: 'bearer', token: 'static-token' } })
    for (const [method, path, body] of [
      ['POST', '/verify', undefined],
      ['GET', '/status', undefined],
      ['POST', '/subjects', { subject: ada }],
      ['POST', '/rotate-authorization', undefined],
    ] as const) {
      const { status, message } = await refusalOf(await site.api(method, path, body))
      expect([status, message]).toEqual([503, expect.stringContaining('status 500')])
    }
    expect(await (await site.api('GET', '/health')).text()).toContain(
      'It was never created at the transmitter',
    )
    expect((await site.api('DELETE')).status).toBe(204)
  })
})
