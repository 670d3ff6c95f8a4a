import { siblingModule } from './base/sibling-module.ts'
import type { EmbeddedData } from './sqlite-thread.ts'
import type { HandlingOptions } from './start-handler.ts'
import { openSqlite } from './storage/sqlite.ts'
import type { Storage } from './stores.ts'

export interface EmbeddedOptions extends HandlingOptions {
  /** Folder of the database; made when it is not there. */
  readonly folder: string
  /** The time to note for steps of the schema that are taken now. */
  readonly now: Date
  /** Told when a thread dies: every later call fails, and the process had better start anew. */
  readonly onDeath: (error: Error) => void
}

export interface EmbeddedStorage extends Storage {
  /** Turns the handler's crank: handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** The embedded database with the handler working beside the data, in the writing thread. */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedStorage> {
  const { folder, now, onDeath, ...handling } = options
  const writer = siblingModule('./sqlite-thread', import.meta.url)
  const writerData: EmbeddedData = { ...handling, folder, now: now.getTime() }
  const storage = await openSqlite({ folder, writer, writerData, onDeath })
  return { ...storage, handle: () => storage.call<number>('handle', undefined) }
}
