import { HubError } from '../../base/hub-error.ts'
import { SqlError } from '../sql/sql-sessions.ts'

/** Prefixes of SQLite's codes when it cannot serve now, whatever the statement. */
const outages = [
  'SQLITE_ABORT', // other work in the same commit undid it
  'SQLITE_BUSY', // another process holds the lock of the file
  'SQLITE_CANTOPEN',
  'SQLITE_FULL', // the disk
  'SQLITE_IOERR',
  'SQLITE_NOMEM',
  'SQLITE_READONLY', // the file system was mounted anew
]

/** For `catch`. */
export function throwFromSqlite(error: unknown): never {
  throw fromSqliteError(error)
}

/** An outage as the hub's error: 503, a fault of ours. Any other error as it is. */
export function fromSqliteError(error: unknown): unknown {
  return error instanceof SqlError && outages.some((code) => error.code.startsWith(code))
    ? new HubError('hub.unavailable', { retryAfterS: 5, cause: error })
    : error
}
