import { sql, type RawBuilder } from 'kysely'
import { migrations } from '../migrations/index.ts'
import { SqlError } from '../sql/sql-sessions.ts'
import { formatVersion, TransferError, type ExportEnd, type ExportHeader, type ExportRow } from './format.ts'
import { arrivalsCounter, readNumbers } from './numbers.ts'
import { readTables, type TransferDatabase, type TransferTable } from './tables.ts'

/** Some whole lines of an export. */
export interface DumpedLines {
  readonly text: string
  readonly table: string
  /** Rows of this table so far, and of all tables. */
  readonly counts: Readonly<Record<string, number>>
}

const pageRowsMin = 16
const pageRowsMax = 2_000
/** The approximate size of a page, in characters. */
const pageChars = 1_048_576

/**
 * Writes every row that moves, page by page along the primary keys, so that memory stays small.
 * @param database - in a transaction with one snapshot
 * @throws TransferError when another version of Watchbell made the database
 */
export async function* dump(
  database: TransferDatabase,
  about: { readonly version: string; readonly now: Date },
): AsyncGenerator<DumpedLines> {
  const counts: Record<string, number> = {}
  const header: ExportHeader = {
    watchbell_export: formatVersion,
    watchbell: about.version,
    database: database.kind,
    exported_at: about.now.toISOString(),
    migrations: await requireSameMigrations(database),
  }
  yield { text: `${JSON.stringify(header)}\n`, table: '', counts }
  for (const table of await readTables(database)) {
    counts[table.name] = 0
    for await (const rows of pagesOf(database, table)) {
      counts[table.name] = (counts[table.name] ?? 0) + rows.length
      const lines = rows.map((row) => `${JSON.stringify({ table: table.name, row } satisfies ExportRow)}\n`)
      yield { text: lines.join(''), table: table.name, counts }
    }
  }
  const end: ExportEnd = { end: { counts, numbers: await readNumbers(database) } }
  yield { text: `${JSON.stringify(end)}\n`, table: '', counts }
}

/** SQLite has one shard, and the arrivals are among its counters; see `numbers` of the closing line. */
const sources: Readonly<Record<string, RawBuilder<unknown>>> = {
  counters: sql`(SELECT name, 0 AS shard, CAST(sum(value) AS BIGINT) AS value FROM counters
    WHERE name <> ${sql.lit(arrivalsCounter)} GROUP BY name)`,
}

async function* pagesOf(
  { db }: TransferDatabase,
  { name, key, columns }: TransferTable,
): AsyncGenerator<readonly ExportRow['row'][]> {
  const names = sql.join(columns.map((column) => sql.ref(column.name)))
  const source = sources[name] ?? sql.table(name)
  const order = sql.join(key.map((column) => sql.ref(column)))
  let after = sql`true`
  let rowsMax = pageRowsMin
  for (;;) {
    const { rows } = await sql<Record<string, unknown>>`
      SELECT ${names} FROM ${source} AS source WHERE ${after} ORDER BY ${order} LIMIT ${rowsMax}`.execute(db)
    const last = rows.at(-1)
    if (last === undefined) return
    const exported = rows.map((row) => exportedRow(name, row))
    yield exported
    if (rows.length < rowsMax) return
    after = sql`(${order}) > (${sql.join(key.map((column) => last[column]))})`
    rowsMax = nextPage(exported)
  }
}

/** Rows of one table have similar sizes, so the rows just read decide how many make a page. */
function nextPage(rows: readonly ExportRow['row'][]): number {
  const chars = rows.reduce(
    (sum, row) => Object.values(row).reduce<number>((sum, cell) => sum + String(cell).length, sum),
    0,
  )
  return Math.min(pageRowsMax, Math.max(pageRowsMin, Math.floor((pageChars * rows.length) / (chars + 1))))
}

function exportedRow(table: string, row: Readonly<Record<string, unknown>>): ExportRow['row'] {
  return Object.fromEntries(
    Object.entries(row).map(([column, cell]) => {
      if (cell === null || typeof cell === 'string' || Number.isSafeInteger(cell)) {
        return [column, cell as ExportRow['row'][string]] // one of these three types
      }
      if (cell instanceof Uint8Array) return [column, Buffer.from(cell).toString('hex')]
      throw new TransferError(
        `A value of ${table}.${column} cannot be exported exactly: it is no text, no bytes and no whole number below 2⁵³.`,
      )
    }),
  )
}

/** @returns their names */
async function requireSameMigrations({ db }: TransferDatabase): Promise<readonly string[]> {
  const taken = (await takenMigrations(db)).map(({ name }) => name)
  const known = migrations.map(({ name }) => name)
  const missing = known.filter((name) => !taken.includes(name))
  const unknown = taken.filter((name) => !known.includes(name))
  if (missing.length > 0) {
    throw new TransferError(
      `The database is that of an older Watchbell (it lacks the step ${missing.join(', ')}). Export with the version that runs on it, or start a hub of this version on it first.`,
    )
  }
  if (unknown.length > 0) {
    throw new TransferError(
      `The database is that of a newer Watchbell (it has the step ${unknown.join(', ')}). Export with the version that runs on it.`,
    )
  }
  return known
}

async function takenMigrations(db: TransferDatabase['db']): Promise<readonly { readonly name: string }[]> {
  try {
    return (await sql<{ name: string }>`SELECT name FROM migrations ORDER BY name`.execute(db)).rows
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    throw new TransferError(`The database is not one of Watchbell: ${error.message}.`)
  }
}
