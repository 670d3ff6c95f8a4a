import type { Identifier } from '../subjects/identifier.ts'

/**
 * Sessions that were revoked: all those that match every member given, whoever they belong to where no user is given
 * (CAEP 1.0 §3.1). Asked members that the revocation does not name make no difference; members that it names and
 * the question leaves out mean that it does not match.
 */
export interface Revocation {
  readonly id: string
  readonly user: Identifier | undefined
  readonly device: Identifier | undefined
  readonly session: Identifier | undefined
  /** Sessions issued at or before this time are over. */
  readonly revokedAt: Date
  readonly receivedAt: Date
  /** The security events provider that said so. */
  readonly providerId: string
  readonly signalId: string
  readonly eventType: string
  /** In the provider's own words, if it gave any. */
  readonly message: string | undefined
  readonly reach: Reach
}

/**
 * Whether what a question names leads to something for everybody, or only through a bare id that a source vouches for whose
 * word is only to be seen.
 */
export type Reach = 'enforced' | 'reported'
