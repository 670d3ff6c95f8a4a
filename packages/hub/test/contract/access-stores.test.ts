import type { AccessStores } from '../../src/access/access-storage.ts'
import type { Storage } from '../../src/stores.ts'
import { apiTokenStoreContract } from './api-token-store.ts'
import { databases } from './databases.ts'
import { rateCountStoreContract } from './rate-count-store.ts'
import { serviceAppStoreContract } from './service-app-store.ts'
import { signingKeyStoreContract } from './signing-key-store.ts'
import { usedOnceStoreContract } from './used-once-store.ts'

for (const [database, open] of databases) {
  apiTokenStoreContract(database, opening(open, 'apiTokens'))
  serviceAppStoreContract(database, opening(open, 'serviceApps'))
  signingKeyStoreContract(database, opening(open, 'signingKeys'))
  usedOnceStoreContract(database, opening(open, 'usedOnce'))
  rateCountStoreContract(database, opening(open, 'rateCounts'))
}

function opening<Name extends keyof AccessStores>(open: () => Promise<Storage>, name: Name) {
  return async (): Promise<{ readonly store: AccessStores[Name] } & AsyncDisposable> => {
    const storage = await open()
    return { store: storage.stores[name], [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  }
}
