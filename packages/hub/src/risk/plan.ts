import type { KnownClaim } from '../subjects/subject-store.ts'
import type { Admission } from './admission.ts'
import { createLedger, type RiskChanges, type RiskSnapshot } from './ledger.ts'
import type { LevelChange } from './relevel.ts'
import type { RiskStore } from './risk-store.ts'

/** The outcome of one statement. */
export interface StatementOutcome {
  /** Why it can never be applied; undefined when it was applied, or its claims are not believed at present. */
  readonly unmatched: string | undefined
  /** Whether the statement was about an unknown user. */
  readonly ignored: boolean
  /** Why its claims are not believed at present. */
  readonly refused: string | undefined
  readonly changes: readonly LevelChange[]
  /** Claims of any source that are not believed since this statement. */
  readonly contradicted: readonly KnownClaim[]
}

export interface RiskPlan {
  /** One outcome for each statement. */
  readonly outcomes: readonly StatementOutcome[]
  readonly changes: RiskChanges
}

/**
 * Computes what statements, in their order, change in a snapshot. Changes of entities that no statement names are added
 * to the outcome of the last applied statement.
 */
export function plan(statements: readonly Admission[], snapshot: RiskSnapshot): RiskPlan {
  const { joined } = snapshot
  const ledger = createLedger(snapshot)
  const outcomes = statements.map((admission): StatementOutcome => {
    if ('unmatched' in admission) {
      return { ...admission, refused: undefined, changes: [], contradicted: [] }
    }
    const keys = new Set(admission.claims.map(({ key }) => key))
    return {
      unmatched: undefined,
      ignored: false,
      refused: [...keys].map((key) => joined.refused.get(key)).find((reason) => reason !== undefined),
      changes: ledger.enter(admission.statement),
      contradicted: joined.newlyRefused.filter(({ key }) => keys.has(key)),
    }
  })
  const { changes, further } = ledger.close()
  const mentioned = new Set(outcomes.flatMap(({ contradicted }) => contradicted))
  const contradicted = joined.newlyRefused.filter((claim) => !mentioned.has(claim))
  const at = statements.findLastIndex((admission) => 'statement' in admission)
  const last = outcomes[at]
  return last === undefined || further.length + contradicted.length === 0
    ? { outcomes, changes }
    : {
        outcomes: outcomes.with(at, {
          ...last,
          changes: [...last.changes, ...further],
          contradicted: [...last.contradicted, ...contradicted],
        }),
        changes,
      }
}

/** Writes the changes of a plan. Runs inside the transaction that read its snapshot. */
export async function commit(
  risk: Pick<RiskStore, 'writeReasons' | 'dropReasons' | 'addHistory' | 'putLevels' | 'putRevocations'>,
  { reasons, dropped, history, revocations, levels }: RiskChanges,
  now: Date,
): Promise<void> {
  if (dropped.length > 0) await risk.dropReasons(dropped)
  if (reasons.length > 0) await risk.writeReasons(reasons)
  if (history.length > 0) await risk.addHistory(history, now)
  if (revocations.length > 0) await risk.putRevocations(revocations)
  if (levels.length > 0) await risk.putLevels(levels)
}
