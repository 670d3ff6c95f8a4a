import { statSync } from 'node:fs'
import { openConnection } from './connection.ts'

const everyMs = 200
/** A smaller log is left as it is. */
const walBytesMin = 8 * 1_024 * 1_024

/**
 * Moves committed pages from the write-ahead log into the database file, in a thread that has time for it: SQLite's
 * automatic checkpoint within a commit delays everyone who waits for the commit. PASSIVE neither waits for the writer nor
 * blocks it. Only a writer can restart the log, so its own checkpoint stays as the bound (see connection.ts) and finds
 * most of the work done.
 */
export function keepCheckpointing(file: string): Disposable {
  const connection = openConnection({ file, readOnly: false })
  const timer = setInterval(() => {
    try {
      if (walBytes(file) >= walBytesMin) connection.run('PRAGMA wal_checkpoint(PASSIVE)', [])
    } catch {
      // On a full disk, for example. Nothing is lost: the log keeps its pages, and the next round tries again.
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
