import type { Transact } from '../base/transaction.ts'
import type { AccessJournal } from './access-journal.ts'
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

/** The storage that this room needs. */
export interface AccessStorage {
  /** Each call is a separate transaction. */
  readonly stores: AccessStores
  readonly transaction: Transact<AccessStores & AppDuties, AccessJournal>
}

/** The risk provider that a service app acts as; another room knows it. */
export interface AppDuties {
  readonly riskProviders: { findByClientId(clientId: string): Promise<object | undefined> }
}
