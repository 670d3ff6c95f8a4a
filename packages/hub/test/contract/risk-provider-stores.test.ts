import { databases } from './databases.ts'
import { riskProviderStoreContract } from './risk-provider-store.ts'
import { riskSourceStoreContract } from './risk-source-store.ts'

for (const [database, open] of databases) {
  riskProviderStoreContract(database, async () => {
    const storage = await open()
    const { riskProviders: store } = storage.stores
    return { store, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  })
  riskSourceStoreContract(database, async () => {
    const storage = await open()
    const { riskSources: sources, providers, riskProviders } = storage.stores
    return { sources, providers, riskProviders, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  })
}
