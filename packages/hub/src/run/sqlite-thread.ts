import { parentPort, workerData } from 'node:worker_threads'
import { openEmbeddedInThread, type EmbeddedInThreadOptions } from './embedded-in-thread.ts'
import { answerCalls } from '../storage/threads/thread-link.ts'

/** What the thread is started with. */
export type EmbeddedData = EmbeddedInThreadOptions

// The thread that owns the SQLite file: it stores what the others ask for, and handles signals right beside the data.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const embedded = await openEmbeddedInThread(workerData as EmbeddedData) // given by openEmbedded
const { sessions, procedures, deletions, handler } = embedded
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
await embedded[Symbol.asyncDispose]()
parentPort.close()
