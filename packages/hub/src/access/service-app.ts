import type { JsonObject } from '@watchbell/receiver/base'
import type { Scope } from './scopes.ts'

/** A program that gets its own access tokens (client credentials with private_key_jwt). */
export interface ServiceApp {
  /** `0oa` + 17. */
  readonly clientId: string
  readonly name: string
  readonly keys: ClientKeySet
  readonly scopes: readonly Scope[]
  /** Whether it gets only tokens that are bound to its key (RFC 9449). */
  readonly dpopBound: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The public keys of a service app: by value or by reference. */
export type ClientKeySet = { readonly jwks: readonly JsonObject[] } | { readonly jwksUri: string }

/** Where service apps live. Implemented in storage/, held to test/contract/service-app-store.ts. */
export interface ServiceAppStore {
  insert(app: ServiceApp): Promise<void>
  find(clientId: string): Promise<ServiceApp | undefined>
  /** In the order of their ids, those after `after`. */
  list(page: { readonly after: string | undefined; readonly limit: number }): Promise<readonly ServiceApp[]>
  /** Replaces everything but `clientId` and `createdAt`. @returns false when there is none with this id */
  replace(app: ServiceApp): Promise<boolean>
  /** @returns false when there is none with this id */
  delete(clientId: string): Promise<boolean>
}
