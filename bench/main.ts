import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureIngest, type IngestRow } from './ingest.ts'

const help = `npm run bench: how fast SETs are taken in, beside servers that do less.

  --rounds N        alternated rounds, of which the medians count (default 5)
  --sets N          SETs in each run (default 20000)
  --connections N   connections at once (default 64)
  --alg A           RS256 or ES256; both unless given
  --write           put the table into docs/performance.md
  --help`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    sets: { type: 'string', default: '20000' },
    connections: { type: 'string', default: '64' },
    alg: { type: 'string', multiple: true, default: ['RS256', 'ES256'] },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit()
}

const folder = await mkdtemp(join(tmpdir(), 'watchbell-bench-'))
const rows: IngestRow[] = []
try {
  for (const alg of values.alg) {
    if (alg !== 'RS256' && alg !== 'ES256') throw new Error(`--alg takes RS256 or ES256, not ${alg}.`)
    rows.push(
      ...(await measureIngest({
        alg,
        folder,
        rounds: Number(values.rounds),
        sets: Number(values.sets),
        connections: Number(values.connections),
        say: (line) => console.error(line),
      })),
    )
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

const columns = [
  'server',
  'alg',
  'SETs/s',
  'to the floor',
  'p50 ms',
  'p99 ms',
  'CPU µs/SET',
  'still unhandled at the end',
]
const lines = rows.map((row) => [
  row.server,
  row.alg,
  Math.round(row.perSecond).toLocaleString('en'),
  row.toFloor.toFixed(2),
  row.p50Ms.toFixed(1),
  row.p99Ms.toFixed(1),
  row.cpuMicros.toFixed(0),
  row.unhandled === undefined ? '–' : `${row.unhandled} (${row.lagMs} ms)`,
])
const table = [columns, columns.map(() => '---'), ...lines]
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')
const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load generator on the same machine`
console.log(`\n${table}\n\n${machine}`)
if (values.write) {
  const { performancePage } = await import('./page.ts')
  await writeFile('docs/performance.md', performancePage({ table, machine, ...values }))
}
