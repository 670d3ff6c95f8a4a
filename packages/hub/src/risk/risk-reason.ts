import type { RiskLevel } from './risk-level.ts'

/** Who says so: a security events provider, a risk provider, or an administrator. */
export interface RiskSource {
  readonly kind: 'security_events_provider' | 'risk_provider' | 'admin'
  /** The provider's id, `sse…` or `rkp…`; for an admin, `admin`. */
  readonly id: string
}

/** Why an entity has a level. Of one source there is one current reason per identifier and slot: its later word replaces it. */
export interface RiskReason {
  readonly id: string
  /** Of what it was said. */
  readonly identifier: string
  readonly source: RiskSource
  /** What kind of statement it is (`user-risk`, `device-compliance`, `address`, `admin` …). */
  readonly slot: string
  /** For people: `Security Events Provider Reported Risk`, `Device out of compliance`. */
  readonly detection: string
  readonly level: RiskLevel
  /** In the source's own words, if it gave any. */
  readonly message: string | undefined
  /** When it happened: decides which of two statements is the later, whenever they came. */
  readonly occurredAt: Date
  readonly receivedAt: Date
  /** When it falls away by itself; undefined holds until replaced. */
  readonly expiresAt: Date | undefined
  readonly signalId: string | undefined
  readonly eventType: string | undefined
  /** When an administrator dismissed it: it does not count, until that is taken back. */
  readonly dismissedAt: Date | undefined
}
