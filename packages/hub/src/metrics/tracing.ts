import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace'
import { isHubError } from '../base/hub-error.ts'
import type { Tracer, TracedWork } from '../base/tracer.ts'
import { ownUserAgent } from '../base/user-agent.ts'
import type { RequestObserver } from '../http/request-observer.ts'
import { outcomeOfError } from './outbound.ts'
import type { SamplerSetting } from './sampler.ts'

export interface TracingOptions {
  /** The traces endpoint of an OTLP/HTTP receiver. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  readonly version: string
  readonly resourceAttributes: Readonly<Record<string, string>>
  readonly sampler: SamplerSetting
}

/** Traces over OTLP. Disposing sends waiting traces. */
export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer
  readonly observer: RequestObserver
  /** A fetch whose requests have spans. No trace headers are sent, because transmitters are not trusted. */
  traced(fetch: typeof globalThis.fetch): typeof globalThis.fetch
}

/** Timeout of each export, and so the longest that a stop waits for an unavailable receiver. */
const exportTimeoutMs = 3_000

/**
 * Traces of this hub only: no global tracer is registered, so that a program that embeds the hub keeps its own.
 * Only ids of providers, route patterns, hosts and values of closed lists become attributes.
 */
export function createTracing(options: TracingOptions): Tracing {
  const { url, headers, serviceName, version, resourceAttributes } = options
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    userAgent: ownUserAgent,
    timeoutMillis: exportTimeoutMs,
  })
  const provider = new TracerProvider({
    sampler: samplerOf(options.sampler),
    resource: resourceFromAttributes({
      ...resourceAttributes,
      'service.name': serviceName,
      'service.version': version,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: exportTimeoutMs })],
  })
  const tracer = provider.getTracer('watchbell', version)
  const contexts = new AsyncLocalStorageContextManager()

  /** Does the work inside a span that ends with it, or with the promise that it returns. */
  function within<T>(span: Span, parent: Context, work: () => T): T {
    const settle = (error?: unknown): void => {
      if (error !== undefined) noteError(span, error)
      span.end()
    }
    try {
      const result = contexts.with(trace.setSpan(parent, span), work)
      if (result instanceof Promise) {
        result.then(
          () => settle(),
          (error: unknown) => settle(error),
        )
      } else settle()
      return result
    } catch (error) {
      settle(error)
      throw error
    }
  }

  return {
    tracer: {
      span(name, work) {
        const parent = contexts.active()
        const span = tracer.startSpan(name, {}, parent)
        const traced: TracedWork = { note: (facts) => void span.setAttributes(facts) }
        return within(span, parent, () => work(traced))
      },
    },
    observer: {
      begin({ method, route, traceparent }) {
        const parent = remoteParent(traceparent)
        const span = tracer.startSpan(
          route === undefined ? method : `${method} ${route}`,
          {
            kind: SpanKind.SERVER,
            attributes: {
              'http.request.method': method,
              ...(route !== undefined && { 'http.route': route }),
            },
          },
          parent,
        )
        return {
          enter: (next) => contexts.with(trace.setSpan(parent, span), next),
          end(status) {
            if (status === undefined) span.setAttribute('error.type', 'aborted')
            else span.setAttribute('http.response.status_code', status)
            if (status !== undefined && status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
            span.end()
          },
        }
      },
    },
    traced: (fetch) => (input, init) => {
      const { method, attributes } = requestFacts(input, init)
      const parent = contexts.active()
      const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }, parent)
      return within(span, parent, async () => {
        try {
          const response = await fetch(input, init)
          span.setAttribute('http.response.status_code', response.status)
          if (response.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR })
          return response
        } catch (error) {
          span.setAttribute('watchbell.outcome', outcomeOfError(error))
          throw error
        }
      })
    },
    async [Symbol.asyncDispose]() {
      await provider.shutdown().catch(() => undefined) // an unavailable receiver must not make a stop fail
    },
  }
}

/** A refusal is not a failure of the hub: its span has the code and no error status. The message may name a subject and is left out. */
function noteError(span: Span, error: unknown): void {
  const code = isHubError(error) ? error.code : undefined
  span.setAttribute('error.type', code ?? (error instanceof Error ? error.name : 'unknown'))
  if (code?.startsWith('set.') !== true && code?.startsWith('request.') !== true) {
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
}

/** Host and method; a path or query may contain secrets. */
function requestFacts(
  input: string | URL | Request,
  init: RequestInit | undefined,
): { readonly method: string; readonly attributes: Attributes } {
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
  const url = URL.parse(input instanceof Request ? input.url : String(input))
  return {
    method,
    attributes: {
      'http.request.method': method,
      ...(url !== null && {
        'server.address': url.hostname,
        'server.port': Number(url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : url.port),
      }),
    },
  }
}

/** Version 00 ends after the flags; later versions may have more (§4). */
const traceparentShape = /^(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/

/** The caller's span (W3C Trace Context §3.2); none when its header is malformed. */
function remoteParent(traceparent: string | undefined): Context {
  const [, traceId = '', spanId = '', flags = ''] = traceparentShape.exec(traceparent ?? '') ?? []
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return /[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(spanId)
    ? trace.setSpanContext(ROOT_CONTEXT, parent)
    : ROOT_CONTEXT
}

function samplerOf({ name, ratio }: SamplerSetting): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio)
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })
  }
}
