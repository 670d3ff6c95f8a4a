import { numberAt } from '../sql/number-at.ts'
import type { SqliteConnection } from './connection.ts'

/** Runs inside a transaction, when a hub starts. @param now - milliseconds since 1970. @see numberAt */
export function raiseSqliteLogNumbers(connection: SqliteConnection, now: number): void {
  const raise = `UPDATE sqlite_sequence SET seq = max(seq, CAST(? AS INTEGER)) WHERE name = 'log_events'`
  if (connection.run(raise, [numberAt(now)]).changes > 0) return
  const begin = `INSERT INTO sqlite_sequence (name, seq) VALUES ('log_events', CAST(? AS INTEGER))`
  connection.run(begin, [numberAt(now)])
}
