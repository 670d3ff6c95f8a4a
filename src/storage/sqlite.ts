import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { siblingModule } from '../base/sibling-module.ts'
import type { Storage } from '../stores.ts'
import { sqlStorage, type Procedures } from './sql-storage.ts'
import { sessionDialect } from './sqlite/dialect.ts'
import { packQuestions, unpackPictures } from './sqlite/risk-procedures.ts'
import { callThread, type ThreadLink } from './sqlite/thread-link.ts'

export interface SqliteOptions {
  /** Folder of the database; made when it is not there. */
  readonly folder: string
  /** The module that runs in the writing thread: `openSqliteInThread`, `answerCalls`, and whatever works beside the data. */
  readonly writer: URL
  /** Handed to the writing thread as `workerData`, together with `folder`. */
  readonly writerData?: Readonly<Record<string, unknown>>
  /** Told when a thread dies: every later call fails, and the process had better start anew. */
  readonly onDeath: (error: Error) => void
}

export interface SqliteStorage extends Storage {
  /** Runs one of the writing thread's own procedures. */
  call<Result>(procedure: string, argument: unknown): Promise<Result>
}

/** The embedded database: one thread writes (and commits with fsync), two read, this one waits for none of them. */
export async function openSqlite(options: SqliteOptions): Promise<SqliteStorage> {
  const { folder, writer, writerData, onDeath } = options
  const writing = await startThread(writer, { ...writerData, folder }, onDeath)
  const reader = siblingModule('./sqlite/reader-thread', import.meta.url)
  const [reading, deciding] = await Promise.all([
    startThread(reader, { folder, checkpoints: true }, onDeath),
    startThread(reader, { folder, checkpoints: false }, onDeath),
  ])
  const procedures: Procedures = {
    appendSignals: (rows) => writing.call('appendSignals', rows),
    recordRefusals: (refusals) => writing.call('recordRefusals', refusals),
    readRisks: async (questions) =>
      unpackPictures(await deciding.call('readRisks', packQuestions(questions))),
    findLiveTokens: (hashes) => deciding.call('findLiveTokens', hashes),
    findServiceApps: (clientIds) => deciding.call('findServiceApps', clientIds),
  }
  const storage = sqlStorage(sessionDialect(writing, reading), procedures)
  return {
    ...storage,
    async [Symbol.asyncDispose]() {
      await deciding.close()
      await storage[Symbol.asyncDispose]()
    },
    call: (procedure, argument) => writing.call(procedure, argument),
  }
}

/** Rows live for one batch: with room for several, the collector seldom runs and copies little. */
const maxYoungGenerationSizeMb = 192

async function startThread(
  module: URL,
  workerData: object,
  onDeath: (error: Error) => void,
): Promise<ThreadLink> {
  const worker = new Worker(module, { workerData, resourceLimits: { maxYoungGenerationSizeMb } })
  const [first] = (await once(worker, 'message')) as [unknown] // rejects when the thread throws while starting
  if (first !== 'ready') throw new Error(`The database thread said ${String(first)} instead of ready.`)
  const link = callThread(worker)
  let closing = false
  const die = (error: Error): void => {
    if (closing) return
    link.fail(error)
    onDeath(error)
  }
  worker.on('error', die)
  worker.on('exit', (code) => die(new Error(`The database thread ended with code ${code}.`)))
  return {
    ...link,
    async close() {
      closing = true
      const exit = once(worker, 'exit')
      await link.close()
      await exit
    },
  }
}
