import { samplerNames, type SamplerSetting } from '../metrics/sampler.ts'
import { setting, type SettingEntry } from './setting.ts'

type Texts = Readonly<Record<string, string>>
const protocols = ['grpc', 'http/protobuf', 'http/json'] as const

const protocolMeaning =
  'How traces are sent: `http/json`; `http/protobuf` is taken too, because receivers of OTLP over HTTP take JSON at the same URL.'

/** As it stands there: what one of them means depends on the others, so `readTracing` reads them together. */
function variable(
  name: `OTEL_${string}`,
  rest: Pick<Parameters<typeof setting>[2], 'default' | 'meaning' | 'secret'>,
): SettingEntry<string | undefined> {
  return setting<string | undefined>(name, undefined, { ...rest, read: (text) => text })
}

/**
 * The variables of OpenTelemetry that are heeded, with the meaning that its specification gives them.
 * Traces are off unless one of the two endpoints or the exporter is set.
 */
export const tracingEntries = {
  otelDisabled: variable('OTEL_SDK_DISABLED', {
    default: 'false',
    meaning: 'Whether traces are off, whatever else is set: true or false.',
  }),
  tracesExporter: variable('OTEL_TRACES_EXPORTER', {
    default: 'otlp when an endpoint is set, else none',
    meaning: 'Where traces go: otlp (to the endpoint, http://localhost:4318 unless set) or none.',
  }),
  otlpEndpoint: variable('OTEL_EXPORTER_OTLP_ENDPOINT', {
    meaning: 'URL of an OTLP/HTTP receiver, such as http://localhost:4318; traces go to its path /v1/traces.',
  }),
  otlpTracesEndpoint: variable('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', {
    meaning: 'The whole URL that traces are sent to; beats `OTEL_EXPORTER_OTLP_ENDPOINT`.',
  }),
  otlpProtocol: variable('OTEL_EXPORTER_OTLP_PROTOCOL', { default: 'http/json', meaning: protocolMeaning }),
  otlpTracesProtocol: variable('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', {
    default: 'as `OTEL_EXPORTER_OTLP_PROTOCOL`',
    meaning: 'The same for traces alone.',
  }),
  otlpHeaders: variable('OTEL_EXPORTER_OTLP_HEADERS', {
    meaning: 'Headers for the receiver, `name=value` pairs separated by commas, percent-encoded.',
    secret: true,
  }),
  otlpTracesHeaders: variable('OTEL_EXPORTER_OTLP_TRACES_HEADERS', {
    meaning: 'The same for traces alone; beats a header of the same name.',
    secret: true,
  }),
  otelServiceName: variable('OTEL_SERVICE_NAME', {
    default: 'watchbell',
    meaning: 'The name of this service in traces.',
  }),
  otelResourceAttributes: variable('OTEL_RESOURCE_ATTRIBUTES', {
    meaning:
      'What else is said of this service in traces, `key=value` pairs separated by commas, percent-encoded.',
  }),
  tracesSampler: variable('OTEL_TRACES_SAMPLER', {
    default: 'parentbased_always_on',
    meaning: `Which traces are kept: ${samplerNames.join(', ')}.`,
  }),
  tracesSamplerArg: variable('OTEL_TRACES_SAMPLER_ARG', {
    default: '1',
    meaning: 'Which part of traces a sampler with `ratio` in its name keeps, 0 to 1.',
  }),
} as const

type TracingName = keyof typeof tracingEntries
export type TracingTexts = Readonly<Record<TracingName, string | undefined>>

/** Where traces go, and which. */
export interface TracingSettings {
  /** The whole URL. */
  readonly url: string
  readonly serviceName: string
  readonly resourceAttributes: Texts
  readonly sampler: SamplerSetting
}

export interface ReadTracing {
  /** Undefined when traces are off. */
  readonly tracing: TracingSettings | undefined
  /** For the receiver; secrets. */
  readonly headers: Texts
  /** What was ignored, and why; without secrets. */
  readonly warnings: readonly string[]
}

const defaultEndpoint = 'http://localhost:4318'

/**
 * What follows from all of them together. These variables are everybody's, set for whole machines, so nothing in them stops
 * a hub: what is unknown or malformed is warned of and ignored (OpenTelemetry specification, "Environment Variable
 * Specification", parsing of values). Nothing is judged that is not used.
 */
export function readTracing(texts: TracingTexts): ReadTracing {
  const warnings: string[] = []
  const given: Given = {
    texts,
    warn: (name, reason) => warnings.push(`${tracingEntries[name].variable}: ${reason}`),
  }
  const url = isWanted(given) ? targetUrl(given) : undefined
  if (url === undefined || !isOverHttp(given)) return { tracing: undefined, headers: {}, warnings }
  const resourceAttributes = readAttributes(given)
  const tracing = {
    url,
    serviceName: texts.otelServiceName ?? resourceAttributes['service.name'] ?? 'watchbell',
    resourceAttributes,
    sampler: {
      name: wordOf(given, 'tracesSampler', samplerNames) ?? 'parentbased_always_on',
      ratio: readRatio(given),
    },
  }
  const headers = { ...readHeaders(given, 'otlpHeaders'), ...readHeaders(given, 'otlpTracesHeaders') }
  return { tracing, headers, warnings }
}

interface Given {
  readonly texts: TracingTexts
  warn(name: TracingName, reason: string): void
}

function isWanted(given: Given): boolean {
  const { tracesExporter, otlpEndpoint, otlpTracesEndpoint } = given.texts
  if (wordOf(given, 'otelDisabled', ['true', 'false']) === 'true') return false
  if (tracesExporter === undefined) return (otlpTracesEndpoint ?? otlpEndpoint) !== undefined
  const names = tracesExporter.split(',').map((name) => name.trim())
  for (const name of names) {
    if (!isWord(name, ['otlp', 'none']))
      given.warn('tracesExporter', `'${name}' is not one of otlp, none: no traces go there`)
  }
  return names.some((name) => isWord(name, ['otlp']))
}

/** Never another URL than the one that was meant. */
function targetUrl({ texts, warn }: Given): string | undefined {
  const name = texts.otlpTracesEndpoint === undefined ? 'otlpEndpoint' : 'otlpTracesEndpoint'
  const text = texts[name] ?? defaultEndpoint
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    // What was given may hold a password.
    warn(
      name,
      `it is not an http or https URL without credentials, such as ${defaultEndpoint}: there are no traces`,
    )
    return undefined
  }
  return name === 'otlpEndpoint' ? `${text.replace(/\/$/, '')}/v1/traces` : text
}

function isOverHttp(given: Given): boolean {
  const protocol = wordOf(given, 'otlpTracesProtocol', protocols) ?? wordOf(given, 'otlpProtocol', protocols)
  if (protocol !== 'grpc') return true
  given.warn(
    'otlpProtocol',
    'grpc: traces are sent over HTTP, so there are none; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to the HTTP port of the receiver (4318 by default), or OTEL_TRACES_EXPORTER=none',
  )
  return false
}

function isWord(text: string, words: readonly string[]): boolean {
  return words.includes(text.toLowerCase())
}

/** The word that was given, in whichever case; undefined when none was, or one that there is not. */
function wordOf<T extends string>(
  { texts, warn }: Given,
  name: TracingName,
  words: readonly T[],
): T | undefined {
  const text = texts[name]?.trim()
  if (text === undefined) return undefined
  const word = words.find((word) => word === text.toLowerCase())
  if (word === undefined) warn(name, `'${text}' is not one of ${words.join(', ')}: it is ignored`)
  return word
}

/** As if it were not set, when it is malformed. */
function readRatio({ texts, warn }: Given): number {
  const text = texts.tracesSamplerArg?.trim()
  if (text === undefined) return 1
  const ratio = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  if (ratio >= 0 && ratio <= 1) return ratio
  warn('tracesSamplerArg', `'${text}' is not a number from 0 to 1: it is ignored`)
  return 1
}

/** All or none: "the entire environment variable value SHOULD be discarded" (specification, Resource SDK). */
function readAttributes({ texts, warn }: Given): Texts {
  const pairs = pairsOf(texts.otelResourceAttributes)
  const bad = pairs.indexOf(undefined)
  if (bad === -1) return Object.fromEntries(pairs.filter((pair) => pair !== undefined))
  warn(
    'otelResourceAttributes',
    `entry ${bad + 1} is not key=value, percent-encoded: all of them are ignored`,
  )
  return {}
}

function readHeaders({ texts, warn }: Given, name: 'otlpHeaders' | 'otlpTracesHeaders'): Texts {
  const pairs = pairsOf(texts[name]).map((pair) => (pair !== undefined && isHeader(pair) ? pair : undefined))
  for (const [at, pair] of pairs.entries()) {
    // The pair itself may be a secret.
    if (pair === undefined) warn(name, `entry ${at + 1} is not name=value, percent-encoded: it is left out`)
  }
  return Object.fromEntries(
    pairs.filter((pair) => pair !== undefined).map(([name, value]) => [name.toLowerCase(), value]),
  )
}

/** Field name and value of RFC 9110 §5: others would make each request fail. */
function isHeader([name, value]: readonly [string, string]): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** W3C Baggage without properties, as the specification has headers and attributes; undefined for what is none. */
function pairsOf(text = ''): readonly (readonly [string, string] | undefined)[] {
  return text
    .split(',')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=')
      if (name.trim() === '' || rest.length === 0) return undefined
      try {
        return [decodeURIComponent(name.trim()), decodeURIComponent(rest.join('=').trim())]
      } catch {
        return undefined
      }
    })
}
