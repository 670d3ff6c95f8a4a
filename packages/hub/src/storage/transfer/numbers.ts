import { sql, type RawBuilder } from 'kysely'
import { weekBits, weeklyTables } from '../migrations/weeks.ts'
import type { TransferDatabase } from './tables.ts'

/** Tables that the database numbers itself, and the numbering column. */
export const numberedColumns = {
  providers: 'number',
  streams: 'number',
  risk_providers: 'number',
  identifiers: 'node',
  risk_history: 'sequence',
  erasures: 'number',
  log_events: 'sequence',
} as const
type NumberedTable = keyof typeof numberedColumns

/** The sequence that signals and refusals share: see SignalStore. */
export const arrivals = 'arrivals'
export const numberNames = [arrivals, ...(Object.keys(numberedColumns) as NumberedTable[])] as const
/** The last number that each sequence gave, 0 when none: numbers of deleted rows are not given again. */
export type Numbers = Readonly<Record<(typeof numberNames)[number], number>>

/** Numbered tables of SQLite that never reuse the numbers of deleted rows. */
const autoincrement: ReadonlySet<string> = new Set<NumberedTable>(['identifiers', 'erasures', 'log_events'])
/** The counter of arrivals on SQLite. */
export const arrivalsCounter = 'sequence'

interface Numbering {
  readonly last: (name: (typeof numberNames)[number]) => RawBuilder<{ last: number | null }>
  readonly set: (name: (typeof numberNames)[number], last: number) => readonly RawBuilder<unknown>[]
}

const sqlite: Numbering = {
  last(name) {
    if (name === arrivals) return sql`SELECT max(value) AS last FROM counters WHERE name = ${arrivalsCounter}`
    const column = sql.ref(numberedColumns[name])
    return sql`SELECT max(last) AS last FROM (
      SELECT max(${column}) AS last FROM ${sql.table(name)} UNION ALL SELECT seq FROM sqlite_sequence WHERE name = ${name})`
  },
  set(name, last) {
    if (name === arrivals) {
      return [sql`INSERT INTO counters (name, shard, value) VALUES (${arrivalsCounter}, 0, ${last})`]
    }
    if (!autoincrement.has(name)) return []
    return [
      sql`DELETE FROM sqlite_sequence WHERE name = ${name}`,
      sql`INSERT INTO sqlite_sequence (name, seq) VALUES (${name}, ${last})`,
    ]
  },
}

const sequenceOf = (name: (typeof numberNames)[number]): string =>
  name === arrivals ? arrivals : `${name}_${numberedColumns[name]}_seq`

const postgres: Numbering = {
  last: (name) => sql`SELECT pg_sequence_last_value(${sequenceOf(name)}::text::regclass) AS last`,
  set: (name, last) => [sql`SELECT setval(${sequenceOf(name)}::text::regclass, ${last}::bigint)`],
}

const numberings: Readonly<Record<TransferDatabase['kind'], Numbering>> = { sqlite, postgres }

export async function readNumbers({ kind, db }: TransferDatabase): Promise<Numbers> {
  const lasts = []
  for (const name of numberNames) {
    const { rows } = await numberings[kind].last(name).execute(db)
    lasts.push([name, rows[0]?.last ?? 0] as const)
  }
  return Object.fromEntries(lasts) as Numbers // one per name
}

/** Makes the sequences of a newly filled database continue after these numbers. */
export async function setNumbers({ kind, db }: TransferDatabase, numbers: Numbers): Promise<void> {
  for (const name of numberNames) {
    if (numbers[name] === 0) continue // a new sequence starts with 1
    for (const statement of numberings[kind].set(name, numbers[name])) await statement.execute(db)
  }
}

const weekly: ReadonlySet<string> = new Set(weeklyTables)

/** Makes the weekly parts for rows with these sequences. */
export async function makeRoomFor(
  { kind, db }: TransferDatabase,
  table: string,
  sequences: readonly number[],
): Promise<void> {
  if (kind !== 'postgres' || !weekly.has(table)) return
  const weeks = new Set(sequences.map((sequence) => Math.floor(sequence / 2 ** weekBits)))
  for (const week of weeks) await sql`SELECT make_week(${week}::bigint)`.execute(db)
}
