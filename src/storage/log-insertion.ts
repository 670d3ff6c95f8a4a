import { CompiledQuery } from 'kysely'

/** An entry of the System Log on its way into the database; none is stored later than those before it. */
export interface NewLogRow {
  readonly published: number
  readonly persisted: number
  readonly eventType: string
  readonly event: string
}

/** Rows in one statement. */
export const logRowsMax = 1_024

/** SQLite prepares statements of these sizes only; what they have too much of is left empty. */
const statementSizes = [1, 4, 16, 64, 256, logRowsMax] as const
const insertions = new Map(statementSizes.map((size) => [size, insertStatement(size)]))

/** `persisted` is what the order of storing needs: it never falls as the sequence rises. */
function insertStatement(size: number): string {
  return `INSERT INTO log_events (published, persisted, event_type, event)
    SELECT
      column1,
      max(column2, coalesce((SELECT persisted FROM log_events ORDER BY sequence DESC LIMIT 1), 0)),
      column3,
      column4
    FROM (VALUES ${Array<string>(size).fill('(?, ?, ?, ?)').join(', ')})
    WHERE column1 IS NOT NULL`
}

export function sqliteLogInsertion(rows: readonly NewLogRow[]): CompiledQuery {
  const size = statementSizes.find((size) => size >= rows.length) ?? logRowsMax
  const parameters: (string | number | null)[] = rows.flatMap((row) => [
    row.published,
    row.persisted,
    row.eventType,
    row.event,
  ])
  while (parameters.length < 4 * size) parameters.push(null)
  return CompiledQuery.raw(insertions.get(size) ?? insertStatement(size), parameters)
}

/** Sequences must become visible in their order, which the function sees to: see 0003-system-log. */
export function postgresLogInsertion(rows: readonly NewLogRow[]): CompiledQuery {
  return CompiledQuery.raw('SELECT append_log_events($1, $2, $3, $4)', [
    rows.map(({ published }) => published),
    rows.map(({ persisted }) => persisted),
    rows.map(({ eventType }) => eventType),
    rows.map(({ event }) => event),
  ])
}
