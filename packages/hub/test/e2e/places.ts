import Database from 'better-sqlite3'
import { expect } from 'vitest'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { jtiOnPostgres, jtiOnSqlite } from './logged-jti.ts'

/** What a database holds in the end: `jti` of each signal, and how often each was logged as received. */
export interface Outcome {
  readonly stored: readonly string[]
  readonly logged: readonly { readonly jti: string; readonly times: number }[]
}

/** Where a hub that is started more than once keeps its data. */
export interface Place {
  /** Settings of each start. */
  readonly environment: Readonly<Record<string, string>>
  /** When the hub has stopped. */
  outcome(): Promise<Outcome>
}

async function onSqlite(folder: string): Promise<Place> {
  return {
    environment: { WATCHBELL_DATA: folder },
    async outcome() {
      const database = new Database(`${folder}/watchbell.db`, { readonly: true })
      const stored = database.prepare('SELECT jti FROM signals').pluck().all() as string[]
      const logged = database
        .prepare(
          `SELECT ${jtiOnSqlite} AS jti, count(*) AS times FROM log_events
           WHERE event_type = 'security.events.provider.receive_event' GROUP BY jti`,
        )
        .all() as { jti: string; times: number }[]
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
      database.close()
      return { stored, logged }
    },
  }
}

async function onPostgres(folder: string): Promise<Place> {
  const url = await emptyDatabase()
  return {
    environment: {
      WATCHBELL_DATA: folder,
      WATCHBELL_DATABASE_URL: url,
      WATCHBELL_SECRET_KEY: Buffer.alloc(32, 'test').toString('base64'),
    },
    async outcome() {
      const stored = (await runOn(url, 'SELECT jti FROM signals')) as unknown as { jti: string }[]
      const logged = await runOn(
        url,
        `SELECT ${jtiOnPostgres} AS jti, count(*)::int AS times FROM log_events
         WHERE event_type = 'security.events.provider.receive_event' GROUP BY 1`,
      )
      return { stored: stored.map(({ jti }) => jti), logged: logged as unknown as Outcome['logged'] } // as selected
    },
  }
}

/** Both databases by their names, for `test.each`: what is promised of a process is promised on either. */
export const places = [
  ['SQLite', onSqlite],
  ['PostgreSQL', onPostgres],
] as const
