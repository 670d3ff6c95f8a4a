import { ReceiverError, isReceiverError } from '../base/receiver-error.ts'
import type { FieldProblem } from '../base/coded-error.ts'
import { meant, type JsonObject, type JsonValue } from '../base/json.ts'
import { printable } from '../base/printable.ts'
import { isScimEvent, scimEventPrefix } from '../set/dialect.ts'
import { readEventTime } from '../set/event-time.ts'
import { readSubjectIdentifier } from '../set/subject-identifier.ts'
import type { SubjectIdentifier } from '../set/subject-identifier.ts'
import type { VerifiedSet } from '../set/verified-set.ts'
import { caep } from './caep.ts'
import { blank, ClaimProblem } from './event-claims.ts'
import type { EventClaim } from './event-claims.ts'
import type { EventFamily } from './event-family.ts'
import { okta } from './okta.ts'
import { risc } from './risc.ts'
import { isScimEventName } from './scim.ts'
import type { LeftOutClaim, SecurityEvent } from './security-event.ts'
import { ssf } from './ssf.ts'

const leftOutCharsMax = 100

/** The families whose events are read member by member. */
export const families = [caep, risc, ssf, okta] as const satisfies readonly EventFamily[]

/**
 * Decodes every event of a SET (OKTA-E47); events of unknown types are kept as received.
 *
 * The subject is the token's `sub_id`, as SSF 1.0 §3.1 defines for every event, or the event's own `subject` when
 * there is no `sub_id`. For Okta's types `subject` comes first, because Okta ignores `sub_id` (OKTA-E44, OKTA-E75).
 * An unreadable member refuses the event only where it is required or decides the event's effect; any other is left
 * out of its claims and noted in `leftOut`.
 * @throws ReceiverError `set.event_invalid` with every problem in Okta's wording (OKTA-E20–OKTA-E24), `set.subject_invalid`
 */
export function readEvents(set: VerifiedSet): readonly SecurityEvent[] {
  const problems: FieldProblem[] = []
  const events = Object.entries(set.events).map(([type, body]) => {
    const known = knownTypes.get(type)
    return known === undefined ? readOpaque(type, body, set) : readKnown(known, body, set, problems)
  })
  if (problems.length === 0) return events
  const listed = problems.map(({ field, message }) => `'${field}': ${message}`).join(', ')
  throw new ReceiverError('set.event_invalid', {
    detail: `Failed claim validation in security event token. ${listed}`,
    problems,
  })
}

interface KnownType {
  readonly type: string
  readonly family: string
  readonly name: string
  readonly subjectFrom: 'token' | 'event'
  readonly subjectField: string
  readonly members: readonly KnownMember[]
}

interface KnownMember {
  readonly name: string
  readonly claim: EventClaim<JsonValue, boolean>
  /** The event's name in refusals (OKTA-E24). */
  readonly field: string
}

const knownTypes: ReadonlyMap<string, KnownType> = new Map(
  families.flatMap((family: EventFamily) =>
    Object.entries(family.types).map(([name, { claims }]) => {
      const path = `events.mediation${capitalised(camelCase(name))}Event`
      const members = Object.entries(claims).map(([member, claim]) => ({
        name: member,
        claim,
        field: `${path}.${claim.label ?? camelCase(member)}`,
      }))
      const type = family.prefix + name
      const subjectField = `${path}.subject`
      return [
        type,
        { type, family: family.family, name, subjectFrom: family.subjectFrom, subjectField, members },
      ]
    }),
  ),
)

function readKnown(
  known: KnownType,
  body: JsonObject,
  set: VerifiedSet,
  problems: FieldProblem[],
): SecurityEvent {
  const { subject, claims } = takeSubject(body, set, known)
  if (subject === undefined) problems.push({ field: known.subjectField, message: blank.message })
  const leftOut: LeftOutClaim[] = []
  for (const { name, claim, field } of known.members) {
    const value = claims[name]
    if (isBlank(value)) {
      if (claim.required) problems.push({ field, message: blank.message })
      else {
        if (claim.strict && typeof value === 'string') {
          leftOut.push({
            claim: name,
            value: JSON.stringify(value).slice(0, leftOutCharsMax),
            problem: blank.message,
          })
        }
        delete claims[name]
      }
      continue
    }
    const read = claim.read(value)
    if (!(read instanceof ClaimProblem)) claims[name] = read
    else if (claim.required || (claim.strict && meant(value) !== undefined))
      problems.push({ field, message: read.message })
    else {
      leftOut.push({
        claim: name,
        value: printable(JSON.stringify(value), leftOutCharsMax),
        problem: read.message,
      })
      delete claims[name]
    }
  }
  const { type, family, name } = known
  const event = {
    type,
    family,
    name,
    subject,
    occurredAt: occurredAt(claims, set),
    claims,
    ...(leftOut.length > 0 && { leftOut }),
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its family's table just checked it; a bad one is discarded
  return event as SecurityEvent
}

function readOpaque(type: string, body: JsonObject, set: VerifiedSet): SecurityEvent {
  const { subject, claims } = takeReadableSubject(body, set)
  const opaque = { type, subject, occurredAt: occurredAt(claims, set), claims }
  const scimName = type.slice(scimEventPrefix.length).toLowerCase()
  if (isScimEvent(type) && isScimEventName(scimName)) {
    return { ...opaque, family: 'scim', name: scimName }
  }
  return { ...opaque, family: 'unknown', name: type.slice(lastSeparator(type) + 1) || type }
}

interface Taken {
  readonly subject: SubjectIdentifier | undefined
  /** A copy of the event's members, without the subject if that is the chosen one. */
  readonly claims: Record<string, JsonValue>
}

function takeSubject(body: JsonObject, set: VerifiedSet, { subjectFrom, subjectField }: KnownType): Taken {
  const { subject, ...claims } = body
  if (set.sub_id !== undefined && (subjectFrom === 'token' || namesNobody(subject))) {
    return { subject: set.sub_id, claims: { ...body } }
  }
  return { subject: namesNobody(subject) ? undefined : readSubjectIdentifier(subject, subjectField), claims }
}

function takeReadableSubject(body: JsonObject, set: VerifiedSet): Taken {
  const { subject, ...claims } = body
  if (set.sub_id === undefined && !namesNobody(subject)) {
    try {
      return { subject: readSubjectIdentifier(subject, 'subject'), claims }
    } catch (error) {
      if (!isReceiverError(error, 'set.subject_invalid')) throw error
    }
  }
  return { subject: set.sub_id, claims: { ...body } }
}

function occurredAt(claims: Readonly<Record<string, JsonValue>>, { toe }: VerifiedSet): number | undefined {
  const time = claims['event_timestamp']
  return (time === undefined ? undefined : readEventTime(time)) ?? toe
}

/** Missing, null and blank mean the same, as in Okta's wording (OKTA-E20). */
function isBlank(value: JsonValue | undefined): value is undefined | null | '' {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
}

/** An object without members names no subject. */
function namesNobody(subject: JsonValue | undefined): subject is undefined {
  return isBlank(subject) || meant(subject) === undefined
}

function lastSeparator(type: string): number {
  return Math.max(type.lastIndexOf('/'), type.lastIndexOf(':'))
}

function camelCase(name: string): string {
  return name.replace(/[-_](.)/g, (_, letter: string) => letter.toUpperCase())
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}
