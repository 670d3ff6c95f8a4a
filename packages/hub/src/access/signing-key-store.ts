import type { JWK } from 'jose'

/** One of the hub's own key pairs (RS256). */
export interface SigningKeyRecord {
  readonly kid: string
  readonly publicJwk: JWK
  /** The private JWK, sealed in the hub's SecretBox. */
  readonly sealedPrivateJwk: string
  readonly createdAt: Date
  /** Until when it verifies; undefined while it signs. */
  readonly verifiesUntil: Date | undefined
}

/** Where the hub's signing keys live. Implemented in storage/, held to test/contract/signing-key-store.ts. */
export interface SigningKeyStore {
  /** Newest first; at most one of them signs. */
  list(): Promise<readonly SigningKeyRecord[]>
  /** Adds a key that signs. @returns false, changing nothing, when another one does */
  insertOnce(key: SigningKeyRecord): Promise<boolean>
  /** Ends a key's signing. @returns false when it did not sign */
  retire(kid: string, verifiesUntil: Date): Promise<boolean>
  /** Deletes the keys that verify no longer. @returns how many */
  prune(now: Date): Promise<number>
}
