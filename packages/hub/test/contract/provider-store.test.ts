import { databases } from './databases.ts'
import { providerStoreContract } from './provider-store.ts'

for (const [database, open] of databases) {
  providerStoreContract(database, async () => {
    const storage = await open()
    return { store: storage.stores.providers, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  })
}
