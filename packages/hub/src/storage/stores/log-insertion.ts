import { CompiledQuery } from 'kysely'
import { sizedStatement } from '../sql/sized-statement.ts'

/** An entry of the System Log to be stored, never earlier than the entries before it. */
export interface NewLogRow {
  readonly published: number
  readonly persisted: number
  readonly eventType: string
  readonly event: string
}

/** `persisted` never falls as the sequence rises. */
const insertion = sizedStatement(
  4,
  (values) => `INSERT INTO log_events (published, persisted, event_type, event)
    SELECT
      column1,
      max(column2, coalesce((SELECT persisted FROM log_events ORDER BY sequence DESC LIMIT 1), 0)),
      column3,
      column4
    FROM (${values})
    WHERE column1 IS NOT NULL`,
)

export function sqliteLogInsertion(rows: readonly NewLogRow[]): CompiledQuery {
  return insertion(
    rows.map(({ published, persisted, eventType, event }) => [published, persisted, eventType, event]),
  )
}

/** The function makes sequences visible in their order: see migrations/0001-postgres.ts. */
export function postgresLogInsertion(rows: readonly NewLogRow[]): CompiledQuery {
  return CompiledQuery.raw('SELECT append_log_events($1, $2, $3, $4)', [
    rows.map(({ published }) => published),
    rows.map(({ persisted }) => persisted),
    rows.map(({ eventType }) => eventType),
    rows.map(({ event }) => event),
  ])
}
