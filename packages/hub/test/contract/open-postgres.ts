import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import type { Storage } from '../../src/stores.ts'
import { temporaryDatabase } from '../postgres-database.ts'

/** Before what contract suites store: all of it lies in the part without a week, where rows go as they do on SQLite. */
const migrateAt = new Date(0)

/** A new PostgreSQL database with our schema, for contract suites. */
export async function openTemporaryPostgres(): Promise<Storage> {
  const database = await temporaryDatabase()
  const storage = await openPostgres({ url: database.url, connectionsMax: 4, migrateAt })
  return {
    stores: storage.stores,
    transaction: storage.transaction,
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}
