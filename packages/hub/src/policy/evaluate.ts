import { quoted } from '@watchbell/receiver/base'
import { nameInSentence } from '../base/name-in-sentence.ts'
import type { Reach, Revocation } from '../risk/revocation.ts'
import type { RiskAction } from '../risk/risk-action.ts'
import { highestLevel, riskLevels, type RiskLevel } from '../risk/risk-level.ts'
import type { RiskPicture } from '../risk/risk-reader.ts'
import type { RiskReason, RiskSource } from '../risk/risk-reason.ts'
import type { RiskSources, WordJudge } from '../risk/risk-sources.ts'
import type { Outcome, OutcomeRules } from './outcome.ts'
import type { Question } from './question.ts'

const messageCharsMax = 500

/** Why: one thing that somebody said of somebody or something that the question is about. */
export interface Ground {
  /** One sentence for people. */
  readonly text: string
  /** `user`, `device`, `session` or `address`. */
  readonly about: string
  /** Undefined for a revocation, which ends a session whatever the level. */
  readonly level: RiskLevel | undefined
  readonly source: RiskSource & { readonly name: string }
  readonly occurredAt: Date
  readonly expiresAt: Date | undefined
  readonly signalId: string | undefined
}

export const groundsMax = 10

export interface Opinion {
  readonly outcome: Outcome
  readonly level: RiskLevel
  /** The weightiest, worst first, at most {@link groundsMax}; those that make no difference too. */
  readonly grounds: readonly Ground[]
  /** How many there are. */
  readonly groundsTotal: number
}

/** What became of revocations that could not be placed, where the asker wanted something done about them. */
export type UntimedOutcome = 'asked' | 'signed_in_again' | 'ignored'

export interface Verdict extends Opinion {
  /** What sources that are only to be seen would have said. */
  readonly reported: Opinion
  /** What the question left open, for whoever wonders about the answer. */
  readonly notes: readonly string[]
  /** The entity that the user is; undefined when nothing was ever heard of it. */
  readonly userId: string | undefined
  /**
   * Revocations by enforced sources of all sessions that began before them, when the question does not say when its session
   * began. They make no difference to the outcome; newest first.
   */
  readonly unplaced: readonly Ground[]
  /** The outcome is `deny` only because the session was revoked: signing in again would help. */
  readonly isOnlyRevoked: boolean
  /** Undefined when there were none, or when nobody wanted anything done about them. */
  readonly untimed?: UntimedOutcome
  /** What the outcome would have been for anybody else: see spareNeverDenied. */
  readonly spared?: Outcome
}

/** Decides over what is known, and touches nothing. */
export function evaluate(
  question: Question,
  picture: RiskPicture,
  { sources, rules }: { readonly sources: RiskSources; readonly rules: OutcomeRules },
): Verdict {
  const judge = sources.judge()
  // What sources said whose word counts for nothing makes nobody known.
  const userId = picture.entities.find(
    ({ kind, isLoaded, speakers }) =>
      kind === 'user' && (isLoaded || speakers.some((source) => judge.actionOf(source) !== 'none')),
  )?.id
  const left = latestOfEach(picture.revocations).filter(
    (revocation) => question.issuedAt === undefined && !ends(revocation, question),
  )
  const opinion = (action: 'enforce_and_log' | 'log_only'): Opinion => {
    const isReached = ({ reach }: { readonly reach: Reach }): boolean =>
      action === 'log_only' || reach === 'enforced'
    const reasons = picture.entities
      .filter(isReached)
      .flatMap(({ kind, reasons }) =>
        reasons.flatMap((reason) => (judge.ofReason(reason) === action ? [{ reason, about: kind }] : [])),
      )
    const ended = latestOfEach(picture.revocations).filter(
      (revocation) =>
        isReached(revocation) && ends(revocation, question) && judge.ofRevocation(revocation) === action,
    )
    const level = highestLevel(reasons.map(({ reason }) => reason.level))
    const said = [
      ...ended.map((revocation): Said => ({
        level: undefined,
        at: revocation.revokedAt,
        ground: () => groundOfRevocation(revocation, judge),
      })),
      ...reasons.map(({ reason, about }): Said => ({
        level: reason.level,
        at: reason.occurredAt,
        ground: () => groundOf(reason, about, judge),
      })),
    ].toSorted(byWeight)
    return {
      outcome: ended.length > 0 ? 'deny' : rules[level],
      level,
      grounds: said.slice(0, groundsMax).map(({ ground }) => ground()),
      groundsTotal: said.length,
    }
  }
  const enforced = opinion('enforce_and_log')
  return {
    ...enforced,
    reported: opinion('log_only'),
    notes: notesOn(userId, left.map(judge.ofRevocation)),
    userId,
    unplaced: left
      .filter(
        (revocation) =>
          revocation.reach === 'enforced' && judge.ofRevocation(revocation) === 'enforce_and_log',
      )
      .map((revocation) => groundOfRevocation(revocation, judge)),
    isOnlyRevoked: enforced.outcome === 'deny' && rules[enforced.level] !== 'deny',
  }
}

/**
 * A session that was issued later than the revocation is another one. Without its time of issue, a session is over when
 * a revocation names it; one that names only user or device may have been about earlier sessions, and does not count.
 */
function ends({ revokedAt, session }: Revocation, { issuedAt }: Question): boolean {
  return issuedAt === undefined ? session !== undefined : issuedAt <= revokedAt
}

export const unplacedNote =
  'Sessions of this user were revoked; without issued_at it cannot be told whether this is one of them.'

/** @param unplaced - what the words of those count for whose revocations could not be placed */
function notesOn(userId: string | undefined, unplaced: readonly RiskAction[]): readonly string[] {
  const notes: string[] = []
  if (userId === undefined) notes.push('Nothing is known of this user.')
  if (unplaced.some((action) => action !== 'none')) {
    notes.push(unplacedNote)
  }
  return notes
}

/** What is to become a ground, should it be among the weightiest. */
interface Said {
  readonly level: RiskLevel | undefined
  readonly at: Date
  ground(): Ground
}

function byWeight(a: Said, b: Said): number {
  const weight = ({ level }: Said): number =>
    level === undefined ? riskLevels.length : riskLevels.indexOf(level)
  return weight(b) - weight(a) || b.at.getTime() - a.at.getTime()
}

/** A revocation of somebody with several names stands with each of them. */
function latestOfEach(revocations: readonly Revocation[]): readonly Revocation[] {
  const once = new Map<string, Revocation>()
  for (const revocation of revocations) {
    const { signalId, user, device, session, reach } = revocation
    const key = JSON.stringify([signalId, ...[user, device, session].map((member) => member !== undefined)])
    const other = once.get(key)
    if (other === undefined || (other.reach === 'reported' && reach === 'enforced')) once.set(key, revocation)
  }
  return [...once.values()]
}

function groundOf(reason: RiskReason, about: string, judge: WordJudge): Ground {
  const { level, detection, message, occurredAt, expiresAt, signalId } = reason
  const source = { ...reason.source, name: sourceName(reason.source, judge) }
  const until = expiresAt === undefined ? 'until it is replaced' : `until ${expiresAt.toISOString()}`
  const quotedMessage = message === undefined ? '' : ` (${quoted(message, messageCharsMax)})`
  return {
    text: `${speaker(source)} says ${level} of the ${about}: ${detection}${quotedMessage}, since ${occurredAt.toISOString()}, ${until}.`,
    about,
    level,
    source,
    occurredAt,
    expiresAt,
    signalId,
  }
}

function groundOfRevocation(revocation: Revocation, judge: WordJudge): Ground {
  const { revokedAt, signalId, message, session, device } = revocation
  const source = sourceOf(revocation)
  const name = sourceName(source, judge)
  const quotedMessage = message === undefined ? '' : ` (${quoted(message, messageCharsMax)})`
  const what =
    session !== undefined
      ? 'this session'
      : `all sessions of the user${device === undefined ? '' : ' on this device'}`
  return {
    text: `${speaker({ ...source, name })} revoked ${what}${quotedMessage}, as of ${revokedAt.toISOString()}.`,
    about: session !== undefined ? 'session' : 'user',
    level: undefined,
    source: { ...source, name },
    occurredAt: revokedAt,
    expiresAt: undefined,
    signalId,
  }
}

function sourceOf({ providerId }: Revocation): RiskSource {
  return { kind: 'security_events_provider', id: providerId }
}

function sourceName(source: RiskSource, judge: WordJudge): string {
  return source.kind === 'admin' ? 'An administrator' : (judge.find(source)?.name ?? source.id)
}

function speaker({ kind, name }: Ground['source']): string {
  return kind === 'admin' ? name : nameInSentence(name)
}
