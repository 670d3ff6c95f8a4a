import { parentPort, workerData } from 'node:worker_threads'
import { paceBesideData } from './ingest/handle.ts'
import { startHandler, threadLogger, type HandlingOptions } from './start-handler.ts'
import { lockFolder } from './storage/sqlite/folder-lock.ts'
import { openSqliteInThread } from './storage/sqlite/in-thread.ts'
import { raiseLogNumbers } from './storage/sqlite/numbering.ts'
import { answerCalls } from './storage/thread-link.ts'

/** What the thread is started with. */
export interface EmbeddedData extends HandlingOptions {
  readonly folder: string
  /** Milliseconds since 1970: noted for steps of the schema that are taken now, and what numbers run with. */
  readonly now: number
}

// The thread that owns the SQLite file: it stores what the others ask for, and handles signals right beside the data.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { folder, now, ...options } = workerData as EmbeddedData // given by openEmbedded

using _lock = lockFolder(folder)
const { storage, sessions, procedures, deletions } = await openSqliteInThread(folder, new Date(now))
// The folder is ours alone, so whoever held a lease is gone: its streams need not wait for the end of it.
await sessions.exclusively((connection) => connection.run('DELETE FROM leases', []))
await sessions.exclusively((connection) => raiseLogNumbers(connection, now))
const handler = startHandler(storage, threadLogger(options), options, paceBesideData)
const closed = answerCalls(parentPort, sessions, {
  ...deletions,
  async appendSignals(rows: Parameters<typeof procedures.appendSignals>[0]) {
    const acceptances = await procedures.appendSignals(rows)
    handler.wake()
    return acceptances
  },
  recordRefusals: procedures.recordRefusals,
  dropOverwritten: () => sessions.outside((connection) => connection.emptyLog()),
  handle: () => handler.runOnce(new AbortController().signal),
})
parentPort.postMessage('ready')
await closed
await handler[Symbol.asyncDispose]()
await storage[Symbol.asyncDispose]()
parentPort.close()
