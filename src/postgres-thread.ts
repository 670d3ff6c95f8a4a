import { parentPort, workerData } from 'node:worker_threads'
import { paceOverConnections } from './ingest/handle.ts'
import { startHandler, threadLogger, type HandlingOptions } from './start-handler.ts'
import { openPostgres } from './storage/postgres.ts'
import { answerCalls } from './storage/thread-link.ts'

/** What the thread is started with. */
export interface ClusteredData extends HandlingOptions {
  readonly url: string
}

/** One for a batch, one to keep other nodes from preparing the same, one in place of one that the server has just ended. */
const connectionsMax = 3

// The thread that handles signals, so that the event loop of the hub has no part in it.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { url, ...options } = workerData as ClusteredData // given by openClustered
const logger = threadLogger(options)

const storage = await openPostgres({
  url,
  connectionsMax,
  onBroken: (error) =>
    logger.warn({ err: error }, 'a connection to PostgreSQL broke; another takes its place'),
})
const handler = startHandler(storage, logger, options, paceOverConnections)
const closed = answerCalls(parentPort, undefined, {
  wake: async () => handler.wake(),
  handle: () => handler.runOnce(new AbortController().signal),
})
parentPort.postMessage('ready')
await closed
await handler[Symbol.asyncDispose]()
await storage[Symbol.asyncDispose]()
parentPort.close()
