import type { RiskLevel } from './risk-level.ts'

/** The source of a statement: a security events provider, a risk provider, or an administrator. */
export interface RiskSource {
  readonly kind: 'security_events_provider' | 'risk_provider' | 'admin'
  /** The provider's id, `sse…` or `rkp…`; for an admin, `admin`. */
  readonly id: string
}

/** Why a subject has a level. A source has one current reason for each identifier and slot; a later one replaces it. */
export interface RiskReason {
  readonly id: string
  /** The identifier that the source named. */
  readonly identifier: string
  readonly source: RiskSource
  /** The kind of statement: `user-risk`, `device-compliance`, `address`, `admin` … */
  readonly slot: string
  /** For people: `Security Events Provider Reported Risk`, `Device out of compliance`. */
  readonly detection: string
  readonly level: RiskLevel
  /** The source's own text, if it sent one. */
  readonly message: string | undefined
  /** When it happened: decides which of two statements is the later, whenever they arrived. */
  readonly occurredAt: Date
  readonly receivedAt: Date
  /** When it expires; undefined holds until replaced. */
  readonly expiresAt: Date | undefined
  readonly signalId: string | undefined
  readonly eventType: string | undefined
  /** When an administrator dismissed it; a dismissed reason does not count until it is restored. */
  readonly dismissedAt: Date | undefined
}
