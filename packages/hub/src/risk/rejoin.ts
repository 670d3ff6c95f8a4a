import type { Actor } from '../base/actor.ts'
import type { Transaction } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import { rejoinAround } from '../subjects/join.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'
import { relevel, type LevelChange } from './relevel.ts'
import type { RiskStore } from './risk-store.ts'
import type { LevelJournal } from './level-journal.ts'
import type { StatementDeps } from './apply-statements.ts'
import { wordJudge, type RiskSourceStore, type WordJudge } from './risk-sources.ts'

/** Identifiers that one transaction checks. */
const namesMax = 2_000
/** `after` of the first step. */
const fromTheStart = ''

export interface RejoinStores {
  readonly subjects: StatementDeps['subjects'] & Pick<SubjectStore, 'namedBy'>
  readonly risk: Pick<RiskStore, 'states' | 'putLevels'>
  readonly riskSources: Pick<RiskSourceStore, 'list' | 'putRejoin'>
}

/** The claims of a source, from the identifier `after` on; all of them unless it is given. */
export interface RejoinedClaims {
  readonly source: string
  readonly after?: string
  readonly by: Actor
}

/**
 * Evaluates the claims and endings of a source again, after its action or trust changed or the source was deleted. Runs
 * the first step; the upkeep worker runs the rest.
 */
export async function rejoinSource(
  world: Pick<World, 'now'>,
  { stores, journal }: Transaction<RejoinStores, LevelJournal>,
  { source, after, by }: RejoinedClaims,
): Promise<void> {
  const judge = wordJudge(await stores.riskSources.list())
  const changes = await rejoinClaims({ ...stores, world, judge }, source, after)
  await journal.levelsChanged(changes, { by, detectionName: 'Source Trust Changed' })
}

interface RejoinDeps extends Pick<RejoinStores, 'subjects' | 'risk'> {
  readonly riskSources: Pick<RiskSourceStore, 'putRejoin'>
  readonly world: Pick<World, 'now'>
  readonly judge: WordJudge
}

/** One step of rejoinSource. @returns the levels that changed */
export async function rejoinClaims(
  { subjects, risk, riskSources, world, judge }: RejoinDeps,
  source: string,
  after = fromTheStart,
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
