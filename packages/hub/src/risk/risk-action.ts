/** What a source's word counts for (OKTA-K22): nothing, something to see, or something to act on. */
export const riskActions = ['none', 'log_only', 'enforce_and_log'] as const
export type RiskAction = (typeof riskActions)[number]
