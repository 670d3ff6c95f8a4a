import { databases } from './databases.ts'
import { streamStoreContract } from './stream-store.ts'

for (const [database, open] of databases) {
  streamStoreContract(database, async () => {
    const storage = await open()
    const { streams: store, dialects } = storage.stores
    return { store, dialects, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  })
}
