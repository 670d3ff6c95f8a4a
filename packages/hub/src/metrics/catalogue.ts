/** One metric. */
export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** One sentence for the `# HELP` line and docs/metrics.md. */
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, ascending. */
  readonly buckets?: readonly number[]
  /** Whether every node reports the same value from the shared database: take `max`, not `sum`, over nodes. */
  readonly shared?: boolean
}

const fastS = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const lagS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200]
const itemCounts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000]

/**
 * All metrics of the hub. docs/metrics.md is generated from this list; tests check the dashboard and the alert rules against it.
 * Labels are ids of providers (`other` beyond `providersMax` of them) and values of closed lists.
 */
export const catalogue = {
  watchbell_build_info: {
    type: 'gauge',
    help: 'Always 1; says which version of Watchbell runs on which version of Node.js.',
    labels: ['version', 'node'],
  },
  watchbell_provider_info: {
    type: 'gauge',
    help: 'Always 1; the name and issuer of each provider, to join by `provider` with what has its id alone.',
    labels: ['provider', 'name', 'issuer'],
    shared: true,
  },
  watchbell_sets_total: {
    type: 'counter',
    help: 'SETs that were taken: `stored`, or `repeated` when they were there before.',
    labels: ['provider', 'via', 'outcome'],
  },
  watchbell_set_refusals_total: {
    type: 'counter',
    help: 'SETs that were refused, by the code of docs/errors.md.',
    labels: ['via', 'code'],
  },
  watchbell_inbox_waiting: {
    type: 'gauge',
    help: 'SETs in the memory of this process that wait to be stored; their senders wait with them.',
    labels: [],
  },
  watchbell_commit_items: {
    type: 'histogram',
    help: 'How many items (`sets`, `log_entries` or `risk_events`) one commit stored.',
    labels: ['kind'],
    buckets: itemCounts,
  },
  watchbell_commit_duration_seconds: {
    type: 'histogram',
    help: 'How long a commit took, from the call to the durable answer.',
    labels: ['kind'],
    buckets: fastS,
  },
  watchbell_commit_failures_total: {
    type: 'counter',
    help: 'Commits that failed; whoever waited for one was told 503.',
    labels: ['kind'],
  },
  watchbell_signals_pending: {
    type: 'gauge',
    help: 'Stored signals that wait for the handler.',
    labels: [],
    shared: true,
  },
  watchbell_signals_oldest_pending_age_seconds: {
    type: 'gauge',
    help: 'How long ago the oldest signal that waits for the handler was received; 0 when none waits.',
    labels: [],
    shared: true,
  },
  watchbell_erasures_pending: {
    type: 'gauge',
    help: 'Erasures that are not done: those that wait for a walk, and those whose walk is under way.',
    labels: [],
    shared: true,
  },
  watchbell_erasures_oldest_pending_age_seconds: {
    type: 'gauge',
    help: 'How long ago the oldest erasure that is not done was asked for; 0 when all are done.',
    labels: [],
    shared: true,
  },
  watchbell_signals_failed: {
    type: 'gauge',
    help: 'Signals that could not be handled and were set aside.',
    labels: [],
    shared: true,
  },
  watchbell_users: {
    type: 'gauge',
    help: 'Users at a `level` of risk above NONE, among the newest 100,000 users, devices, sessions and addresses of that level.',
    labels: ['level'],
    shared: true,
  },
  watchbell_handling_lag_seconds: {
    type: 'histogram',
    help: 'From the receipt of a signal to the commit of what it led to.',
    labels: [],
    buckets: lagS,
  },
  watchbell_handler_batch_duration_seconds: {
    type: 'histogram',
    help: 'How long the handler took for a batch of signals, commit included.',
    labels: [],
    buckets: fastS,
  },
  watchbell_handler_failures_total: {
    type: 'counter',
    help: 'Signals that the handler of this process set aside.',
    labels: [],
  },
  watchbell_jwks_fetches_total: {
    type: 'counter',
    help: 'Fetches of key sets: `usable`, `unusable` (no key that could check a SET), `refused` (its URL may not be reached) or `failed`.',
    labels: ['provider', 'outcome'],
  },
  watchbell_jwks_age_seconds: {
    type: 'gauge',
    help: 'How old the keys are that a provider is believed by; absent while it has none.',
    labels: ['provider'],
  },
  watchbell_jwks_failing: {
    type: 'gauge',
    help: '1 when the latest fetch of the key set failed, else 0.',
    labels: ['provider'],
  },
  watchbell_stream_status: {
    type: 'gauge',
    help: 'Always 1; says how the stream of a provider delivers, and its status (`enabled`, `paused`, `disabled`, or `unknown` until the transmitter told).',
    labels: ['provider', 'delivery', 'status'],
  },
  watchbell_stream_failing: {
    type: 'gauge',
    help: '1 when something is wrong with the stream (`watchbell stream doctor` says what), else 0.',
    labels: ['provider'],
  },
  watchbell_stream_last_event_timestamp_seconds: {
    type: 'gauge',
    help: 'When the last SET came over the stream, in seconds since 1970; absent before the first.',
    labels: ['provider'],
  },
  watchbell_stream_last_poll_timestamp_seconds: {
    type: 'gauge',
    help: 'When this process last had a usable answer to a poll of the stream, in seconds since 1970; of several nodes the one that polls has the largest.',
    labels: ['provider'],
  },
  watchbell_polls_total: {
    type: 'counter',
    help: 'Polls by outcome: `progress`, `nothing`, `refused` (only SETs that were refused), `deferred` (SETs have to wait at the transmitter), `stalled` (the same SETs again) or `failed`.',
    labels: ['provider', 'outcome'],
  },
  watchbell_poll_failures_total: {
    type: 'counter',
    help: 'Failed polls by cause: `unreachable`, `refused`, `token`, `unauthorized`, `unknown_stream`, `rate_limited`, `server_error`, `rejected`, `unusable`, or `fault` (ours).',
    labels: ['provider', 'cause'],
  },
  watchbell_poll_events_total: {
    type: 'counter',
    help: 'SETs that poll answers held, repeats included.',
    labels: ['provider'],
  },
  watchbell_poll_acks_total: {
    type: 'counter',
    help: 'SETs that were acknowledged to the transmitter.',
    labels: ['provider'],
  },
  watchbell_poll_set_errs_total: {
    type: 'counter',
    help: 'SETs that the transmitter was told an error of.',
    labels: ['provider'],
  },
  watchbell_retention_rows_total: {
    type: 'counter',
    help: 'Rows that this process deleted because they were past their retention: `signals`, `tokens`, `log_entries`, `risk_history`, `erasures`, `revocations` or `subjects`.',
    labels: ['what'],
  },
  watchbell_retention_parts_total: {
    type: 'counter',
    help: 'Weeks that this process dropped whole on PostgreSQL, their rows not counted above (those of `signals` are).',
    labels: ['what'],
  },
  watchbell_evaluation_duration_seconds: {
    type: 'histogram',
    help: 'Questions at sign-in by outcome (`allow`, `challenge`, `deny`, or `failed` when there was no answer), from the read of the request to the logged answer.',
    labels: ['outcome'],
    buckets: fastS,
  },
  watchbell_outbound_requests_total: {
    type: 'counter',
    help: 'Requests to others (keys, metadata, tokens, streams) by outcome: `ok`, `client_error` and `server_error` (status), `redirect`, `refused`, `dns`, `connect`, `tls`, `timeout`, `abandoned` or `other`. Counted at the head of the answer.',
    labels: ['outcome'],
  },
  watchbell_http_requests_total: {
    type: 'counter',
    help: 'Requests by method, route pattern (`none` for unknown paths) and class of status (`2xx` … `5xx`, or `aborted` when the client went away first).',
    labels: ['method', 'route', 'status'],
  },
  watchbell_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the head of a request to the last byte of its answer.',
    labels: ['method', 'route'],
    buckets: fastS,
  },
  watchbell_http_requests_in_flight: {
    type: 'gauge',
    help: 'Requests that are being answered.',
    labels: [],
  },
  watchbell_database_up: {
    type: 'gauge',
    help: '1 when the database answered in time for this scrape, else 0; what is read from it is then absent.',
    labels: [],
  },
  watchbell_database_pool_connections: {
    type: 'gauge',
    help: "Connections of this process to PostgreSQL for requests, background loops and appends, `busy` and `idle`; not counted are the one that listens for changes and those of the handler's thread (3 at most). Absent on SQLite.",
    labels: ['state'],
  },
  watchbell_database_pool_waiting: {
    type: 'gauge',
    help: 'Who waits for one of these connections to PostgreSQL; absent on SQLite.',
    labels: [],
  },
} as const satisfies Readonly<Record<string, MetricEntry>>

export type MetricName = keyof typeof catalogue
type NamesOf<Type extends MetricEntry['type']> = {
  [Name in MetricName]: (typeof catalogue)[Name]['type'] extends Type ? Name : never
}[MetricName]
export type CounterName = NamesOf<'counter'>
export type GaugeName = NamesOf<'gauge'>
export type HistogramName = NamesOf<'histogram'>
