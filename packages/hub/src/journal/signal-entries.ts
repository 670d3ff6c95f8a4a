import type { Actor } from '../base/actor.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import type { LevelChange } from '../risk/relevel.ts'
import type { LevelCause } from '../risk/level-journal.ts'
import {
  complexMembers,
  isProprietary,
  subjectTerms,
  type PlainSubject,
  type SimpleSubject,
  type SubjectIdentifier,
} from '@watchbell/receiver/set'
import type { PendingSignal } from '../signals/signal.ts'
import type { KnownClaim } from '../subjects/subject-store.ts'
import { logEvent, noAlternateId, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'
import { providerType, targetTypes, type JournalWorld } from './entry-parts.ts'
import { refusedClaimEntry, riskEntry } from './risk-entries.ts'

/** Messages of SSF's own events, which are about the stream and not about risk. */
const streamMessages: Readonly<Record<'verification' | 'stream-updated', string>> = {
  verification: 'Security events provider verified a stream',
  'stream-updated': 'Security events provider updated a stream',
}

/**
 * One event of a handled SET (OKTA-L61, OKTA-E90). `debugData` names its SET (`jti`) and its signal.
 * @param kind - what the event's simple subject names, when that is known
 */
export function receiveEventEntry(
  world: JournalWorld,
  signal: PendingSignal,
  event: SecurityEvent,
  kind?: string,
): LogEvent {
  const { issuer } = signal.provider
  return logEvent(world, {
    eventType: 'security.events.provider.receive_event',
    displayMessage:
      event.family === 'ssf' ? streamMessages[event.name] : 'Security events provider reported risk',
    by: providerActor(signal.provider),
    target: event.subject === undefined ? null : targetsOf(event.subject, event, kind),
    debugData: {
      partnerRiskReportData: JSON.stringify({
        issuer,
        [event.type]: { subject: event.subject, ...event.claims },
      }),
      jti: signal.jti,
      signalId: signal.id,
      providerId: signal.provider.id,
    },
    job: signal.id,
  })
}

/** A loaded user, with its current names. */
export interface LoadedTarget {
  readonly id: string
  readonly login: string
  readonly displayName: string | undefined
}

/**
 * The entry of an event about a loaded user, with the names of the loaded user. The sender's name for the user goes
 * into `debugData`.
 */
export function aboutLoadedUser(entry: LogEvent, { id, login, displayName }: LoadedTarget): LogEvent {
  const user = entry.target?.find(({ type }) => type === 'User')
  if (user === undefined) return entry
  return {
    ...entry,
    target: (entry.target ?? []).map((target) =>
      target === user ? { ...user, id, alternateId: login, displayName: displayName ?? login } : target,
    ),
    debugContext: { debugData: { ...entry.debugContext.debugData, reportedUser: user.id } },
  }
}

/** A provider as the actor of an entry. */
export function providerActor({ id, issuer }: PendingSignal['provider']): Actor {
  return { id, type: providerType, displayName: issuer, alternateId: issuer }
}

function targetsOf(
  subject: SubjectIdentifier,
  event: SecurityEvent,
  kind: string | undefined,
): readonly LogTarget[] {
  if (!isProprietary(subject) && subject.format === 'complex') {
    return complexMembers(subject).map(([name, member]) => targetOf(member, targetTypes.get(name) ?? name))
  }
  return [targetOf(subject, typeOfSimple(subject, event, kind))]
}

function typeOfSimple({ format }: SimpleSubject, event: SecurityEvent, kind: string | undefined): string {
  if (event.family === 'ssf') return 'Stream'
  const byFormat = typesByFormat.get(format)
  if (byFormat !== undefined) return byFormat
  if (kind !== undefined) return targetTypes.get(kind) ?? kind
  return event.name.startsWith('device-') && format === 'opaque' ? 'Device' : 'User'
}

/** Formats that never identify a user. */
const typesByFormat: ReadonlyMap<string, string> = new Map([
  ['ip-addresses', 'IpAddress'],
  ['jwt_id', 'Token'],
  ['saml_assertion_id', 'Token'],
])

/** `detailEntry` holds the identifiers as they came; `alternateId` is the first email address, else the first identifier. */
function targetOf(subject: SimpleSubject, type: string): LogTarget {
  const identifiers: readonly PlainSubject[] =
    isProprietary(subject) || subject.format !== 'aliases' ? [subject] : subject.identifiers
  const [first] = identifiers
  const address = identifiers.find(({ format }) => format === 'email') ?? first
  const id = identifierText(first)
  const alternateId = address === first ? id : identifierText(address)
  return { id, type, alternateId, displayName: alternateId, detailEntry: subject }
}

function identifierText(identifier: PlainSubject | undefined): string {
  return (identifier && subjectTerms(identifier)[0]) ?? noAlternateId
}

/** An event of a signal and its consequences. */
export interface HandledEvent {
  readonly signal: Pick<PendingSignal, 'id' | 'provider'>
  /** The event's own entry: see receiveEventEntry. */
  readonly received: LogEvent
  readonly levels: readonly LevelChange[]
  /** Claims that the event made, or made lose belief, and that are not believed. */
  readonly refused: readonly KnownClaim[]
}

/** The event's own entry, one for each level that it changed, and one for each claim that is not believed. */
export function handledEventEntries(
  world: JournalWorld,
  { signal, received, levels, refused }: HandledEvent,
): readonly LogEvent[] {
  const cause: LevelCause = {
    by: providerActor(signal.provider),
    detectionName: 'Security Events Provider Reported Risk',
    issuer: signal.provider.issuer,
    signalId: signal.id,
  }
  return [
    received,
    ...levels.map((change) => riskEntry(world, change, cause)),
    ...refused.map((claim) => refusedClaimEntry(world, claim, cause)),
  ]
}
