import { collectDefaultMetrics, Gauge, Registry, type Metric } from 'prom-client'
import {
  catalogue,
  type MetricEntry,
  type CounterName,
  type GaugeName,
  type HistogramName,
} from './catalogue.ts'
import { readHandling, type HandlingCells } from './handling.ts'
import { createTally, tallyLength, type Tally, type TallyReading } from './tally.ts'

/** A counter of one combination of labels. */
export interface Count {
  value: number
}

/**
 * The metrics of the catalogue, each registered once. Counters and histograms are plain numbers that are written at
 * scrape time: a caller keeps the counter that it gets here, and counting is an addition.
 */
export interface Instruments {
  readonly registry: Registry
  /** @param labels - values in the order of the catalogue; equal labels give the same count */
  count(name: Exclude<CounterName, SharedName>, ...labels: readonly string[]): Count
  tally(name: Exclude<HistogramName, SharedName>, ...labels: readonly string[]): Tally
  gauge(name: GaugeName): Gauge
}

/** Counts of another thread. */
type SharedName =
  | 'watchbell_handling_lag_seconds'
  | 'watchbell_handler_batch_duration_seconds'
  | 'watchbell_handler_failures_total'

interface Sample {
  readonly value: number
  readonly labels: Readonly<Record<string, string | number>>
  readonly metricName?: string
}

/** Registers the whole catalogue, and prom-client's metrics of the process and its event loop. */
export function createInstruments(handling: HandlingCells): Instruments {
  const registry = new Registry()
  const gauges = new Map<string, Gauge>()
  const counts = new Map<string, ReturnType<typeof children<Count>>>()
  const tallies = new Map<string, ReturnType<typeof children<Tally>>>()
  const shared: Readonly<Record<SharedName, () => readonly Sample[]>> = {
    watchbell_handling_lag_seconds: () =>
      histogramSamples('watchbell_handling_lag_seconds', {}, readHandling(handling).lag),
    watchbell_handler_batch_duration_seconds: () =>
      histogramSamples('watchbell_handler_batch_duration_seconds', {}, readHandling(handling).batches),
    watchbell_handler_failures_total: () => [{ value: readHandling(handling).failed, labels: {} }],
  }
  const isShared = (name: string): name is SharedName => name in shared
  for (const [name, entry] of Object.entries<MetricEntry>(catalogue)) {
    const { type, labels, buckets = [] } = entry
    if (isShared(name)) registerReader(registry, { name, ...entry, samples: shared[name] })
    else if (type === 'gauge') gauges.set(name, createGauge(registry, name, entry))
    else if (type === 'counter') {
      const known = children(labels, (): Count => ({ value: 0 }))
      counts.set(name, known)
      const samples = () => known.list().map(([labels, { value }]) => ({ labels, value }))
      registerReader(registry, { name, ...entry, samples })
    } else {
      const known = children(labels, () => createTally(new Float64Array(tallyLength(buckets)), buckets))
      tallies.set(name, known)
      const samples = () =>
        known.list().flatMap(([labels, tally]) => histogramSamples(name, labels, tally.read()))
      registerReader(registry, { name, ...entry, samples })
    }
  }
  collectDefaultMetrics({ register: registry })
  for (const name of misnamed) registry.removeSingleMetric(name)
  return {
    registry,
    // The catalogue has each name with this type.
    count: (name, ...labels) => (counts.get(name) as ReturnType<typeof children<Count>>).of(labels),
    tally: (name, ...labels) => (tallies.get(name) as ReturnType<typeof children<Tally>>).of(labels),
    gauge: (name) => gauges.get(name) as Gauge,
  }
}

/** Node's gauges with the name of a counter, which promtool refuses; the same values exist by kind, without `_total`. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** One child for each requested combination of labels. */
function children<Child>(names: readonly string[], make: () => Child) {
  const known = new Map<string, readonly [labels: Readonly<Record<string, string>>, child: Child]>()
  return {
    of(values: readonly string[]): Child {
      const key = values.join('\n')
      const found = known.get(key)
      if (found !== undefined) return found[1]
      const child = make()
      known.set(key, [Object.fromEntries(names.map((name, at) => [name, values[at] ?? ''])), child])
      return child
    },
    list: () => [...known.values()],
  }
}

function createGauge(registry: Registry, name: string, { help, labels }: MetricEntry): Gauge {
  const gauge = new Gauge({ name, help, labelNames: [...labels], registers: [registry] })
  if (labels.length === 0) gauge.remove() // no value is shown before there is one
  return gauge
}

interface Reader {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: () => readonly Sample[]
}

/** A metric whose numbers are kept elsewhere: a registry needs only `get`. */
function registerReader(registry: Registry, { name, help, type, samples }: Reader): void {
  const metric = { name, help, type, get: async () => ({ name, help, type, values: samples() }) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type names classes; it only calls `get`
  registry.registerMetric(metric as unknown as Metric)
}

function histogramSamples(
  name: string,
  labels: Readonly<Record<string, string>>,
  { sum, count, bounds, atMost }: TallyReading,
): readonly Sample[] {
  const bucket = (le: string | number, value: number): Sample => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le },
    value,
  })
  return [
    ...bounds.map((bound, at) => bucket(bound, atMost[at] ?? 0)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
