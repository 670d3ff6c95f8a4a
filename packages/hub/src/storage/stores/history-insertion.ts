import { CompiledQuery } from 'kysely'
import { sizedStatement } from '../sql/sized-statement.ts'

/** A reason that moves to the history. */
export interface NewHistoryRow {
  readonly node: number
  /** Its JSON. */
  readonly reason: string
}

const insertion = sizedStatement(
  3,
  (values) => `INSERT INTO risk_history (node, added_at, reason)
    SELECT column1, column2, column3 FROM (${values}) WHERE column1 IS NOT NULL`,
)

/** @param at - milliseconds since 1970 */
export function sqliteHistoryInsertion(rows: readonly NewHistoryRow[], at: number): CompiledQuery {
  return insertion(rows.map(({ node, reason }) => [node, at, reason]))
}

/** The function makes the part for them: see migrations/0001-postgres.ts. */
export function postgresHistoryInsertion(rows: readonly NewHistoryRow[], at: number): CompiledQuery {
  return CompiledQuery.raw('SELECT append_risk_history($1, $2, $3)', [
    rows.map(({ node }) => node),
    at,
    rows.map(({ reason }) => reason),
  ])
}
