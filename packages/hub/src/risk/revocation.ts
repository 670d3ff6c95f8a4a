import type { Identifier } from '../subjects/identifier.ts'

/**
 * Revoked sessions: all that match every given member; without a user, those of all users (CAEP 1.0 §3.1). A question
 * matches when it names every member of the revocation; its other members make no difference.
 */
export interface Revocation {
  readonly id: string
  readonly user: Identifier | undefined
  readonly device: Identifier | undefined
  readonly session: Identifier | undefined
  /** Sessions issued at or before this time are over. */
  readonly revokedAt: Date
  readonly receivedAt: Date
  /** The security events provider that sent it. */
  readonly providerId: string
  readonly signalId: string
  readonly eventType: string
  /** The provider's own text, if it sent one. */
  readonly message: string | undefined
  readonly reach: Reach
}

/**
 * `enforced` when the question names the subject by identifiers that count; `reported` when only by a bare id for which a
 * source with the action `log_only` vouches.
 */
export type Reach = 'enforced' | 'reported'
