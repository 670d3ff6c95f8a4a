import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import type { Storage } from '../../src/stores.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A new SQLite database in a file of its own, for contract suites. */
export async function openTemporarySqlite(): Promise<Storage> {
  const folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, new Date())
  return {
    stores: storage.stores,
    transaction: storage.transaction,
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
