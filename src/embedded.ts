import { siblingModule } from './base/sibling-module.ts'
import { openSqlite, type SqliteStorage } from './storage/sqlite.ts'

export interface EmbeddedOptions {
  readonly folder: string
  readonly logLevel: string
  readonly onDeath: (error: Error) => void
}

export interface EmbeddedStorage extends SqliteStorage {
  /** Turns the handler's crank: handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** The embedded database with the handler working beside the data, in the writing thread. */
export async function openEmbedded({ folder, logLevel, onDeath }: EmbeddedOptions): Promise<EmbeddedStorage> {
  const writer = siblingModule('./sqlite-thread', import.meta.url)
  const storage = await openSqlite({ folder, writer, writerData: { logLevel }, onDeath })
  return { ...storage, handle: () => storage.call<number>('handle', undefined) }
}
