import { parentPort, workerData } from 'node:worker_threads'
import pino from 'pino'
import { createHandler } from './ingest/handle.ts'
import { lockFolder } from './storage/sqlite/folder-lock.ts'
import { openSqliteInThread } from './storage/sqlite/in-thread.ts'
import { answerCalls } from './storage/sqlite/thread-link.ts'

// The thread that owns the SQLite file: it stores what the others ask for, and handles signals right beside the data.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { folder, logLevel } = workerData as { folder: string; logLevel: string } // given by openEmbedded
const logger = pino({ level: logLevel }, pino.destination({ dest: 2, sync: true }))
const world = { now: () => new Date(), newUuid: () => crypto.randomUUID() }

using _lock = lockFolder(folder)
const { storage, sessions, procedures } = await openSqliteInThread(folder, world.now())
const handler = createHandler({ storage, world, logger })
const closed = answerCalls(parentPort, sessions, {
  async appendSignals(rows: Parameters<typeof procedures.appendSignals>[0]) {
    const acceptances = await procedures.appendSignals(rows)
    handler.wake()
    return acceptances
  },
  recordRefusals: procedures.recordRefusals,
  handle: () => handler.runOnce(new AbortController().signal),
})
handler.start()
parentPort.postMessage('ready')
await closed
await handler[Symbol.asyncDispose]()
await storage[Symbol.asyncDispose]()
parentPort.close()
