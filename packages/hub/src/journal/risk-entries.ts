import type { Actor } from '../base/actor.ts'
import type { LevelChange } from '../risk/relevel.ts'
import type { LevelCause } from '../risk/level-journal.ts'
import { printable } from '@watchbell/receiver/base'
import { kindOf, valueOf } from '../subjects/identifier.ts'
import type { ReasonDismissal } from '../risk/people.ts'
import type { KnownClaim, Subject } from '../subjects/subject-store.ts'
import { logEvent, noAlternateId, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'
import { inPseudoMap } from '../systemlog/pseudo-map.ts'
import { requestData, targetTypes, type JournalWorld } from './entry-parts.ts'

/**
 * The level of a subject changed (OKTA-L64): `user.risk.detect` for users, `watchbell.risk.detect` for all other kinds,
 * which Okta does not have. Severity WARN when the level is HIGH, which denies by default.
 */
export function riskEntry(world: JournalWorld, change: LevelChange, cause: LevelCause): LogEvent {
  const { entity } = change
  const { by, signalId } = cause
  return logEvent(world, {
    eventType: entity.kind === 'user' ? 'user.risk.detect' : 'watchbell.risk.detect',
    displayMessage: entity.kind === 'user' ? 'Detected user risk' : `Detected ${entity.kind} risk`,
    by,
    target: [entityTarget(entity, entity.name)],
    ...(change.level === 'HIGH' && { severity: 'WARN' as const }),
    debugData: {
      risk: riskText(change, cause),
      ...requestData(by),
      ...(signalId !== undefined && { traceId: signalId, signalId }),
    },
    ...(signalId !== undefined && { job: signalId }),
  })
}

function entityTarget({ id, kind }: { readonly id: string; readonly kind: string }, name: string): LogTarget {
  return {
    id,
    type: targetTypes.get(kind) ?? kind,
    alternateId: name,
    displayName: name,
    detailEntry: null,
  }
}

/** A user was loaded, or a subject erased. The entry of an erasure holds no name of the subject. */
export type SubjectChange =
  | { readonly kind: 'load'; readonly subject: Subject; readonly by: Actor }
  | { readonly kind: 'erase'; readonly subject: Subject; readonly erasureId: string; readonly by: Actor }

export function subjectEntry(world: JournalWorld, change: SubjectChange): LogEvent {
  const { subject, by } = change
  const name =
    change.kind === 'load' ? (subject.loaded?.login ?? noAlternateId) : `erased-${change.erasureId}`
  return logEvent(world, {
    eventType: `watchbell.subject.${change.kind}`,
    displayMessage: change.kind === 'load' ? 'Load a user' : 'Erase a subject',
    by,
    target: [entityTarget(subject, name)],
    debugData: requestData(by),
  })
}

/** An administrator dismissed a reason, or restored it. */
export function dismissalEntry(world: JournalWorld, { subject, reason, by }: ReasonDismissal): LogEvent {
  const isDismissed = reason.dismissedAt !== undefined
  const name = subject.loaded?.login ?? valueOf(reason.identifier)
  return logEvent(world, {
    eventType: isDismissed ? 'watchbell.risk.dismiss' : 'watchbell.risk.restore',
    displayMessage: isDismissed ? 'Dismiss a reason for risk' : 'Restore a reason for risk',
    by,
    target: [
      {
        ...entityTarget(subject, name),
        detailEntry: { reasonId: reason.id, level: reason.level, source: reason.source.id },
      },
    ],
    debugData: {
      ...requestData(by),
      ...(reason.signalId !== undefined && { signalId: reason.signalId }),
    },
  })
}

const shownIdentifiersMax = 10
const shownCharsMax = 256

/** A source's claim is not believed: it contradicts the claim of a source that vouches, or it needs a permission. */
export function refusedClaimEntry(
  world: JournalWorld,
  { identifiers, refused, source }: KnownClaim,
  cause: Pick<LevelCause, 'by' | 'signalId'>,
): LogEvent {
  const { by, signalId } = cause
  return logEvent(world, {
    eventType: 'watchbell.subject.claim',
    displayMessage: 'Join identifiers',
    severity: 'WARN',
    by,
    outcome: { result: 'FAILURE', reason: refused ?? null },
    target: identifiers.slice(0, shownIdentifiersMax).map((identifier) => {
      const name = printable(valueOf(identifier), shownCharsMax)
      return entityTarget({ id: name, kind: kindOf(identifier) }, name)
    }),
    debugData: { source, ...(signalId !== undefined && { traceId: signalId, signalId }) },
    ...(signalId !== undefined && { job: signalId }),
  })
}

/**
 * The pseudo-map of OKTA-L66, a string: `{previousLevel=LOW, level=MEDIUM, …}`. A filter `co "level=HIGH"` matches the
 * new level only: `previousLevel` has a capital L, and `co` is case-sensitive. Senders' texts cannot match it either:
 * `inPseudoMap` removes the delimiters.
 */
function riskText({ previous, level, inForce }: LevelChange, { detectionName, issuer }: LevelCause): string {
  const reasons = [...new Set(inForce.map(({ detection }) => detection))].join('; ')
  const members = [
    `previousLevel=${previous}`,
    `level=${level}`,
    `detectionName=${detectionName}`,
    `reasons=${inPseudoMap(reasons)}`,
    ...(issuer === undefined ? [] : [`issuer=${inPseudoMap(issuer)}`]),
  ]
  return `{${members.join(', ')}}`
}
