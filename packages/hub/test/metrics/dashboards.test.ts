import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { catalogue, type MetricEntry } from '../../src/metrics/catalogue.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import type { Family } from './exposition.ts'
import { namesIn } from './queries.ts'
import { scrape, scraped } from './scraped-hub.ts'

const dashboardFile = 'deploy/grafana/watchbell-dashboard.json'
const alertsFile = 'deploy/prometheus/watchbell-alerts.yaml'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly targets?: readonly {
    readonly expr: string
    readonly legendFormat: string
    readonly datasource: { readonly uid: string }
  }[]
}

interface Dashboard {
  readonly uid: string
  readonly schemaVersion: number
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[]
  }
  readonly panels: readonly Panel[]
}

const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as Dashboard
const alertsText = readFileSync(alertsFile, 'utf8')

/** Rules, one `key: value` a line below `- alert:`, as that file has them. */
const alerts = alertsText
  .split(/^ {6}- alert: /m)
  .slice(1)
  .map((text) => ({
    name: text.split('\n')[0] ?? '',
    expr: /^ {8}expr: (.+)$/m.exec(text)?.[1],
    severity: /^ {10}severity: (.+)$/m.exec(text)?.[1],
    summary: /^ {10}summary: '(.+)'$/m.exec(text)?.[1],
    description: /^ {10}description: '(.+)'$/m.exec(text)?.[1],
  }))

/** The names of every sample that a hub could give: those that need something to happen first, too. */
function sampleNames(families: ReadonlyMap<string, Family>): ReadonlySet<string> {
  return new Set(
    [...families.values()].flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
}

/** Labels of our own metric, and those that Prometheus adds. */
function labelsOf(sample: string): readonly string[] {
  const name = sample in catalogue ? sample : sample.replace(/_(bucket|sum|count)$/, '')
  const entry: MetricEntry | undefined = catalogue[name as keyof typeof catalogue] // undefined for names of others
  return entry === undefined
    ? ['kind', 'space', 'state', 'type']
    : [...entry.labels, ...(entry.buckets ? ['le'] : [])]
}

const queries: readonly (readonly [where: string, query: string])[] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [`panel ${title}`, expr] as const),
  ),
  ...dashboard.templating.list.flatMap(({ name, definition }) =>
    definition === undefined
      ? []
      : [
          [
            `variable ${name}`,
            definition.replace(/^(?:label_values\((.*), \w+\)|query_result\((.*)\))$/, '$1$2'),
          ] as const,
        ],
  ),
  ...alerts.map(({ name, expr = '' }) => [`alert ${name}`, expr] as const),
]

describe('queries of the dashboard and of the alert rules', () => {
  test('name only metrics that a scrape has, and labels that those metrics have', async () => {
    await using hub = await startTestHub({ settings: scraped })
    const known = sampleNames(await scrape(hub))
    const wrong = queries.flatMap(([where, query]) => {
      const { metrics, labels } = namesIn(query)
      const ofPrometheus = ['job', 'instance']
      const own = metrics.flatMap(labelsOf)
      return [
        ...(metrics.length === 0 ? [`${where} reads nothing`] : []),
        ...metrics.filter((name) => !known.has(name) && name !== 'up').map((name) => `${where}: ${name}`),
        ...labels
          .filter((label) => !own.includes(label) && !ofPrometheus.includes(label))
          .map((label) => `${where}: label ${label}`),
      ]
    })
    expect(wrong).toEqual([])
  })

  test('what every node says of the one database is never summed over nodes', () => {
    const shared = Object.entries<MetricEntry>(catalogue).flatMap(([name, entry]) =>
      entry.shared ? [name] : [],
    )
    expect(shared.length).toBeGreaterThan(0)
    const summed = queries.filter(([, query]) =>
      shared.some((name) => new RegExp(`sum[^(]*\\(\\s*${name}\\b`).test(query)),
    )
    expect(summed).toEqual([])
  })

  test('counters are read as rates', () => {
    const counters = Object.entries<MetricEntry>(catalogue).flatMap(([name, { type }]) =>
      type === 'counter' ? [name] : [],
    )
    const plain = queries.filter(
      ([where, query]) =>
        !where.startsWith('variable') &&
        counters.some((name) => new RegExp(`(?<!(?:rate|increase)\\()\\b${name}\\b`).test(query)),
    )
    expect(plain).toEqual([])
  })
})

test('pages for people name only metrics that there are', () => {
  const known = new Set(
    Object.entries<MetricEntry>(catalogue).flatMap(([name, { type }]) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const wrong = globSync(['README.md', 'docs/*.md']).flatMap((file) =>
    (readFileSync(file, 'utf8').match(/\bwatchbell_[a-z_]+[a-z]\b/g) ?? [])
      .filter((name) => !known.has(name))
      .map((name) => `${file}: ${name}`),
  )
  expect(wrong).toEqual([])
})

describe('the dashboard', () => {
  test('is for Grafana 10 and newer, and works with any Prometheus', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(38)
    expect(dashboard.templating.list.find(({ name }) => name === 'datasource')?.type).toBe('datasource')
    const sources = dashboard.panels.flatMap(({ datasource, targets = [] }) => [
      ...(datasource === undefined ? [] : [datasource.uid]),
      ...targets.map((target) => target.datasource.uid),
    ])
    expect(new Set(sources)).toEqual(new Set(['${datasource}']))
  })

  test('every panel has an id and a place of its own', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const overlapping = panels.filter((one, at) =>
      panels
        .slice(at + 1)
        .some(
          (other) =>
            one.gridPos.x < other.gridPos.x + other.gridPos.w &&
            other.gridPos.x < one.gridPos.x + one.gridPos.w &&
            one.gridPos.y < other.gridPos.y + other.gridPos.h &&
            other.gridPos.y < one.gridPos.y + one.gridPos.h,
        ),
    )
    expect(overlapping.map(({ title }) => title)).toEqual([])
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
  })
})

test('every alert has a query, a severity, and says what is wrong and what to do', () => {
  expect(alerts.length).toBe(alertsText.match(/- alert:/g)?.length)
  expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length)
  const lacking = alerts.filter(
    ({ expr, severity, summary, description }) =>
      expr === undefined ||
      !['warning', 'critical'].includes(severity ?? '') ||
      summary === undefined ||
      description === undefined,
  )
  expect(lacking.map(({ name }) => name)).toEqual([])
})

test.each<[string, readonly string[], readonly string[]]>([
  ['up', ['up'], []],
  ['rate(a_total{b="c_total{}",d=~"e"}[5m]) > 0.1', ['a_total'], ['b', 'd']],
  ['sum by (x, y) (a) / sum(b) or vector(0)', ['a', 'b'], ['x', 'y']],
  ['a and on (x) max by (x) (c{z!="1"}) == 1', ['a', 'c'], ['x', 'x', 'z']],
  ['time() - max(a:b)', ['a:b'], []],
])('what %j reads', (query, metrics, labels) => {
  const read = namesIn(query)
  expect(read.metrics).toEqual(metrics)
  expect(read.labels.toSorted()).toEqual(labels)
})

test('every alert has a place in the runbook that is there', () => {
  const headings = readFileSync('docs/operations.md', 'utf8').match(/^#{2,3} .+$/gm) ?? []
  const anchors = new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
  const runbooks = [...alertsText.matchAll(/^ {10}runbook: 'docs\/operations\.md#(.+)'$/gm)].map(
    ([, to]) => to ?? '',
  )
  expect(runbooks).toHaveLength(alerts.length)
  expect(runbooks.filter((anchor) => !anchors.has(anchor))).toEqual([])
})

test('what is about one provider shows its name', () => {
  const targets = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
  )
  expect(targets.filter(({ legendFormat }) => legendFormat.includes('{{provider}}'))).toEqual([])
  const named = targets.filter(({ legendFormat }) => legendFormat.includes('{{name}}'))
  expect(named.length).toBeGreaterThan(3)
  for (const { expr } of named) {
    expect(expr).toMatch(
      / \* on \(provider\) group_left \(name\) topk by \(provider\) \(1, max by \(provider,name\) \(watchbell_provider_info\{/,
    )
  }
  const unnamed = alerts.filter(
    ({ expr = '', summary = '' }) =>
      /by \((?:[^)]*, ?)?provider\b/.test(expr) &&
      !(summary.includes('watchbell_provider_info{provider="%s"}') && summary.includes('label "name"')),
  )
  expect(unnamed.map(({ name }) => name)).toEqual([])
})

test('dashboards can join the id of a provider with its name', async () => {
  await using hub = await startTestHub({ settings: scraped })
  const settings = { issuer: 'https://idp.example', jwks_url: 'https://idp.example/jwks' }
  const made = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'IdP',
    type: 't',
    settings,
  })
  const { id } = (await made.json()) as { id: string }
  const text = await (await fetch(`${hub.metricsOrigin}/metrics`)).text()
  expect(text).toContain(
    `watchbell_provider_info{provider="${id}",name="IdP",issuer="https://idp.example"} 1`,
  )
})
