import type { Worker } from '../base/worker.ts'
import { paceBesideData } from '../handling/handler.ts'
import { startHandler, threadLogger, wakeAfterAppend, type HandlingOptions } from './start-handler.ts'
import { lockFolder } from '../storage/sqlite/folder-lock.ts'
import {
  openSqliteInThread,
  type SqliteInThread,
  raiseSqliteLogNumbers,
} from '../storage/sqlite/in-thread.ts'
import type { Storage } from '../stores.ts'

export interface EmbeddedInThreadOptions extends HandlingOptions {
  /** Folder of the database; made when it is not there. */
  readonly folder: string
  /** Noted for steps of the schema that are taken now, and what numbers run with. */
  readonly now: Date
}

export interface EmbeddedInThread extends SqliteInThread, AsyncDisposable {
  /** Every accepted SET wakes the handler. */
  readonly storage: SqliteInThread['storage'] & Storage
  readonly handler: Worker
}

/**
 * The embedded database and the handler in the calling thread, which every statement then blocks. Disposing ends both.
 * @throws Error when another hub has the folder
 */
export async function openEmbeddedInThread(options: EmbeddedInThreadOptions): Promise<EmbeddedInThread> {
  const { folder, now, ...handling } = options
  await using opened = new AsyncDisposableStack()
  opened.use(lockFolder(folder))
  const { storage, sessions, procedures, deletions } = await openSqliteInThread(folder, now)
  opened.use(storage)
  // The folder is ours alone, so whoever held a lease is gone: its streams need not wait for the end of it.
  await sessions.exclusively((connection) => connection.run('DELETE FROM leases', []))
  await sessions.exclusively((connection) => raiseSqliteLogNumbers(connection, now.getTime()))
  const handler = opened.use(startHandler(storage, threadLogger(handling), handling, paceBesideData))
  const running = opened.move()
  return {
    storage: wakeAfterAppend(storage, () => handler.wake()),
    sessions,
    procedures,
    deletions,
    handler,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
