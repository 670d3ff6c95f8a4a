import { describe, expect, test } from 'vitest'
import { loadSettings } from './load-settings.ts'
import { SettingsError, type Settings } from './settings.ts'

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
  ])('%s', (_words, environment, url) => {
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

  test.each<[Record<string, string>, RegExp]>([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      /OTEL_EXPORTER_OTLP_ENDPOINT: .* not an http or https URL/,
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:word@c' }, /without credentials/],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://c' }, /OTEL_EXPORTER_OTLP_TRACES_ENDPOINT/],
    [{ OTEL_TRACES_EXPORTER: 'console' }, /not one of otlp, none/],
    [{ OTEL_TRACES_EXPORTER: 'otlp,console' }, /not one of/],
    [{ OTEL_SDK_DISABLED: 'yes' }, /not one of true, false/],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/xml' }, /not one of grpc, http\/protobuf, http\/json/],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_EXPORTER: 'otlp' },
      /OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http\/json/,
    ],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, /not one of always_on/],
    [{ OTEL_TRACES_SAMPLER_ARG: '1.5' }, /from 0 to 1/],
    [{ OTEL_TRACES_SAMPLER_ARG: '-0' }, /from 0 to 1/],
    [{ OTEL_TRACES_SAMPLER_ARG: 'half' }, /from 0 to 1/],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'a=b,c' }, /entry 2 is not name=value/],
    [{ OTEL_RESOURCE_ATTRIBUTES: '=b' }, /entry 1/],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization' }, /OTEL_EXPORTER_OTLP_HEADERS: entry 1/],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=%GG' }, /entry 1/],
  ])('%j stops the start', (environment, message) => {
    expect(() => load(environment)).toThrow(SettingsError)
    expect(() => load(environment)).toThrow(message)
  })

  test('headers are secrets, and a bad one is not shown', () => {
    const settings = load({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hush',
    })
    const { secrets, ...shown } = settings
    expect(secrets.otlpHeaders).toEqual({ authorization: 'Bearer hush' })
    expect(JSON.stringify(shown)).not.toContain('hush')
    expect(() => load({ OTEL_EXPORTER_OTLP_HEADERS: 'hush' })).toThrow(expect.not.stringContaining('hush'))
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
