import { parentPort, workerData } from 'node:worker_threads'
import pino from 'pino'
import { realWorld } from './base/world.ts'
import { createHandler } from './ingest/handle.ts'
import { createRiskRules, type RiskOverride } from './risk/risk-rules.ts'
import { lockFolder } from './storage/sqlite/folder-lock.ts'
import { openSqliteInThread } from './storage/sqlite/in-thread.ts'
import { answerCalls } from './storage/sqlite/thread-link.ts'

/** What the thread is started with. */
export interface EmbeddedData {
  readonly folder: string
  readonly logLevel: string
  /** Where events are read otherwise than the table of detections reads them. */
  readonly riskOverrides: readonly RiskOverride[]
  readonly unknownUsers: 'welcome' | 'ignored'
}

// The thread that owns the SQLite file: it stores what the others ask for, and handles signals right beside the data.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { folder, logLevel, riskOverrides, unknownUsers } = workerData as EmbeddedData // given by openEmbedded
const logger = pino({ level: logLevel }, pino.destination({ dest: 2, sync: true }))
const world = realWorld(globalThis.fetch)

using _lock = lockFolder(folder)
const { storage, sessions, procedures } = await openSqliteInThread(folder, world.now())
// The folder is ours alone, so whoever held a lease is gone: its streams need not wait for the end of it.
await sessions.exclusively((connection) => connection.run('DELETE FROM leases', []))
const handler = createHandler({
  storage,
  world,
  logger,
  rules: createRiskRules(riskOverrides),
  ignoreUnknownUsers: unknownUsers === 'ignored',
})
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
