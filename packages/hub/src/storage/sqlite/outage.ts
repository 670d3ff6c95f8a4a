import { HubError } from '../../base/hub-error.ts'
import { SqlError } from '../sql/sql-sessions.ts'

/** What SQLite's codes begin with when it cannot serve right now, whatever the statement. */
const outages = [
  'SQLITE_ABORT', // work that shared a commit undid it
  'SQLITE_BUSY', // another process does not let go of the file
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

/** An outage as the hub says it: 503, and nobody's fault but ours. Any other error as it is. */
export function fromSqliteError(error: unknown): unknown {
  return error instanceof SqlError && outages.some((code) => error.code.startsWith(code))
    ? new HubError('hub.unavailable', { retryAfterS: 5, cause: error })
    : error
}
