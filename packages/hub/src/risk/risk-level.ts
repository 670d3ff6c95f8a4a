/** The levels of risk, lowest first (OKTA-U2). */
export const riskLevels = ['NONE', 'LOW', 'MEDIUM', 'HIGH'] as const
export type RiskLevel = (typeof riskLevels)[number]

/** The highest of several; NONE when there are none. */
export function highestLevel(levels: Iterable<RiskLevel>): RiskLevel {
  let highest = 0
  for (const level of levels) highest = Math.max(highest, riskLevels.indexOf(level))
  return riskLevels[highest] ?? 'NONE'
}
