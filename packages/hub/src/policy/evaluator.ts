import type { Actor } from '../base/actor.ts'
import { silentMeter, type Meter } from '../base/meter.ts'
import { silentTracer, type Tracer, type TracedWork } from '../base/tracer.ts'
import type { World } from '../base/world.ts'
import type { RiskReader } from '../risk/risk-reader.ts'
import type { RiskSources } from '../risk/risk-sources.ts'
import { evaluate, unplacedNote, type UntimedOutcome, type Verdict } from './evaluate.ts'
import { worstOutcome, type OutcomeRules } from './outcome.ts'
import { outcomesFor, type OutcomeTable } from './outcome-table.ts'
import { spareNeverDenied, type NeverDenied } from './never-denied.ts'
import type { Question } from './question.ts'
import type { UntimedRules, UntimedSessions } from './untimed-sessions.ts'

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
  /** Where the outcomes of some actions and resources are others. */
  readonly outcomeTable: OutcomeTable
  readonly untimedSessions: UntimedSessions
  readonly neverDenied?: NeverDenied
  /** Whether evaluations that allow are journaled. */
  readonly journalsAllowed: boolean
  readonly journal: { evaluated(evaluation: Evaluation): Promise<void> }
  readonly meter?: Pick<Meter, 'now' | 'evaluated'>
  readonly tracer?: Tracer
}

export interface Evaluator {
  /**
   * Answers from everything that was handled so far. The journal has the entry before the caller has the answer.
   * @param untimed - what becomes of revocations that cannot be placed; unless it is given, they only lead to a note
   * @throws HubError `hub.unavailable`, `hub.overloaded`
   */
  answer(question: Question, by: Actor, untimed?: UntimedRules): Promise<Verdict>
}

export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  const { world, reader, journal, journalsAllowed, meter = silentMeter, tracer = silentTracer } = deps
  const { neverDenied = new Set() } = deps

  async function decide({ question, by, untimed }: Asked, span: TracedWork): Promise<Verdict> {
    const { ip, user, userIssuer, device, deviceIssuer, session, sessionIssuer } = question
    const about = { user, userIssuer, device, deviceIssuer, session, sessionIssuer, address: ip }
    const picture = await reader.read(about, world.now())
    const rules = outcomesFor(deps.outcomeTable, question, deps.rules)
    const evaluated = evaluate(question, picture, { ...deps, rules })
    const judged =
      untimed === undefined || question.issuedAt !== undefined
        ? evaluated
        : await placed(deps, { question, untimed }, evaluated)
    const verdict = spareNeverDenied(question, judged, neverDenied)
    span.note({ 'watchbell.outcome': verdict.outcome })
    if (journalsAllowed || judged.outcome !== 'allow') await journal.evaluated({ question, verdict, by })
    return verdict
  }

  return {
    async answer(question, by, untimed) {
      const began = meter.now()
      try {
        const verdict = await tracer.span('access.evaluate', (span) =>
          decide({ question, by, untimed }, span),
        )
        meter.evaluated(verdict.outcome, began)
        return verdict
      } catch (error) {
        meter.evaluated('failed', began)
        throw error
      }
    },
  }
}

const dayMs = 86_400_000

interface Asked extends Pick<Evaluation, 'question' | 'by'> {
  readonly untimed: UntimedRules | undefined
}

const untimedNotes: Record<UntimedOutcome, string> = {
  asked:
    'Sessions of this user were revoked, and nobody says when this one began: the user must sign in again.',
  signed_in_again: 'Sessions of this user were revoked, and the user was asked to sign in again since.',
  ignored:
    'Sessions of this user were revoked, and nobody says when this one began: that is ignored, as the settings say.',
}

/** Deals with revocations of sessions that began before them, where nobody says when the session began. */
async function placed(
  { untimedSessions, world }: Pick<EvaluatorDeps, 'untimedSessions' | 'world'>,
  { question, untimed }: Pick<Evaluation, 'question'> & { readonly untimed: UntimedRules },
  verdict: Verdict,
): Promise<Verdict> {
  const { outcome, grounds, notes } = verdict
  const since = world.now().getTime() - untimed.sessionDaysMax * dayMs
  const unplaced = verdict.unplaced.filter(({ occurredAt }) => occurredAt.getTime() >= since)
  const withUntimed = (became: UntimedOutcome, rest: Partial<Verdict> = {}): Verdict => ({
    ...verdict,
    ...rest,
    untimed: became,
    notes: notes.map((note) => (note === unplacedNote ? untimedNotes[became] : note)),
  })
  if (untimed.treatment === 'ignore') return unplaced.length === 0 ? verdict : withUntimed('ignored')
  const revocations = [...new Set(unplaced.map(({ signalId = '' }) => signalId))]
  const asked = await untimedSessions.place({
    question,
    unplaced: revocations,
    reachesUser: outcome !== 'deny',
  })
  if (unplaced.length === 0 || outcome === 'deny') return verdict
  if (asked.length === 0) return withUntimed('signed_in_again')
  return withUntimed('asked', {
    outcome: worstOutcome(outcome, 'challenge'),
    grounds: [...unplaced.filter(({ signalId = '' }) => asked.includes(signalId)), ...grounds],
  })
}
