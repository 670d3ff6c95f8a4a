import pg from 'pg'
import { HubError } from '../../base/hub-error.ts'
import { SqlError } from '../sql/sql-sessions.ts'

/** SQLSTATEs, or their first letters, of a database that cannot serve now, whatever the statement. */
const outages = [
  '08', // connection exceptions
  '25006', // it became a standby
  '25P03', // our transaction was idle for too long
  '25P04', // our transaction lasted too long
  '53', // out of disk, memory or connections
  '55P03', // a lock was not free in time
  '57', // shutting down, starting, or a statement timeout
  '58', // system errors
]
/** Serialization failures and deadlocks: a retry may succeed. */
const passing = ['40001', '40P01']

/** The database cannot be reached: 503, a fault of ours. */
export function unreachable(cause: unknown): HubError {
  return new HubError('hub.unavailable', { retryAfterS: 5, cause })
}

/** The driver's error as the hub's error or as a SqlError. Mistakes in our own code stay as they are. */
export function fromPostgresError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    const { code = '', message, table = '', constraint = '' } = error
    if (outages.some((prefix) => code.startsWith(prefix))) return unreachable(error)
    const column = constraint.startsWith(`${table}_`) && constraint.endsWith('_key')
    const broken = column ? constraint.slice(table.length + 1, -'_key'.length) : undefined
    const unique = code === '23505' && broken !== undefined ? `${table}.${broken}` : undefined
    return new SqlError(code, message, unique)
  }
  if (error instanceof TypeError || error instanceof RangeError || !(error instanceof Error)) return error
  return unreachable(error) // the driver's error for a lost connection
}

/** Whether the statement, or its whole transaction, should be retried. */
export function isPassingSqlError(error: unknown): boolean {
  return error instanceof SqlError && (passing.includes(error.code) || isStalePlan(error))
}

/** A migration changed a table after the statement was prepared. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof SqlError && error.code === '0A000' && error.message.includes('cached plan')
}

const triesMax = 5

/** Retries passing failures. `work` must leave nothing behind when it fails. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!isPassingSqlError(error)) throw error
      if (tries >= triesMax) throw unreachable(error)
    }
  }
}
