import { siblingModule } from '../base/sibling-module.ts'
import type { EmbeddedInThreadOptions } from './embedded-in-thread.ts'
import type { HandledStorage } from './start-handler.ts'
import { openSqlite } from '../storage/sqlite/open-sqlite.ts'

export interface EmbeddedOptions extends EmbeddedInThreadOptions {
  /** Told when a thread dies: every later call fails, and the process had better start anew. */
  readonly onDeath: (error: Error) => void
}

/** @see HandledStorage */
export type EmbeddedStorage = HandledStorage

/** The embedded database with the handler working beside the data, in the writing thread. */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedStorage> {
  const { folder, now, onDeath, ...handling } = options
  const writer = siblingModule('./sqlite-thread', import.meta.url)
  const writerData: EmbeddedInThreadOptions = { ...handling, folder, now }
  const storage = await openSqlite({ folder, writer, writerData, onDeath })
  return { ...storage, handle: () => storage.call<number>('handle', undefined) }
}
