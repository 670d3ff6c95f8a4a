import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

/**
 * Locks a data folder for this process: two hubs on one folder would each rely on their own memory. It is a lock of the
 * operating system on a separate file, so it ends with the process in any case.
 * @throws Error when another hub has the lock
 */
export function lockFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = new Database(join(folder, 'serve.lock'), { timeout: 0 })
  try {
    lock.pragma('journal_mode = DELETE')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error
    throw new Error(
      `another Watchbell is running on the data folder ${folder}; stop it, or give this one another folder`,
      {
        cause: error,
      },
    )
  }
  return { [Symbol.dispose]: () => void lock.close() }
}
