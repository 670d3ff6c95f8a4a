import type { Actor } from '../base/actor.ts'
import type { World } from '../base/world.ts'
import type { RiskReader } from '../risk/risk-reader.ts'
import type { RiskSources } from '../risk/risk-sources.ts'
import { evaluate, type Verdict } from './evaluate.ts'
import type { OutcomeRules } from './outcome.ts'
import type { Question } from './question.ts'

/** A question and its answer, for the System Log. */
export interface Evaluation {
  readonly question: Question
  readonly verdict: Verdict
  /** Who asked. */
  readonly by: Actor
}

export interface EvaluatorDeps {
  readonly world: Pick<World, 'now'>
  readonly reader: RiskReader
  readonly sources: RiskSources
  readonly rules: OutcomeRules
  /** Whether evaluations that allow are journaled. */
  readonly journalsAllowed: boolean
  readonly journal: { record(evaluation: Evaluation): Promise<void> }
}

export interface Evaluator {
  /** Answers from everything that was handled so far. The journal has the entry before the caller has the answer. */
  answer(question: Question, by: Actor): Promise<Verdict>
}

export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  const { world, reader, journal, journalsAllowed } = deps
  return {
    async answer(question, by) {
      const { user, device, session, ip } = question
      const picture = await reader.read({ user, device, session, address: ip }, world.now())
      const verdict = evaluate(question, picture, deps)
      if (journalsAllowed || verdict.outcome !== 'allow') await journal.record({ question, verdict, by })
      return verdict
    },
  }
}
