import { rejoinAround } from '../subjects/join.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'
import { relevel, type LevelChange, type LedgerDeps } from './ledger.ts'
import type { NewsDeps } from './news.ts'
import type { RiskSourceStore } from './risk-sources.ts'

/** Names of claims that are looked at in one transaction. */
const namesMax = 2_000
/** Where a walk over a source's claims begins. */
const fromTheStart = ''

export interface RejoinDeps {
  readonly subjects: NewsDeps['subjects'] & Pick<SubjectStore, 'namedBy'>
  readonly risk: LedgerDeps['risk']
  readonly riskSources: Pick<RiskSourceStore, 'putRejoin'>
  readonly world: LedgerDeps['world']
  readonly judge: NewsDeps['judge']
}

/**
 * Looks again at everything that a source said of who is who, after its action or what it may do changed, or it went: what it
 * joined, parted or ended is undone or done. The first part at once, what is left in later steps. Inside a transaction.
 * @returns the levels that changed
 */
export function rejoinSource(deps: RejoinDeps, source: string): Promise<readonly LevelChange[]> {
  return rejoinStep(deps, source, fromTheStart)
}

/** One step of that. */
export async function rejoinStep(
  { subjects, risk, riskSources, world, judge }: RejoinDeps,
  source: string,
  after: string,
): Promise<readonly LevelChange[]> {
  const { nodes, next } = await subjects.namedBy(source, after, namesMax)
  await riskSources.putRejoin(source, next)
  const changed = await rejoinAround({ subjects, claimantOf: judge.claimantOf, believed: judge.believed }, [
    ...new Set(nodes),
  ])
  if (changed.size === 0) return []
  const { levels, changes } = relevel(await risk.states([...changed]), world.now(), judge)
  await risk.putLevels(levels)
  return changes
}
