import type { SetClaims } from './set-claims.ts'

declare const verified: unique symbol
/** Claims whose signature, issuer and audience were verified. Only SetVerifier makes one. */
export type VerifiedSet = SetClaims & { readonly [verified]: true }
