import type { SharedTask } from '../../stores.ts'
import { tryLockOf } from './locks.ts'
import type { PostgresPool } from './pool.ts'

/**
 * Holds a lock on a connection of its own while the work is done on others. The server lets go of it when that connection
 * ends, or is idle for longer than a node that lives leaves it. @see Storage.alone
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
    const [{ mine }] = rows as [{ mine: boolean }] // one row, as the statement has it
    return mine ? await work() : undefined
  } finally {
    await connection.runAll('ROLLBACK').catch(() => undefined) // the pool lets go of a broken connection
    connection.release()
  }
}
