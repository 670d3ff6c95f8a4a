import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import { levelsOf, nextExpiry, reasonsInForce } from './risk-state.ts'
import type { EntityState, RiskStore } from './risk-store.ts'

/** The enforced level of an entity changed. */
export interface LevelChange {
  readonly entity: Pick<EntityState, 'id' | 'kind' | 'name'>
  readonly previous: RiskLevel
  readonly level: RiskLevel
  /** The reasons that count now. */
  readonly inForce: readonly RiskReason[]
}

/** Computes the levels of entities at a time, and which of them differ from the stored level. */
export function relevel(
  states: readonly EntityState[],
  now: Date,
  judge: Pick<WordJudge, 'ofReason'>,
): { readonly levels: Parameters<RiskStore['putLevels']>[0]; readonly changes: readonly LevelChange[] } {
  const changes: LevelChange[] = []
  const levels = states.map((state) => {
    const inForce = reasonsInForce(state.known, now)
    const level = levelsOf(inForce, judge.ofReason).enforced
    const previous = riskLevels[state.level] ?? 'NONE'
    if (level !== previous) changes.push({ entity: state, previous, level, inForce })
    return { entity: state.entity, level: riskLevels.indexOf(level), changesAt: nextExpiry(inForce) }
  })
  return { levels, changes }
}
