import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ContestRow } from './contest.ts'
import { startBenchPostgres } from './databases.ts'
import { measureEvaluations } from './evaluations.ts'
import { measureHostile } from './hostile.ts'
import { measureIngest, measureLag, measureSustained, type SustainedRow } from './ingest.ts'
import { performancePage } from './page.ts'
import { measurePoll } from './poll.ts'
import { measureRiskEvents } from './risk-events.ts'
import { measureScale, scaleDatabases, type ScaleRow } from './scale.ts'
import { algs } from './sets.ts'

const parts = [
  'ingest',
  'connections',
  'sustained',
  'lag',
  'evaluations',
  'risk-events',
  'poll',
  'hostile',
  'scale',
] as const

const help = `npm run bench: how fast the hub is, beside servers that do less. About 40 minutes for everything but scale.

  --only PART       one of ${parts.join(', ')}; may be given several times (default: all but scale)
  --scale           only scale: the cost of a SET and of common queries when much is stored. Takes long and much disk
  --stored N        signals stored, for scale; several times (default 10000, 1000000 and 10000000)
  --database NAME   for scale: one of ${scaleDatabases.join(', ')} (default: both)
  --rounds N        alternated rounds, of which the medians count (default 3)
  --requests N      requests in each run (default 20000)
  --connections N   connections at once (default 64)
  --alg A           ${algs.join(', ')}; all unless given
  --sets N          SETs of the long run (default 600000, about two minutes)
  --entities N      entities in the store for evaluations (default 100, 10000 and 1000000)
  --write           put what was measured into docs/performance.md, which keeps its other tables
  --help`

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    scale: { type: 'boolean', default: false },
    stored: { type: 'string', multiple: true, default: ['10000', '1000000', '10000000'] },
    database: { type: 'string', multiple: true, default: [...scaleDatabases] },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '20000' },
    connections: { type: 'string', default: '64' },
    alg: { type: 'string', multiple: true, default: [...algs] },
    sets: { type: 'string', default: '600000' },
    entities: { type: 'string', multiple: true, default: ['100', '10000', '1000000'] },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit()
}
const wantedParts = values.scale ? ['scale'] : (values.only ?? parts.filter((part) => part !== 'scale'))
const foreign = values.database.find((name) => !scaleDatabases.some((known) => known === name))
if (foreign !== undefined) throw new Error(`--database takes ${scaleDatabases.join(', ')}; not ${foreign}.`)
const unknown = wantedParts.find((part) => !parts.some((known) => known === part))
if (unknown !== undefined) throw new Error(`--only takes ${parts.join(', ')}; not ${unknown}.`)
const wanted = (part: (typeof parts)[number]): boolean => wantedParts.includes(part)
const wantedAlgs = algs.filter((alg) => values.alg.includes(alg))
if (wantedAlgs.length === 0) throw new Error(`--alg takes ${algs.join(', ')}.`)

const folder = await mkdtemp(join(tmpdir(), 'watchbell-bench-'))
const requests = Number(values.requests)
const say = (line: string): void => console.error(line)
const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load generator and databases on the same machine`

const contested = `${values.rounds} alternated rounds of ${values.requests} requests over ${values.connections} connections, medians`

/** Shows a table, and keeps it at once: a later part may fail. */
async function put(title: string, table: string, how: string): Promise<void> {
  console.log(`\n${title}\n\n${table}\n\n${how}, ${machine}`)
  if (!values.write) return
  const file = 'docs/performance.md'
  const page = { tables: { [title]: table }, how: `${how}, ${machine}`, before: await readFile(file, 'utf8') }
  await writeFile(file, performancePage(page))
}

{
  await using postgres = await startBenchPostgres()
  const plan = {
    folder,
    postgres,
    rounds: Number(values.rounds),
    sets: requests,
    connections: Number(values.connections),
    say,
  }
  try {
    if (wanted('ingest')) {
      for (const alg of wantedAlgs) {
        await put(
          `Taking in SETs, ${alg}`,
          contestTable('SETs', await measureIngest({ ...plan, alg })),
          contested,
        )
      }
    }
    if (wanted('connections')) {
      for (const connections of [1, 16, 64, 256]) {
        const sets = Math.min(requests, connections * 1_000)
        const rows = await measureIngest({ ...plan, alg: 'ES256', connections, sets }, [
          'floor: HTTP + signature',
          'Watchbell on SQLite',
          'plain server on SQLite',
          'Watchbell on PostgreSQL',
          'plain server on PostgreSQL',
        ])
        const how = `${values.rounds} alternated rounds of ${sets} requests, medians`
        await put(
          `ES256 over ${connections} connection${connections === 1 ? '' : 's'}`,
          contestTable('SETs', rows),
          how,
        )
      }
    }
    if (wanted('sustained')) {
      const rows = await measureSustained({ ...plan, sets: Number(values.sets) })
      await put(
        'A long run at full speed, ES256',
        sustainedTable(rows),
        `One run over ${values.connections} connections`,
      )
    }
    if (wanted('lag')) {
      const lags = await measureLag({ folder, sets: 200 })
      const at = (share: number): string => (lags[Math.floor((lags.length - 1) * share)] ?? 0).toFixed(1)
      const table = markdown(['p50 ms', 'p99 ms'], [[at(0.5), at(0.99)]])
      await put('From 202 to handled, one SET at a time', table, '200 SETs on SQLite')
    }
    if (wanted('evaluations')) {
      const entities = values.entities.map(Number)
      const rows = await measureEvaluations({ ...plan, entities, evaluations: requests })
      await put('Answering at sign-in', contestTable('answers', rows), contested)
    }
    if (wanted('risk-events')) {
      const rows = await measureRiskEvents({ ...plan, events: requests })
      await put('Taking in risk events, 20 in a request', contestTable('events', rows), contested)
    }
    if (wanted('poll')) {
      const rows = []
      for (const alg of wantedAlgs) if (alg !== 'EdDSA') rows.push(await measurePoll({ ...plan, alg }))
      const table = markdown(
        ['alg', 'SETs/s'],
        rows.map(({ alg, perSecond }) => [alg, count(perSecond)]),
      )
      await put(
        'Polling SETs from the emulated transmitter',
        table,
        `Median of ${values.rounds} rounds, on SQLite`,
      )
    }
    if (wanted('hostile')) {
      const rows = await measureHostile({ folder, rounds: plan.rounds, samples: 60, say })
      const ms = (value: number): string => value.toFixed(1)
      const table = markdown(
        ['what', 'idle p50 ms', 'p99 ms', 'hostile p50 ms', 'p99 ms', 'of the medians'],
        rows.map(({ what, idle, hostile, ratio }) => [
          what,
          ms(idle.p50Ms),
          ms(idle.p99Ms),
          ms(hostile.p50Ms),
          ms(hostile.p99Ms),
          `${ratio.toFixed(2)} times`,
        ]),
      )
      const how = `${values.rounds} rounds, idle and hostile alternated, 60 SETs of the honest provider in each, on SQLite; the hostile one sends 500 SETs of 50 names a second`
      await put('A hostile provider at its budget', table, how)
    }
    if (wanted('scale')) {
      const rows = await measureScale({
        ...plan,
        stored: values.stored.map(Number),
        databases: values.database,
      })
      await put(
        'When much is stored',
        scaleTable(rows),
        'Each row one run of 10,000 SETs, each query the median of 40',
      )
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

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

function sustainedTable(rows: readonly SustainedRow[]): string {
  return markdown(
    [
      'database',
      'SETs',
      'SETs/s',
      'waiting, median',
      'waiting, most',
      'handled after the last',
      'memory MiB, after a tenth, a half, at the end',
    ],
    rows.map(({ database, sets, seconds, waiting, lagMs, residentMib }) => [
      database,
      count(sets),
      count(sets / seconds),
      count(waiting.toSorted((a, b) => a - b)[Math.floor(waiting.length / 2)] ?? 0),
      count(Math.max(0, ...waiting)),
      `${lagMs} ms`,
      [0.1, 0.5, 1]
        .map((share) => count(residentMib[Math.ceil((residentMib.length - 1) * share)] ?? 0))
        .join(', '),
    ]),
  )
}

function scaleTable(rows: readonly ScaleRow[]): string {
  return markdown(
    [
      'database',
      'stored',
      'CPU µs per SET',
      'to that of the floor',
      'bytes on disk per SET',
      'memory MiB',
      ...(rows[0]?.queries ?? []).map(({ name }) => `${name}, ms`),
    ],
    rows.map((row) => [
      row.database,
      count(row.stored),
      row.cpuMicros.toFixed(0),
      row.cpuToFloor.toFixed(1),
      count(row.bytesPerSet),
      count(row.residentMib),
      ...row.queries.map(({ p50Ms }) => p50Ms.toFixed(1)),
    ]),
  )
}

function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}
