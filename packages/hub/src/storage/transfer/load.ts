import { sql } from 'kysely'
import { isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { migrations } from '../migrations/index.ts'
import type { Cell } from '../sql/sized-statement.ts'
import { SqlError } from '../sql/sql-sessions.ts'
import { formatVersion, TransferError } from './format.ts'
import { linesOf } from './lines.ts'
import { arrivals, makeRoomFor, numberNames, setNumbers, type Numbers } from './numbers.ts'
import { readTables, type TransferColumn, type TransferDatabase, type TransferTable } from './tables.ts'
import type { ColumnType } from '../sql/sql-variant.ts'

export interface Loaded {
  /** Of rows, by table. */
  readonly counts: Readonly<Record<string, number>>
}

const batchRowsMax = 2_000
const batchBytesMax = 1_048_576

/** Rows of one table to insert together. */
interface Batch {
  readonly table: TransferTable
  readonly firstLine: number
  readonly rows: (readonly Cell[])[]
  bytes: number
}

/**
 * Fills an empty database with the lines of an export, all of which it checks.
 * @param database - in a transaction, which must be rolled back when this throws
 * @param onBatch - called with the counts so far
 * @throws TransferError naming line and column, or the tables that are not empty
 */
export async function load(
  database: TransferDatabase,
  chunks: AsyncIterable<Uint8Array>,
  onBatch: (loaded: Loaded, table: string) => void = () => undefined,
): Promise<Loaded> {
  const tables = await readTables(database)
  await requireEmpty(database, tables)
  const reader = createReader(tables)
  let batch: Batch | undefined
  const flush = async (): Promise<void> => {
    if (batch === undefined) return
    await insert(database, batch, reader.line)
    onBatch(reader, batch.table.name)
    batch = undefined
  }
  for await (const lines of linesOf(chunks)) {
    for (const line of lines) {
      const row = reader.read(line)
      if (row === undefined) continue
      if (batch?.table !== row.table) await flush()
      batch ??= { table: row.table, firstLine: reader.line, rows: [], bytes: 0 }
      batch.rows.push(row.cells)
      batch.bytes += line.byteLength
      if (batch.rows.length >= batchRowsMax || batch.bytes >= batchBytesMax) await flush()
    }
  }
  await flush()
  await setNumbers(database, reader.finish())
  return { counts: reader.counts }
}

async function requireEmpty({ db }: TransferDatabase, tables: readonly TransferTable[]): Promise<void> {
  const looks = tables.map(
    ({ name }) => sql`SELECT ${sql.lit(name)} AS name WHERE EXISTS (SELECT 1 FROM ${sql.table(name)})`,
  )
  const { rows } = await sql<{ name: string }>`${sql.join(looks, sql` UNION ALL `)}`.execute(db)
  if (rows.length === 0) return
  throw new TransferError(
    `The database is not empty: there are rows in ${rows.map(({ name }) => name).join(', ')}. An import needs an unused database; a hub stores a key and a token when it first starts.`,
  )
}

async function insert(database: TransferDatabase, batch: Batch, lastLine: number): Promise<void> {
  const { db, variant } = database
  const { table, rows, firstLine } = batch
  const names = sql.join(table.columns.map(({ name }) => sql.ref(name)))
  const types: Record<string, ColumnType> = Object.fromEntries(
    table.columns.map(({ name, type }) => [name, type]),
  )
  const sequenceAt = table.columns.findIndex(({ name }) => name === 'sequence')
  try {
    await makeRoomFor(
      database,
      table.name,
      rows.map((row) => Number(row[sequenceAt])),
    )
    await sql`INSERT INTO ${sql.table(table.name)} (${names})
      SELECT ${names} FROM ${variant.rows(types, rows)} AS given`.execute(db)
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    throw new TransferError(
      `A row of ${table.name} in lines ${firstLine} to ${lastLine} is refused by the database: ${error.message}.`,
    )
  }
}

interface Reader {
  /** The number of the last line read. */
  readonly line: number
  readonly counts: Readonly<Record<string, number>>
  /** @returns the row, when the line is a row */
  read(line: Uint8Array): { readonly table: TransferTable; readonly cells: readonly Cell[] } | undefined
  /** To be called after the last line. */
  finish(): Numbers
}

/** Reads line after line, and checks what may come next. */
function createReader(tables: readonly TransferTable[]): Reader {
  const counts: Record<string, number> = Object.fromEntries(tables.map(({ name }) => [name, 0]))
  const lastNumbers: Record<string, number> = {}
  let line = 0
  let at = 0
  let lastKey: readonly Cell[] | undefined
  let numbers: Numbers | undefined

  const refuse = (problem: string): never => {
    throw new TransferError(`Line ${line}${problem}.`)
  }

  const readRow = (parsed: JsonObject): { table: TransferTable; cells: readonly Cell[] } => {
    const { table: name, row, ...others } = parsed
    if (typeof name !== 'string' || !isJsonObject(row) || Object.keys(others).length > 0) {
      return refuse(' is no {"table": …, "row": {…}} and not the closing line')
    }
    const place = tables.findIndex((table) => table.name === name)
    const table = tables[place]
    if (table === undefined) return refuse(` is of the table '${name}', which an export does not have`)
    if (place < at) return refuse(` is of ${name}, whose rows stand before those of ${tables[at]?.name}`)
    if (place > at) lastKey = undefined
    at = place
    const cells = table.columns.map((column) => {
      const cell = row[column.name]
      if (cell === undefined && !Object.hasOwn(row, column.name)) {
        return refuse(`, column ${name}.${column.name} is missing`)
      }
      return isCell(cell, column) ? cell : refuse(`, column ${name}.${column.name}: ${expected(column)}`)
    })
    const unknown = Object.keys(row).find((key) => !table.columns.some((column) => column.name === key))
    if (unknown !== undefined) return refuse(`: there is no column ${name}.${unknown}`)
    const key = table.key.map(
      (column) => cells[table.columns.findIndex(({ name }) => name === column)] ?? null,
    )
    if (lastKey !== undefined && compareKeys(lastKey, key) >= 0) {
      return refuse(`: its key (${table.key.join(', ')}) is not behind that of the line before`)
    }
    lastKey = key
    counts[name] = (counts[name] ?? 0) + 1
    if (typeof key[0] === 'number') lastNumbers[name] = key[0]
    return { table, cells }
  }

  const readEnd = (end: JsonValue): Numbers => {
    const given = isJsonObject(end) ? end : {}
    for (const { name } of tables) {
      const count = isJsonObject(given['counts']) ? given['counts'][name] : undefined
      if (count !== counts[name]) {
        return refuse(
          ` counts ${JSON.stringify(count)} rows of ${name}, and there were ${counts[name]}: lines are missing, or too many`,
        )
      }
    }
    const read = numberNames.map((name) => {
      const number = isJsonObject(given['numbers']) ? given['numbers'][name] : undefined
      const min = Math.max(0, ...tablesNumberedBy(name).map((table) => lastNumbers[table] ?? 0))
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < min) {
        return refuse(`: numbers.${name} must be a whole number of at least ${min}`)
      }
      return [name, number] as const
    })
    return Object.fromEntries(read) as Numbers // one per name
  }

  return {
    get line() {
      return line
    },
    counts,
    read(bytes) {
      line += 1
      if (numbers !== undefined) return refuse(' stands behind the closing line')
      const parsed = parseLine(bytes) ?? refuse(notJson(line, bytes))
      if (line === 1) {
        requireOurHeader(parsed)
        return undefined
      }
      if (parsed['end'] === undefined) return readRow(parsed)
      numbers = readEnd(parsed['end'])
      return undefined
    },
    finish() {
      if (numbers !== undefined) return numbers
      throw new TransferError(
        line === 0
          ? 'The file is empty.'
          : `The file ends with line ${line} and has no closing line: it was cut off. Copy or export it again.`,
      )
    },
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function parseLine(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(decoder.decode(bytes)) as JsonValue // a JSON value
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function notJson(line: number, [first, second]: Uint8Array): string {
  const isGzip = line === 1 && first === 0x1f && second === 0x8b
  return isGzip
    ? ' is compressed: gunzip -c FILE | watchbell import -'
    : ' is not a JSON object: this is no export of Watchbell, or the file is damaged'
}

function requireOurHeader(header: JsonObject): void {
  const version = header['watchbell_export']
  if (version === undefined) {
    throw new TransferError('Line 1 is not the header of an export of Watchbell.')
  }
  const by = typeof header['watchbell'] === 'string' ? header['watchbell'] : 'another version'
  if (version !== formatVersion) {
    throw new TransferError(
      `The export is in format ${JSON.stringify(version)} of Watchbell ${by}, and this one reads format ${formatVersion}.`,
    )
  }
  const known = migrations.map(({ name }) => name)
  if (JSON.stringify(header['migrations']) === JSON.stringify(known)) return
  throw new TransferError(
    `The export is of Watchbell ${by}, whose tables are not those of this version. Import it with that version, and start this one on the database afterwards: it upgrades it.`,
  )
}

function isCell(cell: JsonValue | undefined, { type, nullable }: TransferColumn): cell is Cell {
  if (cell === null) return nullable
  switch (type) {
    case 'integer':
      return Number.isSafeInteger(cell)
    case 'text':
      return typeof cell === 'string'
    case 'bytes':
      return typeof cell === 'string' && /^(?:[0-9a-f]{2})*$/.test(cell)
  }
}

const meanings: Readonly<Record<ColumnType, string>> = {
  integer: 'a whole number',
  text: 'a text',
  bytes: 'bytes in lowercase hex digits',
}

function expected({ type, nullable }: TransferColumn): string {
  return `it must be ${meanings[type]}${nullable ? ' or null' : ''}`
}

/** The order of both databases: numbers by value, texts by their bytes. */
function compareKeys(left: readonly Cell[], right: readonly Cell[]): number {
  for (const [at, one] of left.entries()) {
    const other = right[at]
    const order =
      typeof one === 'number' && typeof other === 'number'
        ? one - other
        : Buffer.compare(Buffer.from(String(one)), Buffer.from(String(other)))
    if (order !== 0) return order
  }
  return 0
}

function tablesNumberedBy(name: (typeof numberNames)[number]): readonly string[] {
  return name === arrivals ? ['signals', 'refusals'] : [name]
}
