import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { SettingName } from '../../src/config/settings.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { ada, caep, startReceiver } from '../conformance/receiver.ts'
import { startHubWithProvider } from '../http/with-provider.ts'
import { startLocalServer } from '../local-server.ts'
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from './otlp-receiver.ts'

const to = ({ origin }: OtlpReceiver, over: Partial<Record<SettingName, string>> = {}) => ({
  settings: { otlpEndpoint: origin, ...over },
})

function spanOf(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name)
  expect(found, `spans called ${name} among ${spans.map((span) => span.name).join(', ')}`).toHaveLength(1)
  return found[0] as ReceivedSpan // there is one
}

const pushed = 'POST /security/api/v1/security-events'

test('a push is one trace: request, parse, verify with the fetch of keys, append', async () => {
  await using receiver = await startOtlpReceiver()
  const { providerId, keysHost } = await (async () => {
    await using site = await startHubWithProvider({ hub: to(receiver) })
    expect((await site.hub.push(site.sign())).status).toBe(202)
    return { providerId: site.providerId, keysHost: new URL(site.transmitter.jwksUrl) }
  })() // a stop sends what waits

  const server = spanOf(receiver.spans, pushed)
  const trace = receiver.spans.filter(({ traceId }) => traceId === server.traceId)
  const parents = Object.fromEntries(
    trace.map(({ name, parentSpanId }) => [name, trace.find(({ spanId }) => spanId === parentSpanId)?.name]),
  )
  expect(parents).toEqual({
    [pushed]: undefined,
    'set.accept': pushed,
    'set.parse': 'set.accept',
    'set.verify': 'set.accept',
    'jwks.fetch': 'set.verify',
    GET: 'jwks.fetch',
    'set.append': 'set.accept',
  })
  expect(server).toMatchObject({
    kind: 2,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/security/api/v1/security-events',
      'http.response.status_code': 202,
    },
  })
  expect(spanOf(trace, 'set.accept').attributes).toEqual({
    'watchbell.provider': providerId,
    'watchbell.via': 'push',
    'watchbell.outcome': 'stored',
  })
  expect(spanOf(trace, 'GET')).toMatchObject({
    kind: 3,
    attributes: {
      'server.address': keysHost.hostname,
      'server.port': Number(keysHost.port),
      'http.response.status_code': 200,
    },
  })
  expect(trace.filter(({ status }) => status.code === 2)).toEqual([])
  expect(receiver.requests[0]).toMatchObject({
    path: '/v1/traces',
    headers: { 'content-type': 'application/json', 'user-agent': expect.stringMatching(/Watchbell\/\d/) },
  })
})

test('a refusal is told by its code and is no error; a fault of ours, or of the keys, is one', async () => {
  await using receiver = await startOtlpReceiver()
  {
    await using site = await startHubWithProvider({ hub: to(receiver) })
    expect((await site.hub.push(site.sign({ aud: 'https://somebody.example' }))).status).toBe(400)
  }
  {
    await using site = await startHubWithProvider({ hub: to(receiver) })
    site.transmitter.down = true
    expect((await site.hub.push(site.sign())).status).toBe(503)
  }
  const accepts = receiver.spans.filter(({ name }) => name === 'set.accept')
  expect(accepts.map(({ attributes, status }) => [attributes['error.type'], status.code])).toEqual([
    ['set.wrong_audience', 0],
    ['keys.unavailable', 2],
  ])
  const fetched = receiver.spans.findLast(({ name }) => name === 'GET')
  expect(fetched).toMatchObject({ attributes: { 'watchbell.outcome': 'connect' }, status: { code: 2 } })
})

test('evaluations and polls are seen', async () => {
  await using collector = await startOtlpReceiver()
  {
    await using receiver = await startReceiver('poll', { hub: to(collector) })
    await receiver.verdict(receiver.transmitter.send({ type: caep('session-revoked'), subject: ada }))
    await receiver.hub.api('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'nobody@example.com' },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
    })
  }
  expect(spanOf(collector.spans, 'access.evaluate').attributes).toEqual({ 'watchbell.outcome': 'allow' })
  const polls = collector.spans.filter(({ name }) => name === 'stream.poll')
  expect(polls.map(({ attributes }) => attributes['watchbell.outcome'])).toContain('progress')
  const ids = new Set(polls.map(({ spanId }) => spanId))
  const taken = collector.spans.filter(
    ({ name, attributes }) => name === 'set.accept' && attributes['watchbell.via'] === 'poll',
  )
  expect(taken.length).toBeGreaterThan(0)
  expect(taken.every(({ parentSpanId = '' }) => ids.has(parentSpanId))).toBe(true)
})

test('no token, secret, subject or path becomes part of a trace', async () => {
  await using collector = await startOtlpReceiver()
  const secrets: string[] = []
  {
    await using site = await startHubWithProvider({ hub: to(collector) })
    const token = site.sign()
    secrets.push(...token.split('.'), site.hub.adminToken, ada.email, 'jwks.json', '127.0.0.1/')
    await site.hub.push(token)
    await site.hub.push(`${token}x`)
    await site.hub.api('GET', '/v1/signals?subject=ada@example.com')
    await site.hub.api('GET', '/api/v1/users/ada@example.com/risk')
    await fetch(`${site.hub.origin}/${ada.email}`, {
      headers: { authorization: `SSWS ${site.hub.adminToken}` },
    })
  }
  expect(collector.spans.map(({ name }) => name)).toContain('GET /api/v1/users/:userId/risk')
  for (const secret of secrets) expect(collector.text()).not.toContain(secret)
})

describe('the trace of the caller (W3C Trace Context)', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const spanId = 'b7ad6b7169203331'

  async function asked(traceparent: string, over = {}): Promise<ReceivedSpan[]> {
    await using collector = await startOtlpReceiver()
    {
      await using hub = await startTestHub(to(collector, over))
      expect((await fetch(`${hub.origin}/healthz`, { headers: { traceparent } })).status).toBe(200)
    }
    return [...collector.spans]
  }

  test.each([
    [`00-${traceId}-${spanId}-01`],
    [`cc-${traceId}-${spanId}-01`],
    [`01-${traceId}-${spanId}-01-what-the-future-will-be-like`],
  ])('%s is gone on with', async (traceparent) => {
    expect(spanOf(await asked(traceparent), 'GET /healthz')).toMatchObject({ traceId, parentSpanId: spanId })
  })

  test('one that is not kept by its maker is not kept here', async () => {
    expect(await asked(`00-${traceId}-${spanId}-00`)).toEqual([])
  })

  test.each([
    [''],
    ['00'],
    [`00-${traceId}-${spanId}`],
    [`00-${traceId}-${spanId}-01-more`],
    [`ff-${traceId}-${spanId}-01`],
    [`00-${traceId.toUpperCase()}-${spanId}-01`],
    [`00-${'0'.repeat(32)}-${spanId}-01`],
    [`00-${traceId}-${'0'.repeat(16)}-01`],
    [`00-${traceId}0-${spanId}-01`],
    ['<script>'],
  ])('%j is none: a new trace begins', async (traceparent) => {
    const span = spanOf(await asked(traceparent), 'GET /healthz')
    expect(span.traceId).not.toBe(traceId)
    expect(span.parentSpanId ?? '').toBe('')
  })

  test('goes to nobody: requests to transmitters carry no trace', async () => {
    await using collector = await startOtlpReceiver()
    const seen: string[] = []
    await using keys = await startLocalServer((request, response) => {
      seen.push(...Object.keys(request.headers))
      response.writeHead(500).end()
    })
    {
      await using site = await startHubWithProvider({ hub: to(collector) })
      await site.hub.api('PUT', `/api/v1/security-events-providers/${site.providerId}`, {
        name: 'x',
        type: 'test',
        settings: { issuer: site.transmitter.issuer, jwks_url: `${keys.origin}/keys` },
      })
      await fetch(`${site.hub.origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt', traceparent: `00-${traceId}-${spanId}-01` },
        body: site.sign(),
      })
    }
    expect(spanOf(collector.spans, 'jwks.fetch').traceId).toBe(traceId)
    expect(seen).toContain('accept')
    expect(seen.filter((name) => /trace|baggage|b3/.test(name))).toEqual([])
  })
})

describe('settings', () => {
  test.each<[string, Partial<Record<SettingName, string>>, boolean]>([
    ['an endpoint alone', {}, true],
    ['otlp', { tracesExporter: 'otlp' }, true],
    ['none', { tracesExporter: 'none' }, false],
    ['the SDK disabled', { otelDisabled: 'true' }, false],
    ['no trace kept', { tracesSampler: 'always_off' }, false],
    ['a ratio of 0', { tracesSampler: 'parentbased_traceidratio', tracesSamplerArg: '0' }, false],
    ['a ratio of 1', { tracesSampler: 'traceidratio', tracesSamplerArg: '1' }, true],
  ])('%s: sent or not', async (_what, settings, sent) => {
    await using collector = await startOtlpReceiver()
    {
      await using hub = await startTestHub(to(collector, settings))
      await fetch(`${hub.origin}/healthz`)
    }
    expect(collector.spans.length > 0).toBe(sent)
  })

  test('endpoint, headers, name and attributes are the ones that were set', async () => {
    await using collector = await startOtlpReceiver()
    const settings = {
      otlpEndpoint: 'http://127.0.0.1:9',
      otlpTracesEndpoint: `${collector.origin}/tenant/traces`,
      otlpHeaders: 'x-tenant=a%20b,x-both=general',
      otlpTracesHeaders: 'x-both=special',
      otelServiceName: 'hub-1',
      otelResourceAttributes: 'service.name=other,deployment.environment.name=test',
    }
    {
      await using hub = await startTestHub({ settings })
      await fetch(`${hub.origin}/healthz`)
    }
    expect(collector.requests[0]).toMatchObject({
      path: '/tenant/traces',
      headers: { 'x-tenant': 'a b', 'x-both': 'special' },
    })
    expect(collector.resources[0]).toMatchObject({
      'service.name': 'hub-1',
      'deployment.environment.name': 'test',
    })
  })

  test('a receiver that is away or refuses changes nothing for anybody', async () => {
    await using refusing = await startOtlpReceiver(400)
    for (const otlpEndpoint of ['http://127.0.0.1:9', refusing.origin]) {
      await using site = await startHubWithProvider({ hub: { settings: { otlpEndpoint } } })
      expect((await site.hub.push(site.sign())).status).toBe(202)
    }
  })
})

test('what is off is not loaded: neither OpenTelemetry nor prom-client', async () => {
  const run = promisify(execFile)
  const code = `
    require('node:module').registerHooks({
      load(url, context, next) {
        if (/prom-client|opentelemetry/.test(url)) console.log('loaded ' + url)
        return next(url, context)
      },
    })
    void (async () => {
      const { startTestHub } = await import('./packages/hub/src/testing/start-test-hub.ts')
      const hub = await startTestHub({ settings: JSON.parse(process.env.HUB_SETTINGS) })
      await fetch(hub.origin + '/healthz')
      await hub[Symbol.asyncDispose]()
    })()`
  const loaded = async (settings: object): Promise<string> => {
    const { stdout } = await run(process.execPath, ['--eval', code], {
      env: { ...process.env, HUB_SETTINGS: JSON.stringify(settings) },
    })
    return stdout
  }
  expect(await loaded({})).toBe('')
  const all = await loaded({ metricsListen: '127.0.0.1:0', otlpEndpoint: 'http://127.0.0.1:9' })
  expect(all).toMatch(/prom-client/)
  expect(all).toMatch(/opentelemetry/)
})
