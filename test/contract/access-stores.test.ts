import type { AccessStores } from '../../src/access/access-storage.ts'
import { apiTokenStoreContract } from './api-token-store.ts'
import { openTemporarySqlite } from './open-sqlite.ts'
import { serviceAppStoreContract } from './service-app-store.ts'
import { signingKeyStoreContract } from './signing-key-store.ts'
import { usedOnceStoreContract } from './used-once-store.ts'

function openSqliteStore<Name extends keyof AccessStores>(name: Name) {
  return async (): Promise<{ readonly store: AccessStores[Name] } & AsyncDisposable> => {
    const storage = await openTemporarySqlite()
    return { store: storage.stores[name], [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  }
}

apiTokenStoreContract('SQLite', openSqliteStore('apiTokens'))
serviceAppStoreContract('SQLite', openSqliteStore('serviceApps'))
signingKeyStoreContract('SQLite', openSqliteStore('signingKeys'))
usedOnceStoreContract('SQLite', openSqliteStore('usedOnce'))
