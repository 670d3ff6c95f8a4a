import type { Actor } from '../base/actor.ts'
import type { AccessStores } from './access-storage.ts'
import type { ApiToken } from './api-token.ts'
import type { ServiceApp } from './service-app.ts'

/** An API token was made or taken back. */
export interface TokenChange {
  readonly kind: 'create' | 'revoke'
  readonly token: Pick<ApiToken, 'id' | 'name' | 'role'> & Partial<Pick<ApiToken, 'expiresAt'>>
  readonly by: Actor
}

/** A service app was registered, changed or removed; `app` is as it is now, or as it was last. */
export interface ServiceAppChange {
  readonly kind: 'create' | 'update' | 'delete'
  readonly app: Pick<ServiceApp, 'clientId' | 'name' | 'scopes' | 'dpopBound'>
  readonly by: Actor
}

export interface AccessJournal {
  recordToken(change: TokenChange): Promise<void>
  recordServiceApp(change: ServiceAppChange): Promise<void>
}

/** What other rooms make of a service app. */
export interface AppDuties {
  /** Whether what it says of risk counts as a risk provider's word. */
  isRiskProvider(clientId: string): Promise<boolean>
}

/** The stores of this room, where a change and its journal entry commit together or not at all. */
export interface JournaledAccess {
  /** Each call is a transaction of its own. */
  readonly stores: AccessStores
  transaction<T>(
    work: (tx: AccessStores & { readonly journal: AccessJournal; readonly duties: AppDuties }) => Promise<T>,
  ): Promise<T>
}

/** Whoever runs the hub: at its command line, or through its settings. */
export const operator: Actor = {
  id: 'operator',
  type: 'SystemPrincipal',
  displayName: 'Operator',
  alternateId: 'operator',
}
