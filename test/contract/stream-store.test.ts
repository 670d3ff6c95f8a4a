import { openTemporarySqlite } from './open-sqlite.ts'
import { streamStoreContract } from './stream-store.ts'

streamStoreContract('SQLite', async () => {
  const storage = await openTemporarySqlite()
  const { streams: store, dialects } = storage.stores
  return { store, dialects, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
})
