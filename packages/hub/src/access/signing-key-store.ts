import type { JWK } from 'jose'

/** One of the hub's own key pairs (RS256). */
export interface SigningKeyRecord {
  readonly kid: string
  readonly publicJwk: JWK
  /** The private JWK, sealed in the hub's SecretBox. */
  readonly sealedPrivateJwk: string
  readonly createdAt: Date
  /** When it stops verifying; undefined while it signs. */
  readonly verifiesUntil: Date | undefined
}

/** Where the hub's signing keys live. Implemented in storage/, held to test/contract/signing-key-store.ts. */
export interface SigningKeyStore {
  /** All keys, newest first; at most one of them signs. */
  list(): Promise<readonly SigningKeyRecord[]>
  /** Adds a key that signs. @returns false, changing nothing, when another key signs */
  insertOnce(key: SigningKeyRecord): Promise<boolean>
  /** Makes a key stop signing. @returns false when it did not sign */
  retire(kid: string, verifiesUntil: Date): Promise<boolean>
  /** Deletes the keys that no longer verify. @returns how many */
  prune(now: Date): Promise<number>
}
