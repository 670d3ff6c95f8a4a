import Database from 'better-sqlite3'
import { expect } from 'vitest'

/** What a database holds in the end: `jti` of each signal, and how often each was logged as received. */
export interface Outcome {
  readonly stored: readonly string[]
  readonly logged: readonly { readonly jti: string; readonly times: number }[]
}

/** Of the embedded database of a hub that has stopped. */
export function outcomeOnSqlite(folder: string): Outcome {
  const database = new Database(`${folder}/watchbell.db`, { readonly: true })
  const stored = database.prepare('SELECT jti FROM signals').pluck().all() as string[]
  const logged = database
    .prepare(
      `SELECT event ->> '$.debugContext.debugData.jti' AS jti, count(*) AS times FROM log_events
       WHERE event_type = 'security.events.provider.receive_event' GROUP BY jti`,
    )
    .all() as { jti: string; times: number }[]
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
  database.close()
  return { stored, logged }
}
