import type { Revocation } from '../risk/revocation.ts'
import type { RiskAction } from '../risk/risk-action.ts'
import { highestLevel, riskLevels, type RiskLevel } from '../risk/risk-level.ts'
import type { RiskPicture } from '../risk/risk-reader.ts'
import type { RiskReason, RiskSource } from '../risk/risk-reason.ts'
import type { RiskSources } from '../risk/risk-sources.ts'
import type { Outcome, OutcomeRules } from './outcome.ts'
import type { Question } from './question.ts'

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

export interface Opinion {
  readonly outcome: Outcome
  readonly level: RiskLevel
  /** Worst first; those that make no difference too. */
  readonly grounds: readonly Ground[]
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
}

/** Decides over what is known, and touches nothing. */
export function evaluate(
  question: Question,
  picture: RiskPicture,
  { sources, rules }: { readonly sources: RiskSources; readonly rules: OutcomeRules },
): Verdict {
  const userId = picture.entities.find(({ kind }) => kind === 'user')?.id
  const actionOf = (revocation: Revocation) => sources.actionOf(sourceOf(revocation))
  const left = picture.revocations.filter(
    (revocation) => question.issuedAt === undefined && !ends(revocation, question),
  )
  const opinion = (action: 'enforce_and_log' | 'log_only'): Opinion => {
    const grounds: Ground[] = []
    for (const { kind, reasons } of picture.entities) {
      for (const reason of reasons) {
        if (sources.actionOf(reason.source) === action) grounds.push(groundOf(reason, kind, sources))
      }
    }
    const level = highestLevel(grounds.map(({ level }) => level ?? 'NONE'))
    let outcome = rules[level]
    for (const revocation of picture.revocations) {
      if (!ends(revocation, question) || actionOf(revocation) !== action) continue
      grounds.push(groundOfRevocation(revocation, sources))
      outcome = 'deny'
    }
    return { outcome, level, grounds: grounds.length < 2 ? grounds : grounds.toSorted(byWeight) }
  }
  const enforced = opinion('enforce_and_log')
  return {
    ...enforced,
    reported: opinion('log_only'),
    notes: notesOn(userId, left.map(actionOf)),
    userId,
    unplaced: left
      .filter((revocation) => actionOf(revocation) === 'enforce_and_log')
      .map((revocation) => groundOfRevocation(revocation, sources)),
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

function byWeight(a: Ground, b: Ground): number {
  const weight = ({ level }: Ground): number =>
    level === undefined ? riskLevels.length : riskLevels.indexOf(level)
  return weight(b) - weight(a) || b.occurredAt.getTime() - a.occurredAt.getTime()
}

function groundOf(reason: RiskReason, about: string, sources: RiskSources): Ground {
  const { level, detection, message, occurredAt, expiresAt, signalId } = reason
  const source = { ...reason.source, name: nameOf(reason.source, sources) }
  const until = expiresAt === undefined ? 'until it is replaced' : `until ${expiresAt.toISOString()}`
  const words = message === undefined ? '' : ` (“${message}”)`
  return {
    text: `${source.name} says ${level} of the ${about}: ${detection}${words}, since ${occurredAt.toISOString()}, ${until}.`,
    about,
    level,
    source,
    occurredAt,
    expiresAt,
    signalId,
  }
}

function groundOfRevocation(revocation: Revocation, sources: RiskSources): Ground {
  const { revokedAt, signalId, message, session, device } = revocation
  const source = sourceOf(revocation)
  const name = nameOf(source, sources)
  const words = message === undefined ? '' : ` (“${message}”)`
  const what =
    session !== undefined
      ? 'this session'
      : `all sessions of the user${device === undefined ? '' : ' on this device'}`
  return {
    text: `${name} revoked ${what}${words}, as of ${revokedAt.toISOString()}.`,
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

function nameOf(source: RiskSource, sources: RiskSources): string {
  return source.kind === 'admin' ? 'An administrator' : (sources.find(source)?.name ?? source.id)
}
