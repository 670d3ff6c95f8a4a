import {
  createQueryId,
  sql,
  SqliteQueryCompiler,
  type CompiledQuery,
  type Kysely,
  type RawBuilder,
} from 'kysely'
import {
  postgresHistoryInsertion,
  sqliteHistoryInsertion,
  type NewHistoryRow,
} from '../stores/history-insertion.ts'
import { postgresLogInsertion, sqliteLogInsertion, type NewLogRow } from '../stores/log-insertion.ts'
import type { DatabaseSchema } from './schema.ts'
import { inParts, sizedStatement, type Cell } from './sized-statement.ts'
import { Slot } from './slot.ts'

/** A cell of bytes is written as hex digits. */
export type ColumnType = 'text' | 'integer' | 'bytes'

/** A frequent statement over rows: its text is made once, so that a database can keep it prepared. */
export interface RowStatement<Row = unknown> {
  /** The first column is never null. */
  readonly columns: Readonly<Record<string, ColumnType>>
  /** @param given - the rows as a derived table; no other parameters */
  readonly text: (given: RawBuilder<unknown>, variant: SqlVariant) => RawBuilder<Row>
}

/** Values, or the slot for them in a fixed statement. */
export type List<Value extends Cell> = readonly Value[] | Slot

/** The differences between the SQL of our two databases. All other statements use what both understand. */
export interface SqlVariant {
  /** A list as a single parameter, which the functions for lists take apart. */
  list(values: readonly Cell[]): unknown
  /** A list of whole numbers as a subselect; the text does not depend on its length, so the statement stays prepared. */
  numbers(values: List<number>): RawBuilder<unknown>
  /**
   * Whether an indexed column is among these numbers. With a subselect PostgreSQL compares each row with each number, if the
   * table is nearly empty whenever the planner's statistics are collected.
   */
  isAmong(column: RawBuilder<unknown>, values: List<number>): RawBuilder<unknown>
  /** A list of texts as a subselect. */
  texts(values: List<string>): RawBuilder<unknown>
  /** A list of byte strings, written as hex digits, as a subselect. */
  hexes(values: List<string>): RawBuilder<unknown>
  /** Rows as a derived table with these columns; the statement adds the alias. */
  rows(columns: Readonly<Record<string, ColumnType>>, rows: readonly (readonly Cell[])[]): RawBuilder<unknown>
  /** Runs a statement over rows, in parts when there are very many. @returns its rows, in no order */
  each<Row>(
    db: Kysely<DatabaseSchema>,
    statement: RowStatement<Row>,
    rows: readonly (readonly Cell[])[],
  ): Promise<readonly Row[]>
  /**
   * Joins the row of a table with the same sequence as an existing row: the existing row comes first, and its order stays.
   * PostgreSQL might start with either, because it cannot know how few there are.
   */
  bySequence(table: string, alias: string, sequence: RawBuilder<unknown>): RawBuilder<unknown>
  /**
   * The newest rows of a table with a sequence for each of some values of a column, `limit` per value, as a derived table;
   * it may contain more of their rows. With one value at a time, PostgreSQL reads from newer to older parts and stops as
   * soon as it can.
   * @param values - a subselect of one column
   */
  newestOfEach(table: string, column: string, values: RawBuilder<unknown>, limit: number): RawBuilder<unknown>
  /** For each row of a SELECT a number that this numbering column never had: for rows that refer to themselves. */
  nextNumber(table: string, column: string): RawBuilder<number>
  /** The rows of a subselect as one JSON array of objects, as text. */
  objects(members: Readonly<Record<string, RawBuilder<unknown>>>): RawBuilder<string>
  /** Whether a text matches a pattern of LIKE with `\` as its escape, in any letter case of ASCII. */
  like(text: RawBuilder<unknown>, pattern: string): RawBuilder<unknown>
  /** Appends entries to the System Log, in their order. */
  logInsertion(rows: readonly NewLogRow[]): CompiledQuery
  /** Appends to the history of risk, in this order; `at` is milliseconds since 1970. */
  historyInsertion(rows: readonly NewHistoryRow[], at: number): CompiledQuery
}

function namesAndValues(members: Readonly<Record<string, RawBuilder<unknown>>>): RawBuilder<unknown> {
  return sql.join(Object.entries(members).flatMap(([name, value]) => [sql.lit(name), value]))
}

const sqliteCompiler = new SqliteQueryCompiler()
/** By the statement over rows. */
const sizedStatements = new WeakMap<RowStatement, ReturnType<typeof sizedStatement>>()

function sized({ columns, text }: RowStatement): ReturnType<typeof sizedStatement> {
  const cells = Object.entries(columns).map(([name, type], at) => {
    const cell = sql.raw(`column${at + 1}`)
    return sql`${type === 'bytes' ? sql`unhex(${cell})` : cell} AS ${sql.ref(name)}`
  })
  return sizedStatement(cells.length, (values) => {
    const given = sql`(SELECT ${sql.join(cells)} FROM (${sql.raw(values)}) WHERE column1 IS NOT NULL)`
    return sqliteCompiler.compileQuery(text(given, sqliteVariant).toOperationNode(), createQueryId()).sql
  })
}

const listParameter = (variant: SqlVariant, values: List<Cell>): unknown =>
  values instanceof Slot ? values : variant.list(values)

export const sqliteVariant: SqlVariant = {
  list: (values) => JSON.stringify(values),
  numbers: (values) => sql`(SELECT value FROM json_each(${listParameter(sqliteVariant, values)}))`,
  isAmong: (column, values) => sql`${column} IN ${sqliteVariant.numbers(values)}`,
  texts: (values) => sql`(SELECT value FROM json_each(${listParameter(sqliteVariant, values)}))`,
  hexes: (values) => sql`(SELECT unhex(value) FROM json_each(${listParameter(sqliteVariant, values)}))`,
  rows(columns, rows) {
    const cells = Object.entries(columns).map(([name, type], at) => {
      const cell = sql`value ->> ${sql.lit(at)}`
      return sql`${type === 'bytes' ? sql`unhex(${cell})` : cell} AS ${sql.ref(name)}`
    })
    return sql`(SELECT ${sql.join(cells)} FROM json_each(${JSON.stringify(rows)}))`
  },
  async each<Row>(
    db: Kysely<DatabaseSchema>,
    statement: RowStatement<Row>,
    rows: readonly (readonly Cell[])[],
  ) {
    let query = sizedStatements.get(statement)
    if (query === undefined) sizedStatements.set(statement, (query = sized(statement)))
    const returned: Row[] = []
    for (const part of inParts(rows)) {
      const given = await db.executeQuery(query(part))
      returned.push(...(given.rows as Row[])) // the statement's RETURNING columns
    }
    return returned
  },
  bySequence: (table, alias, sequence) =>
    sql`CROSS JOIN ${sql.table(table)} AS ${sql.ref(alias)} ON ${sql.ref(`${alias}.sequence`)} = ${sequence}`,
  newestOfEach: (table, column, values) =>
    sql`(SELECT * FROM ${sql.table(table)} WHERE ${sql.ref(column)} IN ${values})`,
  nextNumber: (table) =>
    sql`(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ${sql.lit(table)}) + row_number() OVER ()`,
  objects: (members) => sql`json_group_array(json_object(${namesAndValues(members)}))`,
  like: (text, pattern) => sql`${text} LIKE ${pattern} ESCAPE '\\'`,
  logInsertion: sqliteLogInsertion,
  historyInsertion: sqliteHistoryInsertion,
}

const arrays: Readonly<Record<ColumnType, RawBuilder<unknown>>> = {
  text: sql`text[]`,
  integer: sql`bigint[]`,
  bytes: sql`text[]`,
}

export const postgresVariant: SqlVariant = {
  list: (values) => values,
  numbers: (values) => sql`(SELECT unnest(${values}::bigint[]))`,
  isAmong: (column, values) => sql`${column} = ANY(${values}::bigint[])`,
  texts: (values) => sql`(SELECT unnest(${values}::text[]))`,
  hexes: (values) => sql`(SELECT decode(hex, 'hex') FROM unnest(${values}::text[]) AS hexes (hex))`,
  rows(columns, rows) {
    const lists = Object.values(columns).map(
      (type, at) => sql`${rows.map((row) => row[at])}::${arrays[type]}`,
    )
    const names = Object.keys(columns).map((name) => sql.ref(name))
    const cells = Object.entries(columns).map(([name, type]) =>
      type === 'bytes' ? sql`decode(${sql.ref(name)}, 'hex') AS ${sql.ref(name)}` : sql.ref(name),
    )
    return sql`(SELECT ${sql.join(cells)} FROM unnest(${sql.join(lists)}) AS given (${sql.join(names)}))`
  },
  async each(db, { columns, text }, rows) {
    return (await text(postgresVariant.rows(columns, rows), postgresVariant).execute(db)).rows
  },
  bySequence: (table, alias, sequence) =>
    sql`JOIN LATERAL (
      SELECT * FROM ${sql.table(table)} AS wide WHERE wide.sequence = ${sequence} OFFSET 0) AS ${sql.ref(alias)} ON true`,
  newestOfEach: (table, column, values, limit) =>
    sql`(SELECT newest.* FROM ${values} AS wanted (value) CROSS JOIN LATERAL (
      SELECT * FROM ${sql.table(table)} WHERE ${sql.ref(column)} = wanted.value ORDER BY sequence DESC LIMIT ${limit}) AS newest)`,
  nextNumber: (table, column) => sql`nextval(${sql.lit(`${table}_${column}_seq`)})`,
  objects: (members) => sql`coalesce(json_agg(json_build_object(${namesAndValues(members)})), '[]')::text`,
  like: (text, pattern) => sql`${text} ILIKE ${pattern} ESCAPE '\\'`,
  logInsertion: postgresLogInsertion,
  historyInsertion: postgresHistoryInsertion,
}
