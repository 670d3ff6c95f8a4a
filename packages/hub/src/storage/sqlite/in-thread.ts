import { mkdirSync } from 'node:fs'
import { rowDeletions, type Deletions } from '../stores/deletions.ts'
import { migrate } from '../migrations/migrate.ts'
import { sqlStorage, type SqlProcedures, type SqlStorage } from '../stores/sql-storage.ts'
import { sqliteVariant } from '../sql/sql-variant.ts'
import { findLiveTokens, findServiceApps } from './access-procedures.ts'
import { databaseFile, openConnection, type SqliteConnection } from './connection.ts'
import { kyselyOverSessions } from './kysely.ts'
import { readSqliteRisks } from './risk-procedures.ts'
import { numberAt } from '../sql/number-at.ts'
import { throwFromSqlite } from './outage.ts'
import { localSessions, type LocalSessions } from './local-sessions.ts'
import { appendSignals, recordRefusals } from './signal-procedures.ts'

export interface SqliteInThread {
  readonly storage: SqlStorage
  readonly sessions: LocalSessions
  readonly procedures: SqlProcedures
  readonly deletions: Deletions
}

/** Opens and migrates the embedded database in the calling thread, which every statement then blocks. */
export async function openSqliteInThread(folder: string, now: Date): Promise<SqliteInThread> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const sessions = localSessions(openConnection({ file: databaseFile(folder), readOnly: false }))
  const procedures: SqliteInThread['procedures'] = {
    appendSignals: (rows) => sessions.exclusively((connection) => appendSignals(connection, rows)),
    recordRefusals: (refusals) => sessions.exclusively((connection) => recordRefusals(connection, refusals)),
    readRisks: (questions) =>
      sessions.exclusively((connection) => readSqliteRisks(connection, questions)).catch(throwFromSqlite),
    findLiveTokens: (hashes) =>
      sessions.exclusively((connection) => findLiveTokens(connection, hashes)).catch(throwFromSqlite),
    findServiceApps: (ids) =>
      sessions.exclusively((connection) => findServiceApps(connection, ids)).catch(throwFromSqlite),
  }
  const storage = sqlStorage({
    db: kyselyOverSessions(sessions),
    variant: sqliteVariant,
    procedures,
    close: () => sessions.close(),
  })
  try {
    await migrate(storage.db, 'sqlite', now)
  } catch (error) {
    await storage[Symbol.asyncDispose]()
    throw error
  }
  return {
    storage: {
      ...storage,
      dropOverwritten: () => sessions.outside((connection) => connection.emptyLog()).catch(throwFromSqlite),
    },
    sessions,
    procedures,
    deletions: rowDeletions(storage.db, sqliteVariant),
  }
}

/** Runs in a transaction at the start of a hub. @param now - milliseconds since 1970. @see numberAt */
export function raiseSqliteLogNumbers(connection: SqliteConnection, now: number): void {
  const raise = `UPDATE sqlite_sequence SET seq = max(seq, CAST(? AS INTEGER)) WHERE name = 'log_events'`
  if (connection.run(raise, [numberAt(now)]).changes > 0) return
  const begin = `INSERT INTO sqlite_sequence (name, seq) VALUES ('log_events', CAST(? AS INTEGER))`
  connection.run(begin, [numberAt(now)])
}
