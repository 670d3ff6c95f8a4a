import { openTemporarySqlite } from './open-sqlite.ts'
import { riskProviderStoreContract } from './risk-provider-store.ts'
import { riskSourceStoreContract } from './risk-source-store.ts'

riskProviderStoreContract(async () => {
  const storage = await openTemporarySqlite()
  return { store: storage.stores.riskProviders, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
})
riskSourceStoreContract(async () => {
  const storage = await openTemporarySqlite()
  const { riskSources: sources, providers, riskProviders } = storage.stores
  return { sources, providers, riskProviders, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
})
