import { sql, type CompiledQuery, type RawBuilder } from 'kysely'
import { postgresLogInsertion, sqliteLogInsertion, type NewLogRow } from './log-insertion.ts'

/** A cell on its way into the database. */
export type Cell = string | number | null

/** A cell of bytes is written as hex digits. */
export type ColumnType = 'text' | 'integer' | 'bytes'

/** What our two databases say differently. Everything else in our statements is what both understand. */
export interface Words {
  /** A list of whole numbers as a subselect, whatever its length: the statement stays the same and prepared. */
  numbers(values: readonly number[]): RawBuilder<unknown>
  /** A list of texts as a subselect. */
  texts(values: readonly string[]): RawBuilder<unknown>
  /** A list of byte strings, written as hex digits, as a subselect. */
  hexes(values: readonly string[]): RawBuilder<unknown>
  /** Rows as a derived table with these columns; the statement gives it its alias. */
  rows(columns: Readonly<Record<string, ColumnType>>, rows: readonly (readonly Cell[])[]): RawBuilder<unknown>
  /**
   * Joins the row of a table that has the sequence of a row which is there already: that one is looked for first, and its
   * order stays. PostgreSQL would begin with either, because it cannot know how few there are.
   */
  bySequence(table: string, alias: string, sequence: RawBuilder<unknown>): RawBuilder<unknown>
  /** For each row of a SELECT a number that this column, which numbers its table, never had: for rows that refer to themselves. */
  nextNumber(table: string, column: string): RawBuilder<number>
  /** What a subselect finds as one JSON array of objects, as text. */
  objects(members: Readonly<Record<string, RawBuilder<unknown>>>): RawBuilder<string>
  /** Whether a text is like a pattern of LIKE with `\` as its escape, the letter case of ASCII aside. */
  like(text: RawBuilder<unknown>, pattern: string): RawBuilder<unknown>
  /** Adds entries to the System Log, in their order and behind every other. */
  logInsertion(rows: readonly NewLogRow[]): CompiledQuery
}

function namesAndValues(members: Readonly<Record<string, RawBuilder<unknown>>>): RawBuilder<unknown> {
  return sql.join(Object.entries(members).flatMap(([name, value]) => [sql.lit(name), value]))
}

export const sqliteWords: Words = {
  numbers: (values) => sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`,
  texts: (values) => sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`,
  hexes: (values) => sql`(SELECT unhex(value) FROM json_each(${JSON.stringify(values)}))`,
  rows(columns, rows) {
    const cells = Object.entries(columns).map(([name, type], at) => {
      const cell = sql`value ->> ${sql.lit(at)}`
      return sql`${type === 'bytes' ? sql`unhex(${cell})` : cell} AS ${sql.ref(name)}`
    })
    return sql`(SELECT ${sql.join(cells)} FROM json_each(${JSON.stringify(rows)}))`
  },
  bySequence: (table, alias, sequence) =>
    sql`CROSS JOIN ${sql.table(table)} AS ${sql.ref(alias)} ON ${sql.ref(`${alias}.sequence`)} = ${sequence}`,
  nextNumber: (table) =>
    sql`(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ${sql.lit(table)}) + row_number() OVER ()`,
  objects: (members) => sql`json_group_array(json_object(${namesAndValues(members)}))`,
  like: (text, pattern) => sql`${text} LIKE ${pattern} ESCAPE '\\'`,
  logInsertion: sqliteLogInsertion,
}

const arrays: Readonly<Record<ColumnType, RawBuilder<unknown>>> = {
  text: sql`text[]`,
  integer: sql`bigint[]`,
  bytes: sql`text[]`,
}

export const postgresWords: Words = {
  numbers: (values) => sql`(SELECT unnest(${values}::bigint[]))`,
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
  bySequence: (table, alias, sequence) =>
    sql`JOIN LATERAL (
      SELECT * FROM ${sql.table(table)} AS wide WHERE wide.sequence = ${sequence} OFFSET 0) AS ${sql.ref(alias)} ON true`,
  nextNumber: (table, column) => sql`nextval(${sql.lit(`${table}_${column}_seq`)})`,
  objects: (members) => sql`coalesce(json_agg(json_build_object(${namesAndValues(members)})), '[]')::text`,
  like: (text, pattern) => sql`${text} ILIKE ${pattern} ESCAPE '\\'`,
  logInsertion: postgresLogInsertion,
}
