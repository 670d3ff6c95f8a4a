import { statSync } from 'node:fs'
import { openConnection } from './connection.ts'

const everyMs = 200
/** Below this much there is nothing worth moving. */
const walBytesMin = 8 * 1_024 * 1_024

/**
 * Moves what is committed from the write-ahead log into the database file, from a thread that has time for it: done
 * within a commit, as SQLite does by itself, it holds up everyone who waits for theirs. PASSIVE neither waits for the
 * writer nor makes it wait. Only a writer can start the log anew, so its own checkpoint stays as the bound (see
 * connection.ts) and finds most of the work done.
 */
export function keepCheckpointing(file: string): Disposable {
  const connection = openConnection({ file, readOnly: false })
  const timer = setInterval(() => {
    try {
      if (walBytes(file) >= walBytesMin) connection.run('PRAGMA wal_checkpoint(PASSIVE)', [])
    } catch {
      // A full disk, say. Nothing is lost: the log keeps what was not moved, and the next round tries again.
    }
  }, everyMs)
  timer.unref()
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      connection.close()
    },
  }
}

function walBytes(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
}
