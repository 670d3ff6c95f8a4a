import type { RiskAction } from './risk-action.ts'

/** A service app that reports risky addresses: Okta's "risk provider" (OKTA §4). */
export interface RiskProvider {
  /** `rkp` + 17 (OKTA-K24). */
  readonly id: string
  readonly name: string
  /** The service app whose access token sends its risk events (OKTA-K21, OKTA-V10). */
  readonly clientId: string
  readonly action: RiskAction
  readonly createdAt: Date
  readonly updatedAt: Date
}
