/** What statements of a source count for (OKTA-K22): ignored, shown only, or enforced. */
export const riskActions = ['none', 'log_only', 'enforce_and_log'] as const
export type RiskAction = (typeof riskActions)[number]
