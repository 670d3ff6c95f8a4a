import type { Deleted } from '../../base/deleted.ts'
import { siblingModule } from '../../base/sibling-module.ts'
import type { Storage } from '../../stores.ts'
import type { Forgotten } from '../../subjects/subject-store.ts'
import { sqlStorage, type SqlProcedures } from '../stores/sql-storage.ts'
import type { ApiTokenRow, ServiceAppRow } from '../sql/schema.ts'
import { kyselyOverSessions } from './kysely.ts'
import { throwFromSqlite } from './outage.ts'
import { packQuestions, unpackPictures } from './risk-procedures.ts'
import { startThread } from '../threads/start-thread.ts'
import { sqliteVariant } from '../sql/sql-variant.ts'

export interface SqliteOptions {
  /** Folder of the database; created when it does not exist. */
  readonly folder: string
  /** The module of the writing thread: `openSqliteInThread`, `answerCalls`, and procedures that work beside the data. */
  readonly writer: URL
  readonly writerData: object
  /** Called when a thread dies: every later call fails, and the process should restart. */
  readonly onDeath: (error: Error) => void
}

export interface SqliteStorage extends Storage {
  /** Runs a procedure of the writing thread. */
  call<Result>(procedure: string, argument: unknown): Promise<Result>
}

/** The embedded database: one thread writes (and commits with fsync), two read; the calling thread waits for none of them. */
export async function openSqlite(options: SqliteOptions): Promise<SqliteStorage> {
  const { folder, writer, writerData, onDeath } = options
  await using opened = new AsyncDisposableStack()
  const writing = await startThread(writer, writerData, onDeath)
  opened.defer(() => writing.close())
  const reader = siblingModule('./reader-thread', import.meta.url)
  const reading = await startThread(reader, { folder, checkpoints: true }, onDeath)
  opened.defer(() => reading.close())
  const deciding = await startThread(reader, { folder, checkpoints: false }, onDeath)
  const procedures: SqlProcedures = {
    appendSignals: (rows) => writing.call('appendSignals', rows),
    recordRefusals: (refusals) => writing.call('recordRefusals', refusals),
    readRisks: async (questions) =>
      unpackPictures(
        await deciding.call<string>('readRisks', packQuestions(questions)).catch(throwFromSqlite),
      ),
    findLiveTokens: (hashes) =>
      deciding.call<readonly (ApiTokenRow | undefined)[]>('findLiveTokens', hashes).catch(throwFromSqlite),
    findServiceApps: (clientIds) =>
      deciding
        .call<readonly (ServiceAppRow | undefined)[]>('findServiceApps', clientIds)
        .catch(throwFromSqlite),
  }
  const storage = sqlStorage({
    db: kyselyOverSessions(writing, reading),
    variant: sqliteVariant,
    procedures,
    async close() {
      await reading.close()
      await writing.close()
    },
    deletions: () => ({
      deleteSignals: (step) => writing.call<Deleted>('deleteSignals', step).catch(throwFromSqlite),
      deleteTokens: (step) => writing.call<Deleted>('deleteTokens', step).catch(throwFromSqlite),
      deleteLogEntries: (step) => writing.call<Deleted>('deleteLogEntries', step).catch(throwFromSqlite),
      deleteHistory: (step) => writing.call<Deleted>('deleteHistory', step).catch(throwFromSqlite),
      forgetSubjects: (step) => writing.call<Forgotten>('forgetSubjects', step).catch(throwFromSqlite),
    }),
  })
  opened.move() // from here on the storage owns them
  return {
    ...storage,
    async [Symbol.asyncDispose]() {
      await deciding.close() // the writer closes last, and removes the write-ahead log
      await storage[Symbol.asyncDispose]()
    },
    dropOverwritten: () => writing.call<boolean>('dropOverwritten', undefined).catch(throwFromSqlite),
    call: (procedure, argument) => writing.call(procedure, argument),
  }
}
