import { samplerNames, type SamplerSetting } from '../metrics/sampler.ts'
import { oneOf, setting, SettingProblem, type SettingEntry } from './setting.ts'

type Texts = Readonly<Record<string, string>>
type Protocol = (typeof protocols)[number]
const protocols = ['grpc', 'http/protobuf', 'http/json'] as const

const protocolMeaning =
  'How traces are sent: `http/json`; `http/protobuf` is taken too, because receivers of OTLP over HTTP take JSON at the same URL.'

/**
 * The variables of OpenTelemetry that are heeded, with the meaning that its specification gives them.
 * Traces are off unless one of the two endpoints or the exporter is set.
 */
export const tracingEntries = {
  otelDisabled: setting('OTEL_SDK_DISABLED', false, {
    default: 'false',
    meaning: 'Whether traces are off, whatever else is set: true or false.',
    read: (text) => oneOf(text.toLowerCase(), ['true', 'false']) === 'true',
  }),
  tracesExporter: setting<'otlp' | 'none' | undefined>('OTEL_TRACES_EXPORTER', undefined, {
    default: 'otlp when an endpoint is set, else none',
    meaning: 'Where traces go: otlp (to the endpoint, http://localhost:4318 unless set) or none.',
    read: (text) => oneOf<'otlp' | 'none'>(text, ['otlp', 'none']),
  }),
  otlpEndpoint: setting<string | undefined>('OTEL_EXPORTER_OTLP_ENDPOINT', undefined, {
    meaning: 'URL of an OTLP/HTTP receiver, such as http://localhost:4318; traces go to its path /v1/traces.',
    read: readUrl,
  }),
  otlpTracesEndpoint: setting<string | undefined>('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', undefined, {
    meaning: 'The whole URL that traces are sent to; beats `OTEL_EXPORTER_OTLP_ENDPOINT`.',
    read: readUrl,
  }),
  otlpProtocol: setting<Protocol | undefined>('OTEL_EXPORTER_OTLP_PROTOCOL', undefined, {
    default: 'http/json',
    meaning: protocolMeaning,
    read: (text) => oneOf(text, protocols),
  }),
  otlpTracesProtocol: setting<Protocol | undefined>('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', undefined, {
    default: 'as `OTEL_EXPORTER_OTLP_PROTOCOL`',
    meaning: 'The same for traces alone.',
    read: (text) => oneOf(text, protocols),
  }),
  otlpHeaders: setting<Texts>(
    'OTEL_EXPORTER_OTLP_HEADERS',
    {},
    {
      meaning: 'Headers for the receiver, `name=value` pairs separated by commas, percent-encoded.',
      secret: true,
      read: readPairs,
    },
  ),
  otlpTracesHeaders: setting<Texts>(
    'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
    {},
    {
      meaning: 'The same for traces alone; beats a header of the same name.',
      secret: true,
      read: readPairs,
    },
  ),
  otelServiceName: setting<string | undefined>('OTEL_SERVICE_NAME', undefined, {
    default: 'watchbell',
    meaning: 'The name of this service in traces.',
    read: (text) => text,
  }),
  otelResourceAttributes: setting<Texts>(
    'OTEL_RESOURCE_ATTRIBUTES',
    {},
    {
      meaning:
        'What else is said of this service in traces, `key=value` pairs separated by commas, percent-encoded.',
      read: readPairs,
    },
  ),
  tracesSampler: setting<SamplerSetting['name']>('OTEL_TRACES_SAMPLER', 'parentbased_always_on', {
    default: 'parentbased_always_on',
    meaning: `Which traces are kept: ${samplerNames.join(', ')}.`,
    read: (text) => oneOf(text, samplerNames),
  }),
  tracesSamplerArg: setting('OTEL_TRACES_SAMPLER_ARG', 1, {
    default: '1',
    meaning: 'Which part of traces a sampler with `ratio` in its name keeps, 0 to 1.',
    read: readRatio,
  }),
} as const satisfies Record<string, SettingEntry<unknown>>

type TracingValues = { [Name in keyof typeof tracingEntries]: (typeof tracingEntries)[Name]['fallback'] }
export type TracingSecretName = 'otlpHeaders' | 'otlpTracesHeaders'

/** Where traces go, and which. */
export interface TracingSettings {
  /** The whole URL. */
  readonly url: string
  readonly serviceName: string
  readonly resourceAttributes: Texts
  readonly sampler: SamplerSetting
}

const defaultEndpoint = 'http://localhost:4318'

/** What follows from all of them together. @returns undefined when traces are off @throws SettingProblem */
export function tracingOf(values: Omit<TracingValues, TracingSecretName>): TracingSettings | undefined {
  const { otlpEndpoint, otlpTracesEndpoint, tracesExporter, otelResourceAttributes } = values
  const wanted = tracesExporter ?? (otlpEndpoint ?? otlpTracesEndpoint) !== undefined
  if (values.otelDisabled || wanted === false || wanted === 'none') return undefined
  if ((values.otlpTracesProtocol ?? values.otlpProtocol) === 'grpc') {
    throw new SettingProblem(
      'OTEL_EXPORTER_OTLP_PROTOCOL=grpc: traces are sent over HTTP; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to the HTTP port of the receiver (4318 by default), or OTEL_TRACES_EXPORTER=none',
    )
  }
  return {
    url: otlpTracesEndpoint ?? `${(otlpEndpoint ?? defaultEndpoint).replace(/\/$/, '')}/v1/traces`,
    serviceName: values.otelServiceName ?? otelResourceAttributes['service.name'] ?? 'watchbell',
    resourceAttributes: otelResourceAttributes,
    sampler: { name: values.tracesSampler, ratio: values.tracesSamplerArg },
  }
}

function readUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '') {
    throw new SettingProblem(
      `'${text}' is not an http or https URL without credentials, such as ${defaultEndpoint}`,
    )
  }
  return text
}

/** W3C Baggage without properties, as the specification has headers and attributes. */
function readPairs(text: string): Texts {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  return Object.fromEntries(
    pairs.map((pair, at): [string, string] => {
      const [name = '', ...rest] = pair.split('=')
      // The pair itself may be a secret.
      if (name.trim() === '' || rest.length === 0) throw notAPair(at)
      try {
        return [decodeURIComponent(name.trim()), decodeURIComponent(rest.join('=').trim())]
      } catch {
        throw notAPair(at)
      }
    }),
  )
}

function notAPair(at: number): SettingProblem {
  return new SettingProblem(`entry ${at + 1} is not name=value, percent-encoded`)
}

function readRatio(text: string): number {
  const ratio = /^\d(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN
  if (ratio >= 0 && ratio <= 1) return ratio
  throw new SettingProblem(`'${text}' is not a number from 0 to 1`)
}
