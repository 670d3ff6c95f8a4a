import type { Actor } from '../base/actor.ts'
import type { ApiToken } from './api-token.ts'
import type { ServiceApp } from './service-app.ts'

/** An API token was created or revoked. */
export interface TokenChange {
  readonly kind: 'create' | 'revoke'
  readonly token: Pick<ApiToken, 'id' | 'name' | 'role'> & Partial<Pick<ApiToken, 'expiresAt'>>
  readonly by: Actor
}

/** A service app was registered, changed or removed; `app` is its state after the change, or the last state of a removed app. */
export interface ServiceAppChange {
  readonly kind: 'create' | 'update' | 'delete'
  readonly app: Pick<ServiceApp, 'clientId' | 'name' | 'scopes' | 'dpopBound'>
  readonly by: Actor
}

export interface AccessJournal {
  tokenChanged(change: TokenChange): Promise<void>
  serviceAppChanged(change: ServiceAppChange): Promise<void>
}

/** The operator of the hub, at its command line or through its settings. */
export const operator: Actor = {
  id: 'operator',
  type: 'SystemPrincipal',
  displayName: 'Operator',
  alternateId: 'operator',
}
