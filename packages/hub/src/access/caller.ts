import type { Actor } from '../base/actor.ts'
import type { TokenRole } from './api-token.ts'
import type { Scope } from './scopes.ts'

declare const authenticated: unique symbol

/** An authenticated caller. Only the authenticator makes one. */
export type Caller = (TokenCaller | ClientCaller) & { readonly [authenticated]: true }

/** Holder of an API token (`SSWS`). */
export interface TokenCaller {
  readonly kind: 'token'
  readonly id: string
  readonly name: string
  readonly role: TokenRole
}

/** A service app with an OAuth access token. */
export interface ClientCaller {
  readonly kind: 'client'
  readonly clientId: string
  readonly name: string
  /** The token's scopes that the service app is still granted. */
  readonly scopes: readonly Scope[]
}

/** The origin of a request, as the System Log shows it. */
export interface RequestFacts {
  readonly ip: string
  readonly userAgent: string | undefined
  readonly requestId: string
}

/** The caller as the System Log names it: Okta calls a service app `PublicClientApp`; an API token acts as its user. */
export function actorOf(caller: Caller, from?: RequestFacts): Actor {
  return {
    ...(caller.kind === 'token'
      ? { id: userIdOf(caller.id), type: 'User', alternateId: caller.name }
      : { id: caller.clientId, type: 'PublicClientApp', alternateId: caller.clientId }),
    displayName: caller.name,
    ...(from !== undefined && {
      ip: from.ip,
      requestId: from.requestId,
      ...(from.userAgent !== undefined && { userAgent: from.userAgent }),
    }),
  }
}

/** The user id of an API token: `00T…` becomes `00u…`. */
export function userIdOf(tokenId: string): string {
  return `00u${tokenId.slice(3)}`
}
