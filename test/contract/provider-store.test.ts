import { openTemporarySqlite } from './open-sqlite.ts'
import { providerStoreContract } from './provider-store.ts'

providerStoreContract(async () => {
  const storage = await openTemporarySqlite()
  return { store: storage.stores.providers, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
})
