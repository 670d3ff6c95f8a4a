import { perishables, type CommitKind, type Meter, type PollRound } from '../base/meter.ts'
import type { RequestObserver } from '../http/request-observer.ts'
import type { Instruments } from './registry.ts'

/** Maximum number of providers with their own series. At most 1000 providers exist at a time, and series of deleted ones stay until the process ends. */
const providersMax = 2_000
const otherProviders = 'other'
const commitKinds: readonly CommitKind[] = ['sets', 'log_entries', 'risk_events']

/** Returns the value of a key, which is created at the first call. */
function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = make(key)
    known.set(key, made)
    return made
  }
}

const secondsSince = (began: number): number => (performance.now() - began) / 1_000

/** Counts the reports of the rooms. */
export function createMeter({ count, tally, gauge }: Instruments, world: { now(): Date }): Meter {
  const labelled = new Set<string>()
  const label = (providerId: string): string => {
    if (labelled.has(providerId)) return providerId
    if (labelled.size >= providersMax) return otherProviders
    labelled.add(providerId)
    return providerId
  }
  const sets = remembered((provider: string) =>
    remembered((via: string) =>
      remembered((outcome: string) => count('watchbell_sets_total', provider, via, outcome)),
    ),
  )
  // Series with alerts exist from the start at 0, so that the first count is an increase.
  for (const kind of commitKinds) count('watchbell_commit_failures_total', kind)
  for (const what of perishables) count('watchbell_retention_rows_total', what)
  tally('watchbell_evaluation_duration_seconds', 'failed')
  const evaluations = remembered((outcome: string) => tally('watchbell_evaluation_duration_seconds', outcome))

  return {
    now: () => performance.now(),
    setAccepted(providerId, via, outcome) {
      sets(label(providerId))(via)(outcome).value++
    },
    setRefused(via, code) {
      count('watchbell_set_refusals_total', via, code).value++
    },
    committed(kind, { items, stored }, began) {
      if (!stored) return void count('watchbell_commit_failures_total', kind).value++
      tally('watchbell_commit_items', kind).observe(items)
      tally('watchbell_commit_duration_seconds', kind).observe(secondsSince(began))
    },
    keySetFetched(providerId, outcome) {
      count('watchbell_jwks_fetches_total', label(providerId), outcome).value++
    },
    evaluated: (outcome, began) => evaluations(outcome).observe(secondsSince(began)),
    polled(providerId, { outcome, events, failure }: PollRound) {
      const provider = label(providerId)
      count('watchbell_polls_total', provider, outcome).value++
      count('watchbell_poll_events_total', provider).value += events
      if (outcome !== 'failed') {
        gauge('watchbell_stream_last_poll_timestamp_seconds').set({ provider }, world.now().getTime() / 1_000)
      } else if (failure !== undefined) {
        count('watchbell_poll_failures_total', provider, failure).value++
      }
    },
    deleted(what, { rows, parts }) {
      count('watchbell_retention_rows_total', what).value += rows
      count('watchbell_retention_parts_total', what).value += parts
    },
    pollReported(providerId, { acks, setErrs }) {
      const provider = label(providerId)
      count('watchbell_poll_acks_total', provider).value += acks
      count('watchbell_poll_set_errs_total', provider).value += setErrs
    },
  }
}

export interface RequestMeter extends RequestObserver {
  inFlight(): number
}

/** Counts requests by method, route and class of status. */
export function createRequestMeter({ count, tally }: Instruments): RequestMeter {
  let inFlight = 0
  const routes = remembered((route: string) =>
    remembered((method: string) => ({
      duration: tally('watchbell_http_request_duration_seconds', method, route),
      // By the first digit of the status; 0 means that the client went away.
      answered: remembered((digit: number) =>
        count('watchbell_http_requests_total', method, route, digit === 0 ? 'aborted' : `${digit}xx`),
      ),
    })),
  )
  return {
    inFlight: () => inFlight,
    begin({ method, route = 'none' }) {
      const began = performance.now()
      inFlight++
      return {
        enter: (next) => next(),
        end(status = 0) {
          inFlight--
          const { duration, answered } = routes(route)(method)
          answered(Math.floor(status / 100)).value++
          duration.observe(secondsSince(began))
        },
      }
    },
  }
}
