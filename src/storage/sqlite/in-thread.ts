import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { migrate } from '../migrate.ts'
import type { SignalProcedures } from '../signal-store.ts'
import { sqlStorage, type SqlStorage } from '../sql-storage.ts'
import { openConnection } from './connection.ts'
import { sessionDialect } from './dialect.ts'
import { localSessions, type LocalSessions } from './local-sessions.ts'
import { appendSignals, recordRefusals } from './signal-procedures.ts'

export const databaseFile = (folder: string): string => join(folder, 'watchbell.db')

export interface SqliteInThread {
  readonly storage: SqlStorage
  readonly sessions: LocalSessions
  readonly procedures: SignalProcedures
}

/** Opens and migrates the embedded database in the calling thread, which every statement then blocks. */
export async function openSqliteInThread(folder: string, now: Date): Promise<SqliteInThread> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const sessions = localSessions(openConnection({ file: databaseFile(folder), readOnly: false }))
  const procedures: SignalProcedures = {
    appendSignals: (rows) => sessions.exclusively((connection) => appendSignals(connection, rows)),
    recordRefusals: (refusals) => sessions.exclusively((connection) => recordRefusals(connection, refusals)),
  }
  const storage = sqlStorage(sessionDialect(sessions), procedures)
  try {
    await migrate(storage.db, now)
  } catch (error) {
    await storage[Symbol.asyncDispose]()
    throw error
  }
  return { storage, sessions, procedures }
}
