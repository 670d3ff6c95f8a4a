import type { SharedTask } from '../../stores.ts'
import { tryLockOf } from './locks.ts'
import type { PostgresPool } from './pool.ts'

/**
 * Holds a lock on a separate connection during work on others. The server releases it when that connection ends, or is
 * idle for longer than a live node leaves it. @see Storage.alone
 */
export async function alone<T>(
  pool: PostgresPool,
  task: SharedTask,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const connection = await pool.connect()
  try {
    await connection.runAll('BEGIN')
    const { rows } = await connection.run(`SELECT ${tryLockOf(task)} AS mine`, [])
    const [{ mine }] = rows as [{ mine: boolean }] // the statement returns one row
    return mine ? await work() : undefined
  } finally {
    await connection.runAll('ROLLBACK').catch(() => undefined) // the pool ends a broken connection
    connection.release()
  }
}
