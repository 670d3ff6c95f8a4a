import type { Actor } from '../base/actor.ts'
import { silentMeter, type Meter } from '../base/meter.ts'
import { silentTracer, type Tracer, type TracedWork } from '../base/tracer.ts'
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
  readonly meter?: Pick<Meter, 'now' | 'evaluated'>
  readonly tracer?: Tracer
}

export interface Evaluator {
  /** Answers from everything that was handled so far. The journal has the entry before the caller has the answer. */
  answer(question: Question, by: Actor): Promise<Verdict>
}

export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  const { world, reader, journal, journalsAllowed, meter = silentMeter, tracer = silentTracer } = deps

  async function decide(question: Question, by: Actor, span: TracedWork): Promise<Verdict> {
    const { user, device, session, ip } = question
    const picture = await reader.read({ user, device, session, address: ip }, world.now())
    const verdict = evaluate(question, picture, deps)
    span.note({ 'watchbell.outcome': verdict.outcome })
    if (journalsAllowed || verdict.outcome !== 'allow') await journal.record({ question, verdict, by })
    return verdict
  }

  return {
    async answer(question, by) {
      const began = meter.now()
      try {
        const verdict = await tracer.span('access.evaluate', (span) => decide(question, by, span))
        meter.evaluated(verdict.outcome, began)
        return verdict
      } catch (error) {
        meter.evaluated('failed', began)
        throw error
      }
    },
  }
}
