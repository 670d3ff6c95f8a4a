import type { RiskAction } from './risk-action.ts'

/** A service app that reports risky addresses: Okta's "risk provider" (contract section 4). */
export interface RiskProvider {
  /** `rkp` + 17 (K24). */
  readonly id: string
  readonly name: string
  /** The service app whose access token sends its risk events (K21, V10). */
  readonly clientId: string
  readonly action: RiskAction
  readonly createdAt: Date
  readonly updatedAt: Date
}
