import Database from 'better-sqlite3'
import { TransferError } from '../transfer/format.ts'
import { existingDatabase } from '../transfer/sqlite.ts'

export interface BackupProgress {
  readonly bytes: number
  readonly bytesDone: number
}

/** The copy can be stopped between two steps. 16 MiB with SQLite's default pages. */
const stepPages = 4_096
const busyTimeoutMs = 5_000

/**
 * Copies the embedded database of a data folder as of one moment, page by page, while a hub goes on writing to it: a
 * reader of the write-ahead log blocks no one, but the log grows until the copy is done.
 * @param file - must exist and be empty; complete and on disk when this resolves
 * @param onStep - may throw to stop the copy
 * @param at - the mark of the copy, by which a hub that starts on it recognises a copy
 * @throws TransferError when there is no database
 */
export async function backUp(
  folder: string,
  file: string,
  at: Date,
  onStep: (progress: BackupProgress) => void,
): Promise<BackupProgress> {
  const source = new Database(existingDatabase(folder), { readonly: true, timeout: busyTimeoutMs })
  try {
    // All steps of a transaction that has read copy the same moment; without it every commit would restart the copy.
    source.exec('BEGIN')
    const isOurs = source.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'migrations'`).get()
    if (isOurs === undefined) throw new TransferError(`The database in ${folder} is not one of Watchbell.`)
    const pageBytes = Number(source.pragma('page_size', { simple: true }))
    const inBytes = ({ totalPages, remainingPages }: Database.BackupMetadata): BackupProgress => ({
      bytes: totalPages * pageBytes,
      bytesDone: (totalPages - remainingPages) * pageBytes,
    })
    const done = await source.backup(file, {
      progress(pages) {
        onStep(inBytes(pages))
        return stepPages
      },
    })
    mark(file, at)
    return inBytes(done)
  } finally {
    source.close()
  }
}

/** @see HubMark; a database that no hub of this version has opened yet has no table of marks */
function mark(file: string, at: Date): void {
  const copy = new Database(file)
  try {
    copy.pragma('journal_mode = DELETE') // leaves no files beside it; a hub sets its own mode at its start
    const hasMarks = copy.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'hub_marks'`).get() !== undefined
    if (!hasMarks) return
    copy.prepare(`INSERT OR REPLACE INTO hub_marks (name, value) VALUES ('copied', ?)`).run(at.toISOString())
  } finally {
    copy.close()
  }
}
