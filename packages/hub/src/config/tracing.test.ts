import { describe, expect, test } from 'vitest'
import { loadSettings } from './load-settings.ts'
import type { Settings } from './settings.ts'

const load = (environment: Readonly<Record<string, string>>): Settings =>
  loadSettings({ environment, flags: {}, file: undefined })

describe('traces (OpenTelemetry, environment variable specification)', () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ['off by default', {}, undefined],
    ['on with an endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'http://c:4318/v1/traces'],
    [
      'a slash at the end is one',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' },
      'http://c:4318/v1/traces',
    ],
    ['a path is kept', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp' }, 'https://c/otlp/v1/traces'],
    ['the one for traces is whole', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c/t' }, 'https://c/t'],
    [
      'the one for traces wins',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/' },
      'http://t/',
    ],
    ['an exporter without endpoint', { OTEL_TRACES_EXPORTER: 'otlp' }, 'http://localhost:4318/v1/traces'],
    ['none', { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' }, undefined],
    ['disabled', { OTEL_SDK_DISABLED: 'True', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' }, undefined],
    [
      'not disabled',
      { OTEL_SDK_DISABLED: 'false', OTEL_TRACES_EXPORTER: 'otlp' },
      'http://localhost:4318/v1/traces',
    ],
    ['empty is not set', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
    ['a name alone', { OTEL_SERVICE_NAME: 'hub' }, undefined],
    ['grpc where nothing is sent', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, undefined],
    [
      'grpc for others',
      {
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c',
      },
      'http://c/v1/traces',
    ],
  ])('%s', (_what, environment, url) => {
    expect(load(environment).tracing?.url).toBe(url)
  })

  test('the service is named by its own variable, else by the attributes', () => {
    const attributes = {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=a%2Cb, x = y=z ,',
    }
    expect(load(attributes).tracing).toMatchObject({
      serviceName: 'a,b',
      resourceAttributes: { 'service.name': 'a,b', x: 'y=z' },
      sampler: { name: 'parentbased_always_on', ratio: 1 },
    })
    expect(load({ ...attributes, OTEL_SERVICE_NAME: 'hub' }).tracing?.serviceName).toBe('hub')
    expect(load({ OTEL_TRACES_EXPORTER: 'otlp' }).tracing?.serviceName).toBe('watchbell')
  })

  const on = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' }
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_EXPORTER: 'otlp' }

  test.each<[Record<string, string>, string]>([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      'OTEL_EXPORTER_OTLP_ENDPOINT: it is not an http or https URL',
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318', OTEL_TRACES_EXPORTER: 'otlp' }, 'there are no traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:word@c' }, 'without credentials'],
    [
      { ...on, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://c' },
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not',
    ],
    [{ ...on, OTEL_TRACES_EXPORTER: 'console' }, "OTEL_TRACES_EXPORTER: 'console' is not one of otlp, none"],
    [grpc, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json'],
  ])('%j: a warning, no traces, and never another receiver', (environment, warning) => {
    const { tracing, warnings } = load(environment)
    expect(tracing).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining(warning)])
  })

  test.each<[Record<string, string>, string, object]>([
    [{ OTEL_SDK_DISABLED: 'yes' }, "OTEL_SDK_DISABLED: 'yes' is not one of true, false: it is ignored", {}],
    [
      { OTEL_TRACES_EXPORTER: 'otlp,console' },
      "'console' is not one of otlp, none",
      { url: 'http://c/v1/traces' },
    ],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/xml' }, 'not one of grpc, http/protobuf, http/json', {}],
    [
      { OTEL_TRACES_SAMPLER: 'jaeger_remote' },
      'not one of always_on',
      { sampler: { name: 'parentbased_always_on', ratio: 1 } },
    ],
    ...['1.5', '-0', 'half'].map((arg): [Record<string, string>, string, object] => [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: arg },
      `'${arg}' is not a number from 0 to 1`,
      { sampler: { name: 'traceidratio', ratio: 1 } },
    ]),
    [{ OTEL_RESOURCE_ATTRIBUTES: 'a=b,c' }, 'entry 2 is not key=value', { resourceAttributes: {} }],
    [{ OTEL_RESOURCE_ATTRIBUTES: '=b' }, 'entry 1', { resourceAttributes: {} }],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization' }, 'OTEL_EXPORTER_OTLP_HEADERS: entry 1', {}],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=%GG' }, 'entry 1', {}],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'two%20words=b' }, 'entry 1', {}],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=b%0Ac' }, 'entry 1', {}],
  ])('%j: a warning, and traces as if it were not set', (environment, warning, expected) => {
    const { tracing, warnings } = load({ ...on, ...environment })
    expect(tracing).toMatchObject(expected)
    expect(warnings).toEqual([expect.stringContaining(warning)])
  })

  test.each<[Record<string, string>]>([
    [{ OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'nowhere', OTEL_TRACES_SAMPLER: 'x' }],
    [{ OTEL_TRACES_EXPORTER: 'NONE', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_SAMPLER: 'x' }],
    [{ OTEL_TRACES_SAMPLER: 'x', OTEL_EXPORTER_OTLP_PROTOCOL: 'y' }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'nowhere', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c' }],
  ])('%j: what is not used is not judged', (environment) => {
    expect(load(environment).warnings).toEqual([])
  })

  test('names are the same in either case', () => {
    const { tracing, warnings } = load({
      OTEL_TRACES_EXPORTER: 'OTLP',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'HTTP/JSON',
      OTEL_TRACES_SAMPLER: 'TraceIdRatio',
      OTEL_TRACES_SAMPLER_ARG: '.25',
    })
    expect(tracing?.sampler).toEqual({ name: 'traceidratio', ratio: 0.25 })
    expect(warnings).toEqual([])
  })

  test('headers are secrets, and a bad one is not shown', () => {
    const settings = load({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hush',
    })
    const { secrets, ...shown } = settings
    expect(secrets.otlpHeaders).toEqual({ authorization: 'Bearer hush' })
    expect(JSON.stringify(shown)).not.toContain('hush')
    for (const bad of ['hush', 'http://user:hush@c', 'http://:hush@c']) {
      const warned = load({ OTEL_EXPORTER_OTLP_ENDPOINT: bad, OTEL_EXPORTER_OTLP_TRACES_HEADERS: bad })
      const other = load({ ...on, OTEL_EXPORTER_OTLP_HEADERS: 'sound=1,hush' })
      expect(other.secrets.otlpHeaders).toEqual({ sound: '1' })
      expect([warned.warnings.length, other.warnings.length]).toEqual([1, 1])
      expect([...warned.warnings, ...other.warnings].join()).not.toContain('hush')
    }
  })
})

describe('the address of metrics', () => {
  test.each<[string, object]>([
    ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
    ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
  ])('%s', (text, address) => {
    expect(load({ WATCHBELL_METRICS_LISTEN: text }).metricsListen).toEqual(address)
  })

  test.each([['9464'], [':9464'], ['127.0.0.1'], ['http://127.0.0.1:9464'], ['127.0.0.1:70000']])(
    '%s is none',
    (text) => {
      expect(() => load({ WATCHBELL_METRICS_LISTEN: text })).toThrow(/is not host:port/)
    },
  )

  test('the port that everyone reaches is not the one for metrics', () => {
    const environment = { WATCHBELL_LISTEN: '127.0.0.1:8000', WATCHBELL_METRICS_LISTEN: '127.0.0.1:8000' }
    expect(() => load(environment)).toThrow(/give them a port of their own/)
  })
})
