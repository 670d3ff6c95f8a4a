import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { SqlError, type SqlResult } from '../sql/sql-sessions.ts'

export interface ConnectionOptions {
  readonly file: string
  readonly readOnly: boolean
}

/** How long a statement waits for the file's lock of another process (the command line, a backup). */
const busyTimeoutMs = 5_000
/** How long emptying the write-ahead log waits for its readers; all other work waits meanwhile. */
const emptyingTimeoutMs = 100
/** The writer's own checkpoint: an upper bound, because checkpoints.ts does most of the work. 64 MiB. */
const walPagesMax = 16_000
/** KiB of cached pages. SQLite looks through all of a writer's pages at each commit: a larger cache costs more than it saves. */
const cacheKib = { writing: 16_384, reading: 65_536 } as const
/** Prepared statements kept on one connection; the hub has about a hundred different ones. */
const preparedMax = 500

/** The database file of a data folder. */
export const databaseFile = (folder: string): string => join(folder, 'watchbell.db')

/** One SQLite connection and its prepared statements. Synchronous: used in a separate thread. */
export interface SqliteConnection {
  run(sql: string, parameters: readonly unknown[]): SqlResult
  /** A statement that stays prepared for the life of the connection. */
  prepare(sql: string): Database.Statement
  /**
   * Moves everything out of the write-ahead log and truncates it, outside of a transaction.
   * @returns false when there is still a reader of the log
   */
  emptyLog(): boolean
  /** Rolls back the open transaction, unless SQLite has done so itself (on a full disk, for example). */
  rollBack(): void
  close(): void
}

/**
 * Opens the file with the settings that durability needs: WAL, and `synchronous=FULL`, because a commit that is not on
 * disk must not be answered with 202. better-sqlite3 leaves WAL files at NORMAL, so FULL is set on every connection.
 */
export function openConnection({ file, readOnly }: ConnectionOptions): SqliteConnection {
  if (!readOnly) makeFile(file)
  const database = new Database(file, { readonly: readOnly, timeout: busyTimeoutMs })
  if (!readOnly) {
    database.pragma('journal_mode = WAL')
    database.pragma(`wal_autocheckpoint = ${walPagesMax}`)
    database.pragma('secure_delete = ON') // leaves no erased data in free pages
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
        database.pragma('wal_checkpoint(PASSIVE)') // does most of the work without blocking
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
 * Creates the file, readable by its owner only: SQLite gives the same mode to the files beside it, and the folder may be
 * open to others. An existing file is not even opened: closing any handle to it would release all locks that this process
 * has on it, and the next program that reads the database would then think that it is the only one, and remove the
 * write-ahead log that we still use.
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** The driver's error as a SqlError; any other error as it is. */
export function asSqlError(error: unknown): unknown {
  return error instanceof Database.SqliteError ? new SqlError(error.code, error.message) : error
}
