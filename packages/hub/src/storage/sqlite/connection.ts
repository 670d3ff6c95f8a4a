import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { SqlError, type SqlResult } from '../sql/sql-sessions.ts'

export interface ConnectionOptions {
  readonly file: string
  readonly readOnly: boolean
}

/** How long a statement waits for another process (the command line, a backup) to let go of the file. */
const busyTimeoutMs = 5_000
/** How long everybody waits, when the write-ahead log is to be emptied, for those who read in it. */
const emptyingTimeoutMs = 100
/** When the writer itself checkpoints: a bound, because checkpoints.ts does most of it meanwhile. 64 MiB. */
const walPagesMax = 16_000
/** KiB of pages in memory. At each commit SQLite looks through all of a writer's: more of them cost more than they save. */
const cacheKib = { writing: 16_384, reading: 65_536 } as const
/** Statements kept ready on one connection; the hub has about a hundred different ones. */
const preparedMax = 500

/** Of a hub with this data folder. */
export const databaseFile = (folder: string): string => join(folder, 'watchbell.db')

/** One SQLite connection and its prepared statements. Synchronous: lives in a thread of its own. */
export interface SqliteConnection {
  run(sql: string, parameters: readonly unknown[]): SqlResult
  /** A statement that is kept ready for the life of the connection. */
  prepare(sql: string): Database.Statement
  /**
   * Moves everything out of the write-ahead log and cuts it off, outside of a transaction.
   * @returns false when somebody still reads in it
   */
  emptyLog(): boolean
  /** Undoes the open transaction, if SQLite has not done so itself (a full disk, say). */
  rollBack(): void
  close(): void
}

/**
 * Opens the file with the settings our promises rest on: WAL, and `synchronous=FULL`, because a commit that is not
 * on disk must not be answered with 202. better-sqlite3 leaves WAL files at NORMAL, so it is set on every connection.
 */
export function openConnection({ file, readOnly }: ConnectionOptions): SqliteConnection {
  if (!readOnly) makeFile(file)
  const database = new Database(file, { readonly: readOnly, timeout: busyTimeoutMs })
  if (!readOnly) {
    database.pragma('journal_mode = WAL')
    database.pragma(`wal_autocheckpoint = ${walPagesMax}`)
    database.pragma('secure_delete = ON') // what was erased is not left in free pages
  }
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  database.pragma(`cache_size = -${readOnly ? cacheKib.reading : cacheKib.writing}`)
  database.pragma('temp_store = MEMORY')

  const ready = new Map<string, Database.Statement>()
  const prepare = (sql: string): Database.Statement => {
    let statement = ready.get(sql)
    if (statement === undefined) {
      if (ready.size >= preparedMax) ready.delete(ready.keys().next().value ?? '')
      statement = database.prepare(sql)
      ready.set(sql, statement)
    }
    return statement
  }

  return {
    prepare,
    run(sql, parameters) {
      try {
        const statement = prepare(sql)
        if (!statement.reader) return { rows: [], changes: statement.run(...parameters).changes }
        const rows = statement.all(...parameters)
        return { rows, changes: statement.readonly ? 0 : rows.length }
      } catch (error) {
        throw asSqlError(error)
      }
    },
    emptyLog() {
      try {
        database.pragma('wal_checkpoint(PASSIVE)') // most of the work waits for nobody
        database.pragma(`busy_timeout = ${emptyingTimeoutMs}`)
        return database.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0 // the first column is `busy`
      } catch (error) {
        throw asSqlError(error)
      } finally {
        database.pragma(`busy_timeout = ${busyTimeoutMs}`)
      }
    },
    rollBack() {
      if (database.inTransaction) database.exec('ROLLBACK')
    },
    close: () => void database.close(),
  }
}

/**
 * Makes the file, for its owner alone: SQLite gives those beside it the same mode, and the folder may be open to others.
 * One that is there is not so much as opened. To close any handle to it would end all locks that this process has on it,
 * and the next program that looks into the database would take itself for the only one, and remove the write-ahead log
 * under our hands when it is done.
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** The driver's error in the words of sql-sessions.ts; any other error as it is. */
export function asSqlError(error: unknown): unknown {
  return error instanceof Database.SqliteError ? new SqlError(error.code, error.message) : error
}
