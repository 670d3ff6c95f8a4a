import { siblingModule } from './base/sibling-module.ts'
import type { EmbeddedData } from './sqlite-thread.ts'
import { openSqlite, type SqliteStorage } from './storage/sqlite.ts'

export interface EmbeddedOptions extends EmbeddedData {
  readonly onDeath: (error: Error) => void
}

export interface EmbeddedStorage extends SqliteStorage {
  /** Turns the handler's crank: handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** The embedded database with the handler working beside the data, in the writing thread. */
export async function openEmbedded({
  folder,
  onDeath,
  ...writerData
}: EmbeddedOptions): Promise<EmbeddedStorage> {
  const writer = siblingModule('./sqlite-thread', import.meta.url)
  const storage = await openSqlite({ folder, writer, writerData, onDeath })
  return { ...storage, handle: () => storage.call<number>('handle', undefined) }
}
