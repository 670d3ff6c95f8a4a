import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ContestRow } from './contest.ts'
import { measureEvaluations } from './evaluations.ts'
import { measureIngest, measureLag } from './ingest.ts'
import { performancePage } from './page.ts'
import { measurePoll } from './poll.ts'
import { measureRiskEvents } from './risk-events.ts'

const help = `npm run bench: how fast the hub is, beside servers that do less.

  --only PART       ingest, evaluations, risk-events or poll; may be given several times (default: all)
  --rounds N        alternated rounds, of which the medians count (default 3)
  --requests N      requests in each run (default 20000)
  --connections N   connections at once (default 64)
  --alg A           RS256 or ES256; both unless given
  --entities N      entities in the store for evaluations (default 100, 10000 and 1000000)
  --write           put the tables into docs/performance.md
  --help`

const parts = ['ingest', 'evaluations', 'risk-events', 'poll'] as const
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [...parts] },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '20000' },
    connections: { type: 'string', default: '64' },
    alg: { type: 'string', multiple: true, default: ['RS256', 'ES256'] },
    entities: { type: 'string', multiple: true, default: ['100', '10000', '1000000'] },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit()
}

const folder = await mkdtemp(join(tmpdir(), 'watchbell-bench-'))
const rounds = Number(values.rounds)
const requests = Number(values.requests)
const plan = {
  folder,
  rounds,
  connections: Number(values.connections),
  say: (line: string) => console.error(line),
}
const algs = values.alg.map((alg) => {
  if (alg === 'RS256' || alg === 'ES256') return alg
  throw new Error(`--alg takes RS256 or ES256, not ${alg}.`)
})
const wanted = (part: (typeof parts)[number]): boolean => values.only.includes(part)

const tables: Record<string, string> = {}
try {
  if (wanted('ingest')) {
    for (const alg of algs) {
      tables[`Taking in SETs, ${alg}`] = contestTable(
        'SETs',
        await measureIngest({ ...plan, alg, sets: requests }),
      )
    }
  }
  if (wanted('ingest')) {
    const lags = await measureLag({ folder, sets: 200 })
    const at = (share: number): string => (lags[Math.floor((lags.length - 1) * share)] ?? 0).toFixed(1)
    tables['From 202 to handled, one SET at a time'] = markdown(['p50 ms', 'p99 ms'], [[at(0.5), at(0.99)]])
  }
  if (wanted('evaluations')) {
    const entities = values.entities.map(Number)
    tables['Answering at sign-in'] = contestTable(
      'answers',
      await measureEvaluations({ ...plan, entities, evaluations: requests }),
    )
  }
  if (wanted('risk-events')) {
    tables['Taking in risk events, 20 in a request'] = contestTable(
      'events',
      await measureRiskEvents({ ...plan, events: requests }),
    )
  }
  if (wanted('poll')) {
    const rows = []
    for (const alg of algs) rows.push(await measurePoll({ ...plan, alg, sets: requests }))
    tables['Polling SETs from the emulated transmitter'] = markdown(
      ['alg', 'SETs/s'],
      rows.map(({ alg, perSecond }) => [alg, count(perSecond)]),
    )
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load generator on the same machine`
for (const [title, table] of Object.entries(tables)) console.log(`\n${title}\n\n${table}`)
console.log(`\n${machine}`)
if (values.write) await writeFile('docs/performance.md', performancePage({ tables, machine, ...values }))

function contestTable(items: string, rows: readonly ContestRow[]): string {
  return markdown(
    ['server', `${items}/s`, 'to the floor', 'p50 ms', 'p99 ms', `CPU µs each`, 'unhandled at the end'],
    rows.map((row) => [
      row.server,
      count(row.perSecond),
      row.toFloor.toFixed(2),
      row.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.cpuMicros.toFixed(0),
      row.unhandled === undefined ? '–' : `${row.unhandled} (${row.lagMs} ms)`,
    ]),
  )
}

function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}
