import { connect } from 'node:net'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { catalogue } from '../../src/metrics/catalogue.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { ada, caep, startReceiver } from '../conformance/receiver.ts'
import { setRisk } from '../http/user-risk.ts'
import { startHubWithProvider } from '../http/with-provider.ts'
import { valueOf, type Family } from './exposition.ts'
import { scrape, scraped } from './scraped-hub.ts'

const patience = { timeout: 20_000, interval: 20 }

describe('where metrics are', () => {
  test('nowhere unless they are asked for, and never on the port that everyone reaches', async () => {
    await using quiet = await startTestHub()
    expect(quiet.metricsOrigin).toBeUndefined()
    await using hub = await startTestHub({ settings: scraped })
    for (const { origin } of [quiet, hub]) expect((await fetch(`${origin}/metrics`)).status).toBe(404)
  })

  test.each([
    ['GET', '/metrics', 200],
    ['GET', '/metrics?name[]=up', 200],
    ['HEAD', '/metrics', 200],
    ['POST', '/metrics', 405],
    ['DELETE', '/metrics', 405],
    ['GET', '/', 404],
    ['GET', '/metrics/', 404],
    ['GET', '/readyz', 404],
  ])('%s %s: %i', async (method, path, status) => {
    await using hub = await startTestHub({ settings: scraped })
    const answer = await fetch(`${hub.metricsOrigin}${path}`, { method })
    expect(answer.status).toBe(status)
    const text = await answer.text()
    expect(text === '').toBe(method === 'HEAD')
  })

  test('a port that is taken stops the start', async () => {
    await using hub = await startTestHub({ settings: scraped })
    const listen = new URL(hub.metricsOrigin ?? '').host
    await expect(startTestHub({ settings: { metricsListen: listen } })).rejects.toThrow('EADDRINUSE')
  })
})

test('a scrape has every metric of the catalogue with its type and meaning, and nothing of ours beside it', async () => {
  await using hub = await startTestHub({ settings: scraped })
  const families = await scrape(hub)
  const ours = [...families.values()].filter(({ name }) => name.startsWith('watchbell_'))
  expect(ours.map(({ name, type, help }) => ({ name, type, help }))).toEqual(
    Object.entries(catalogue).map(([name, { type, help }]) => ({ name, type, help })),
  )
  const misnamed = [...families.values()].filter(
    ({ name, type }) => name.endsWith('_total') && type !== 'counter',
  )
  expect(misnamed).toEqual([]) // which promtool refuses
  expect(valueOf(families, 'watchbell_build_info', { node: process.versions.node })).toBe(1)
  expect(families.get('nodejs_eventloop_lag_seconds')?.samples).toHaveLength(1)
  expect(valueOf(families, 'process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
})

describe('the road in', () => {
  test('SETs by provider and outcome, refusals by code, commits, and what the handler did', async () => {
    await using site = await startHubWithProvider({ hub: { settings: scraped } })
    const { hub, providerId: provider, transmitter } = site
    const token = site.sign()
    for (const set of [token, token, site.sign(), site.sign()]) expect((await hub.push(set)).status).toBe(202)
    const wrong = site.sign({ aud: 'https://somebody.example' })
    for (const set of [wrong, 'no token', `${token.slice(0, -4)}AAAA`]) {
      expect((await hub.push(set)).status).toBe(400)
    }
    await hub.handleAll()

    const families = await scrape(hub)
    const value = (name: string, labels = {}) => valueOf(families, name, labels)
    expect(value('watchbell_sets_total', { provider, via: 'push', outcome: 'stored' })).toBe(3)
    expect(value('watchbell_sets_total', { provider, via: 'push', outcome: 'repeated' })).toBe(1)
    expect(value('watchbell_set_refusals_total', { via: 'push', code: 'set.wrong_audience' })).toBe(1)
    expect(value('watchbell_set_refusals_total', { code: 'set.malformed' })).toBe(1)
    expect(value('watchbell_set_refusals_total', { code: 'set.bad_signature' })).toBe(1)
    expect(value('watchbell_commit_items_sum', { kind: 'sets' })).toBe(4)
    expect(value('watchbell_commit_duration_seconds_count', { kind: 'sets' })).toBe(
      value('watchbell_commit_items_count', { kind: 'sets' }),
    )
    expect(value('watchbell_handling_lag_seconds_count')).toBe(3)
    expect(value('watchbell_handler_batch_duration_seconds_count')).toBeGreaterThan(0)
    expect(value('watchbell_handler_failures_total')).toBe(0)
    expect(value('watchbell_signals_pending')).toBe(0)
    expect(value('watchbell_signals_oldest_pending_age_seconds')).toBe(0)
    expect(value('watchbell_inbox_waiting')).toBe(0)
    expect(value('watchbell_database_up')).toBe(1)
    expect(value('watchbell_database_pool_waiting')).toBeUndefined()
    expect(value('watchbell_jwks_fetches_total', { provider, outcome: 'usable' })).toBe(
      transmitter.fetches.keys,
    )
    expect(value('watchbell_jwks_age_seconds', { provider })).toBeGreaterThanOrEqual(0)
    expect(value('watchbell_jwks_failing', { provider })).toBe(0)
    // The keys, and once more when a signature did not verify: there could have been a new key under the same kid.
    expect(value('watchbell_outbound_requests_total', { outcome: 'ok' })).toBe(2)
  })

  test('keys that cannot be had are seen, with the class of what was wrong', async () => {
    await using site = await startHubWithProvider({ hub: { settings: scraped } })
    const { hub, providerId: provider, transmitter } = site
    transmitter.down = true
    expect((await hub.push(site.sign())).status).toBe(503)
    const families = await scrape(hub)
    expect(valueOf(families, 'watchbell_jwks_fetches_total', { provider, outcome: 'failed' })).toBe(1)
    expect(valueOf(families, 'watchbell_jwks_failing', { provider })).toBe(1)
    expect(valueOf(families, 'watchbell_jwks_age_seconds', { provider })).toBeUndefined()
    expect(valueOf(families, 'watchbell_outbound_requests_total', { outcome: 'connect' })).toBe(1)
    expect(valueOf(families, 'watchbell_sets_total')).toBeUndefined()
  })

  test('nothing that a token says becomes a label', async () => {
    await using hub = await startTestHub({ settings: scraped })
    await using stranger = await startHubWithProvider({ transmitter: { issuer: 'https://stranger.example' } })
    await hub.push(stranger.sign({ aud: hub.origin }))
    await fetch(`${hub.origin}/api/v1/users/ada@example.com/risk`)
    await fetch(`${hub.origin}/ada@example.com`)
    const text = await (await fetch(`${hub.metricsOrigin}/metrics`)).text()
    expect(text).toContain('code="set.unknown_issuer"')
    expect(text).toContain('route="/api/v1/users/:userId/risk"')
    for (const word of ['ada@', 'stranger', '127.0.0.1', hub.adminToken]) expect(text).not.toContain(word)
  })
})

describe('polled streams', () => {
  test('rounds, events, acknowledgements and refusals, and when it was last', async () => {
    await using receiver = await startReceiver('poll', { hub: { settings: scraped } })
    const { hub, transmitter, providerId: provider } = receiver
    const taken = transmitter.send({ type: caep('session-revoked'), subject: ada })
    await receiver.verdict(taken)
    const refused = transmitter.send({
      type: caep('session-revoked'),
      subject: ada,
      aud: 'https://else.example',
    })
    expect(await receiver.verdict(refused)).not.toBe('taken')

    const families = await scrape(hub)
    const value = (name: string, labels = {}) => valueOf(families, name, { provider, ...labels })
    expect(value('watchbell_sets_total', { via: 'poll', outcome: 'stored' })).toBeGreaterThanOrEqual(1)
    expect(value('watchbell_set_refusals_total')).toBeUndefined() // has no provider: what is refused proves none
    expect(
      valueOf(families, 'watchbell_set_refusals_total', { via: 'poll', code: 'set.wrong_audience' }),
    ).toBe(1)
    expect(value('watchbell_polls_total', { outcome: 'progress' })).toBeGreaterThanOrEqual(1)
    expect(value('watchbell_polls_total', { outcome: 'refused' })).toBe(1)
    expect(value('watchbell_poll_events_total')).toBeGreaterThanOrEqual(2)
    expect(value('watchbell_stream_status', { delivery: 'poll', status: 'enabled' })).toBe(1)
    expect(value('watchbell_stream_failing')).toBe(0)
    expect(value('watchbell_stream_last_poll_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 - 600)
    expect(value('watchbell_stream_last_event_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 - 600)
    // What a request told is counted when it was answered: a long poll is answered by what comes next.
    transmitter.send({ type: caep('session-revoked'), subject: ada })
    const told = async (name: string) => valueOf(await scrape(hub), name, { provider }) ?? 0
    await expect.poll(() => told('watchbell_poll_acks_total'), patience).toBeGreaterThanOrEqual(1)
    await expect.poll(() => told('watchbell_poll_set_errs_total'), patience).toBeGreaterThanOrEqual(1)
  })

  test.each<[string, string, (receiver: Awaited<ReturnType<typeof startReceiver>>) => void]>([
    ['an outage', 'server_error', ({ transmitter }) => transmitter.fail('poll', { status: 503 }, Infinity)],
    [
      'a connection that is cut',
      'unreachable',
      ({ transmitter }) => transmitter.fail('poll', 'reset', Infinity),
    ],
    [
      'a stream that it does not know',
      'unknown_stream',
      ({ transmitter }) => transmitter.fail('poll', { status: 404 }, Infinity),
    ],
    [
      'credentials that it does not take',
      'unauthorized',
      ({ transmitter }) => transmitter.fail('poll', { status: 401 }, Infinity),
    ],
    [
      'too many questions',
      'rate_limited',
      ({ transmitter }) => transmitter.fail('poll', { status: 429 }, Infinity),
    ],
  ])('%s is a failure by %s', async (_what, cause, disturb) => {
    await using receiver = await startReceiver('poll', { hub: { settings: scraped } })
    const { hub, transmitter, providerId: provider } = receiver
    disturb(receiver)
    transmitter.send({ type: caep('session-revoked'), subject: ada })
    const failures = async () =>
      valueOf(await scrape(hub), 'watchbell_poll_failures_total', { provider, cause }) ?? 0
    await expect.poll(failures, patience).toBeGreaterThanOrEqual(1)
    await expect
      .poll(async () => valueOf(await scrape(hub), 'watchbell_stream_failing', { provider }), patience)
      .toBe(1)
  })
})

test('evaluations by outcome, those without an answer too', async () => {
  await using hub = await startTestHub({ settings: scraped })
  await setRisk(hub, 'eve@example.com', 'HIGH')
  for (const id of ['ada@example.com', 'ada@example.com', 'eve@example.com']) {
    await hub.api('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
    })
  }
  await hub.api('POST', '/access/v1/evaluation', {}) // asks nothing, so nothing was evaluated
  const families = await scrape(hub)
  const count = (outcome: string) =>
    valueOf(families, 'watchbell_evaluation_duration_seconds_count', { outcome })
  expect([count('allow'), count('deny'), count('failed')]).toEqual([2, 1, 0])
  expect(valueOf(families, 'watchbell_commit_items_sum', { kind: 'log_entries' })).toBe(3)
})

describe('HTTP', () => {
  const requests = (families: ReadonlyMap<string, Family>, labels: Readonly<Record<string, string>>) =>
    valueOf(families, 'watchbell_http_requests_total', labels)

  test('requests by method, route and class of status, with how long they took', async () => {
    await using hub = await startTestHub({ settings: scraped })
    await hub.api('GET', '/v1/signals')
    await hub.api('GET', '/v1/signals/sig123')
    await hub.api('GET', '/v1/signals/sig456')
    await hub.api('PUT', '/v1/signals')
    await hub.push('no token')
    await fetch(`${hub.origin}/wp-login.php`)
    const families = await scrape(hub)
    expect(requests(families, { method: 'GET', route: '/v1/signals', status: '2xx' })).toBe(1)
    expect(requests(families, { method: 'GET', route: '/v1/signals/:id', status: '4xx' })).toBe(2)
    expect(requests(families, { method: 'PUT', route: '/v1/signals', status: '4xx' })).toBe(1)
    expect(requests(families, { route: '/security/api/v1/security-events', status: '4xx' })).toBe(1)
    expect(requests(families, { route: 'none', status: '4xx' })).toBe(1)
    expect(
      valueOf(families, 'watchbell_http_request_duration_seconds_count', { route: '/v1/signals/:id' }),
    ).toBe(2)
    expect(valueOf(families, 'watchbell_http_requests_in_flight')).toBe(0)
  })

  test('a client that goes away before the answer is counted as such', async () => {
    await using hub = await startTestHub({ settings: scraped })
    const socket = connect(Number(new URL(hub.origin).port), '127.0.0.1')
    const head = [
      'POST /security/api/v1/security-events HTTP/1.1',
      'host: hub',
      'content-type: application/secevent+jwt',
      'content-length: 100',
      '',
      'half',
    ]
    socket.write(head.join('\r\n'))
    await once(socket, 'connect')
    const inFlight = async () => valueOf(await scrape(hub), 'watchbell_http_requests_in_flight')
    await expect.poll(inFlight, patience).toBe(1)
    socket.destroy()
    await expect.poll(inFlight, patience).toBe(0)
    expect(requests(await scrape(hub), { status: 'aborted' })).toBe(1)
  })
})
