import type { ApiTokenStore } from './api-token.ts'
import type { RateCountStore } from './rate-count-store.ts'
import type { ServiceAppStore } from './service-app.ts'
import type { SigningKeyStore } from './signing-key-store.ts'
import type { UsedOnceStore } from './used-once-store.ts'

/** The ports of this room. */
export interface AccessStores {
  readonly apiTokens: ApiTokenStore
  readonly serviceApps: ServiceAppStore
  readonly signingKeys: SigningKeyStore
  readonly usedOnce: UsedOnceStore
  readonly rateCounts: RateCountStore
}

/** What this room asks of the storage; `Storage` of stores.ts satisfies it. */
export interface AccessStorage {
  /** Each call is a transaction of its own. */
  readonly stores: AccessStores
  /** All of `work` happens, or none of it. */
  transaction<T>(work: (stores: AccessStores) => Promise<T>): Promise<T>
}
