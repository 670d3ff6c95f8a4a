import { printable, inSentence, singleQuoted, isJsonObject } from '@watchbell/receiver/base'
import type { SecurityEvent } from '@watchbell/receiver/events'
import {
  complexMembers,
  identifierCharsMax,
  isProprietary,
  type SimpleSubject,
  type SubjectIdentifier,
} from '@watchbell/receiver/set'
import { identifiersOf, formatOf, kindOf, mainIdentifier, type Identifier } from '../subjects/identifier.ts'
import type { About } from './detection-table.ts'
import type { NamedThing, StatedEnding, Statement } from './statement.ts'
import type { RiskReason } from './risk-reason.ts'
import type { RiskReading, RiskRules } from './risk-rules.ts'

/** The members of a signal that its statements need. */
export interface StatementOrigin {
  readonly id: string
  readonly provider: { readonly id: string; readonly issuer: string }
  readonly issuedAt: Date
  readonly receivedAt: Date
}

/** What an event means for risk: a statement, why it has none, or undefined when the event is about no subject. */
export type EventStatement = { readonly statement: Statement } | { readonly unmatched: string } | undefined

const messageCharsMax = 500

/**
 * Turns one event into a statement.
 *
 * A complex subject narrows and never widens (SSF 1.0 §3.3): an event about a user's session is not about the user.
 * Its members are different things and are not joined; only the identifiers of one member are.
 * @param index - of the event within its signal
 */
export function statementOfEvent(
  rules: RiskRules,
  signal: StatementOrigin,
  event: SecurityEvent,
  index: number,
): EventStatement {
  const reading = rules.read(event, signal.provider.issuer)
  if (reading === undefined) return undefined
  if (event.subject === undefined) return { unmatched: 'the event names no subject' }
  const named = thingsOf(event.subject, event, reading.about, signal.provider.issuer)
  if (typeof named === 'string') return { unmatched: named }
  const targets = targetsOf(named, reading, event)
  if (typeof targets === 'string') return { unmatched: targets }

  const id = `${signal.id}/${index}`
  // An event from the future is dated to its receipt: otherwise a fast clock would win against all later statements.
  const occurredAt = new Date(
    Math.min(event.occurredAt ?? signal.issuedAt.getTime(), signal.receivedAt.getTime()),
  )
  const source = { kind: 'security_events_provider', id: signal.provider.id } as const
  const message = messageOf(event)
  const reasons = targets.flatMap((identifier): RiskReason[] =>
    reading.detections.map(({ slot, detection, level, holdsMs }) => ({
      id: `${id}/${slot}`,
      identifier,
      source,
      slot,
      detection,
      level,
      message,
      occurredAt,
      receivedAt: signal.receivedAt,
      expiresAt: holdsMs === undefined ? undefined : new Date(occurredAt.getTime() + holdsMs),
      signalId: signal.id,
      eventType: event.type,
      dismissedAt: undefined,
    })),
  )
  const identifierOf = (kind: string): Identifier | undefined => {
    const thing = named.find((thing) => thing.kind === kind)
    return thing && mainIdentifier(thing.identifiers)
  }
  const revokes = revokesSessions(event)
    ? {
        user: identifierOf('user'),
        device: identifierOf('device'),
        session: identifierOf('session'),
        signalId: signal.id,
        eventType: event.type,
        message,
      }
    : undefined
  const { receivedAt } = signal
  return {
    statement: {
      source,
      issuer: signal.provider.issuer,
      id,
      eventType: event.type,
      occurredAt,
      receivedAt,
      things: named,
      reasons,
      revokes,
      endings: endingsOf(event, named),
    },
  }
}

/** Members of complex subjects that give the context of the others and do not narrow them. */
const context: ReadonlySet<string> = new Set(['application', 'tenant', 'org_unit', 'group'])
const kept: ReadonlySet<string> = new Set(['user', 'device', 'session'])

/** Everything that the subject names, or why that is unknown. */
function thingsOf(
  subject: SubjectIdentifier,
  event: SecurityEvent,
  about: About,
  issuer: string,
): readonly NamedThing[] | string {
  if (isProprietary(subject) || subject.format !== 'complex') {
    const kind = kindOfSimple(subject, event, about)
    const identifiers = identifiersOf(subject, kind, issuer)
    if (identifiers === undefined) return unreadable(subject)
    return [{ kind: kindOf(identifiers[0] ?? ''), identifiers }]
  }
  const things: NamedThing[] = []
  for (const [name, member] of complexMembers(subject)) {
    if (context.has(name)) continue
    if (!kept.has(name))
      return `the subject is narrowed by ${singleQuoted(name, 64)}, which is nothing we know`
    const identifiers = identifiersOf(member, name, issuer)
    if (identifiers === undefined) return `${name}: ${unreadable(member)}`
    if (identifiers.some((identifier) => kindOf(identifier) !== name))
      return `${name}: it is named by its addresses only`
    things.push({ kind: name, identifiers })
  }
  return things.length > 0 ? things : 'the subject names no user, device, session or address'
}

function unreadable(subject: SimpleSubject): string {
  return `the subject has a name in a format that we cannot read (${inSentence(subject.format, 64)})`
}

const namesUsers: ReadonlySet<string> = new Set(['email', 'phone_number', 'account', 'iss_sub', 'did'])
const namesSessions: ReadonlySet<string> = new Set(['jwt_id', 'saml_assertion_id'])

/** The kind that a simple subject names: by its formats first, then by the event. */
function kindOfSimple(subject: SimpleSubject, event: SecurityEvent, about: About): string {
  const formats =
    !isProprietary(subject) && subject.format === 'aliases'
      ? subject.identifiers.map(({ format }) => format)
      : [subject.format]
  if (formats.some((format) => namesSessions.has(format))) return 'session'
  if (about === 'device')
    return formats.some((format) => format === 'email' || format === 'phone_number') ? 'user' : 'device'
  // CAEP's examples of session-revoked name the session with an opaque id, and users by iss_sub or email.
  if (about === 'session' && event.family === 'caep' && !formats.some((format) => namesUsers.has(format)))
    return 'session'
  return 'user'
}

/** The identifiers that get the reasons: those of the narrowest thing that the event is about; or why there is none. */
function targetsOf(
  things: readonly NamedThing[],
  { about }: RiskReading,
  event: SecurityEvent,
): readonly Identifier[] | string {
  if (event.family === 'caep' && event.name === 'risk-level-change') {
    const { principal } = event.claims
    if (
      !['USER', 'DEVICE', 'SESSION'].includes(principal) &&
      things.every(({ kind }) => kind !== 'address')
    ) {
      return `the principal is ${singleQuoted(principal, 64)}, and we keep the risk of users, devices, sessions and addresses`
    }
  }
  const addresses = things.find(({ kind }) => kind === 'address')
  if (addresses !== undefined) return addresses.identifiers
  const find = (kind: string) => things.find((thing) => thing.kind === kind)
  const thing = about === 'device' ? find('device') : (find('session') ?? find('device') ?? find('user'))
  if (thing === undefined) return 'the event is about a device, and the subject names none'
  return [mainIdentifier(thing.identifiers)]
}

function revokesSessions({ family, name }: SecurityEvent): boolean {
  return (
    (family === 'caep' && name === 'session-revoked') || (family === 'risc' && name === 'sessions-revoked')
  )
}

/**
 * RISC 1.0 §2.5, §2.6: from then on the old address or number names no user, or another user. With `new-value`, what the
 * source said of the old value counts for the new one.
 */
function endingsOf(
  { family, name, claims }: SecurityEvent,
  things: readonly NamedThing[],
): readonly StatedEnding[] {
  if (family !== 'risc' || (name !== 'identifier-changed' && name !== 'identifier-recycled')) return []
  const recycled = name === 'identifier-recycled'
  const newValue = recycled ? undefined : claims['new-value']
  return things.flatMap(({ kind, identifiers }) =>
    identifiers
      .filter((identifier) => ['email', 'phone'].includes(formatOf(identifier)))
      .map((identifier) => ({ identifier, recycled, successor: successorOf(identifier, kind, newValue) })),
  )
}

function successorOf(identifier: Identifier, kind: string, newValue: unknown): Identifier | undefined {
  if (typeof newValue !== 'string' || newValue === '' || newValue.length > identifierCharsMax)
    return undefined
  const isEmail = formatOf(identifier) === 'email'
  if (isEmail !== newValue.includes('@')) return undefined
  const subject: SimpleSubject = isEmail
    ? { format: 'email', email: newValue }
    : { format: 'phone_number', phone_number: newValue }
  const [successor] = identifiersOf(subject, kind, '') ?? []
  return successor === identifier ? undefined : successor
}

/** The provider's `reason_admin`, in English if present, else in its first language; else Okta's `risk_reason`. */
function messageOf({ claims }: SecurityEvent): string | undefined {
  const { reason_admin: localised, risk_reason: risk } = claims as Readonly<Record<string, unknown>> // of any family
  const text = isJsonObject(localised) ? (localised['en'] ?? Object.values(localised)[0]) : risk
  return typeof text === 'string' && text !== '' ? printable(text, messageCharsMax) : undefined
}
