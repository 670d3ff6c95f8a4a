import { parentPort, workerData } from 'node:worker_threads'
import { startClusteredHandler, type ClusteredHandlerOptions } from './clustered-handler.ts'
import { answerCalls } from '../storage/threads/thread-link.ts'

// The thread that handles signals, so that the event loop of the hub has no part in it.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const handler = await startClusteredHandler(workerData as ClusteredHandlerOptions) // given by openClustered
const closed = answerCalls(parentPort, undefined, {
  wake: async () => handler.wake(),
  handle: () => handler.handle(),
})
parentPort.postMessage('ready')
await closed
await handler[Symbol.asyncDispose]()
parentPort.close()
