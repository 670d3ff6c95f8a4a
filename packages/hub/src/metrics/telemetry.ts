import type { Logger } from '@watchbell/receiver/base'
import type { Meter } from '../base/meter.ts'
import type { Tracer } from '../base/tracer.ts'
import type { ObservedRequest, RequestObserver } from '../http/request-observer.ts'
import { handlingCells, type HandlingCells } from './handling.ts'
import type { HubStateDeps } from './hub-state.ts'
import type { MetricsServer, MetricsServerOptions } from './metrics-server.ts'
import { observedFetch } from './outbound.ts'
import type { TracingOptions } from './tracing.ts'

export interface TelemetryOptions {
  /** Where metrics are served; undefined turns metrics off. */
  readonly metricsListen: MetricsServerOptions['listen'] | undefined
  /** Where traces are sent; undefined turns traces off. */
  readonly tracing: Omit<TracingOptions, 'version'> | undefined
  /** Watchbell's version. */
  readonly version: string
  readonly logger: Logger
  readonly now: () => Date
}

/** Metrics and traces, each on or off. Disposing sends waiting traces. */
export interface Telemetry extends AsyncDisposable {
  /** For `createHub`; each is present only when it is on. */
  readonly hub: { readonly meter?: Meter; readonly tracer?: Tracer }
  /** For the `http` room. */
  readonly observer: RequestObserver | undefined
  /** For the handler's thread. */
  readonly handling: HandlingCells | undefined
  /** The outbound fetch, observed. */
  watch(fetch: typeof globalThis.fetch): typeof globalThis.fetch
  /** Listens for scrapes. @returns undefined when metrics are off @throws the error of `listen` */
  serve(state: Pick<HubStateDeps, 'hub' | 'storage'>): Promise<MetricsServer | undefined>
}

/** Modules are loaded only when they are on. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const metrics = options.metricsListen === undefined ? undefined : await startMetrics(options)
  const tracing =
    options.tracing === undefined
      ? undefined
      : (await import('./tracing.ts')).createTracing({ ...options.tracing, version: options.version })
  const observers = [metrics?.observer, tracing?.observer].filter((observer) => observer !== undefined)
  return {
    hub: {
      ...(metrics !== undefined && { meter: metrics.meter }),
      ...(tracing !== undefined && { tracer: tracing.tracer }),
    },
    observer: observers.length === 0 ? undefined : allOf(observers),
    handling: metrics?.handling,
    watch(fetch) {
      const counted = metrics === undefined ? fetch : observedFetch(fetch, metrics.outbound)
      return tracing === undefined ? counted : tracing.traced(counted)
    },
    serve: async (state) => metrics?.serve(state),
    async [Symbol.asyncDispose]() {
      await tracing?.[Symbol.asyncDispose]()
    },
  }
}

async function startMetrics({ metricsListen, version, logger, now }: TelemetryOptions) {
  const { createInstruments } = await import('./registry.ts')
  const { createMeter, createRequestMeter } = await import('./meter.ts')
  const { createHubState } = await import('./hub-state.ts')
  const { serveMetrics } = await import('./metrics-server.ts')
  const handling = handlingCells()
  const instruments = createInstruments(handling)
  const { registry, count, gauge } = instruments
  const observer = createRequestMeter(instruments)
  gauge('watchbell_build_info').set({ version, node: process.versions.node }, 1)
  return {
    handling,
    meter: createMeter(instruments, { now }),
    observer,
    outbound: (outcome: string) => void count('watchbell_outbound_requests_total', outcome).value++,
    async serve(state: Pick<HubStateDeps, 'hub' | 'storage'>) {
      if (metricsListen === undefined) return undefined
      const readState = createHubState(instruments, { ...state, now, inFlight: observer.inFlight })
      return serveMetrics({
        listen: metricsListen,
        logger,
        contentType: registry.contentType,
        async scrape() {
          await readState()
          return registry.metrics()
        },
      })
    },
  }
}

/** One observer that passes each request through all of them. */
function allOf(observers: readonly RequestObserver[]): RequestObserver {
  const [only] = observers
  if (only !== undefined && observers.length === 1) return only
  return {
    begin(head) {
      const observed: readonly ObservedRequest[] = observers.map((observer) => observer.begin(head))
      return {
        enter: (next) => observed.reduceRight((inner, each) => () => each.enter(inner), next)(),
        end(status) {
          for (const each of observed) each.end(status)
        },
      }
    },
  }
}
