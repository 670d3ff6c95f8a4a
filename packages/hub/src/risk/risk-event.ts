import { type FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { readIsoTime } from '../base/iso-time.ts'
import { addressIdentifier } from '../subjects/identifier.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'

/** A risk provider's report about addresses (OKTA §5). Only readRiskEvents makes one from outside data. */
export interface RiskEvent {
  /** When the event was produced, according to the provider. */
  readonly timestamp: Date | undefined
  readonly expiresAt: Date | undefined
  readonly subjects: readonly RiskEventSubject[]
}

export interface RiskEventSubject {
  /** In canonical form; an IPv4-mapped IPv6 address is the IPv4 address. */
  readonly ip: string
  readonly identifier: string
  readonly level: RiskLevel
  readonly message: string | undefined
}

/** OKTA-V12, OKTA-V13, OKTA-V15. */
export const riskEventLimits = { eventsMax: 20, subjectsMax: 50, messageCharsMax: 512 } as const

const problemsMax = 50
const blank = 'The field cannot be left blank'

/**
 * Reads the body of a risk events request (OKTA-V11 to OKTA-V15), all or nothing. Unknown members are ignored (OKTA-A5);
 * null counts as absent.
 *
 * @param now - an `expiresAt` before it is a problem
 * @throws HubError `risk_event.invalid` with every problem, up to 50, named by its place: `[0].subjects[2].ip`
 */
export function readRiskEvents(body: JsonValue | undefined, now: Date): readonly RiskEvent[] {
  const { eventsMax } = riskEventLimits
  if (!isJsonArray(body) || body.length === 0 || body.length > eventsMax) {
    const message = `The body must be an array of 1 to ${eventsMax} events${countOf(body)}`
    throw invalidFields('risk_event.invalid', [{ field: '', message }])
  }
  const problems: FieldProblem[] = []
  const events = body.map((event, at) => readEvent(event, { place: `[${at}]`, now, problems }))
  if (problems.length > 0) throw invalidFields('risk_event.invalid', problems.slice(0, problemsMax))
  return events
}

interface EventReading {
  readonly place: string
  readonly now: Date
  readonly problems: FieldProblem[]
}

function readEvent(event: JsonValue, { place, now, problems }: EventReading): RiskEvent {
  if (!isJsonObject(event)) {
    problems.push({ field: place, message: 'The event must be a JSON object' })
    return { timestamp: undefined, expiresAt: undefined, subjects: [] }
  }
  const timestamp = readTime(event, 'timestamp', place, problems)
  const expiresAt = readTime(event, 'expiresAt', place, problems)
  const limit = expiresAt === undefined ? undefined : passed(expiresAt, timestamp, now)
  if (limit !== undefined) {
    problems.push({ field: `${place}.expiresAt`, message: `The field must not be before ${limit}` })
  }
  return {
    timestamp,
    expiresAt,
    subjects: readSubjects(event['subjects'], `${place}.subjects`, problems),
  }
}

/** The limit that an expiry lies before, as text; undefined when it is valid. */
function passed(expiresAt: Date, timestamp: Date | undefined, now: Date): string | undefined {
  if (timestamp !== undefined && expiresAt < timestamp) return `the timestamp, ${timestamp.toISOString()}`
  return expiresAt < now ? `now, ${now.toISOString()}` : undefined
}

function readSubjects(
  subjects: JsonValue | undefined,
  place: string,
  problems: FieldProblem[],
): readonly RiskEventSubject[] {
  const { subjectsMax } = riskEventLimits
  if (subjects === undefined || subjects === null) {
    problems.push({ field: place, message: blank })
    return []
  }
  if (!isJsonArray(subjects) || subjects.length === 0 || subjects.length > subjectsMax) {
    const message = `The field must be an array of 1 to ${subjectsMax} subjects${countOf(subjects)}`
    problems.push({ field: place, message })
    return []
  }
  return subjects.flatMap((subject, at) => readSubject(subject, `${place}[${at}]`, problems))
}

function readSubject(
  subject: JsonValue,
  place: string,
  problems: FieldProblem[],
): readonly RiskEventSubject[] {
  if (!isJsonObject(subject)) {
    problems.push({ field: place, message: 'The subject must be a JSON object' })
    return []
  }
  const problem = (field: string, message: string): undefined => {
    problems.push({ field: `${place}.${field}`, message })
  }
  const identifier = readAddress(subject['ip'], (message) => problem('ip', message))
  const level = readLevel(subject['riskLevel'], (message) => problem('riskLevel', message))
  const message = readMessage(subject['message'], (message) => problem('message', message))
  if (identifier === undefined || level === undefined) return []
  return [{ ip: identifier.slice('address:'.length), identifier, level, message }]
}

type Refuse = (message: string) => undefined

function readAddress(ip: JsonValue | undefined, refuse: Refuse): string | undefined {
  if (ip === undefined || ip === null || ip === '') return refuse(blank)
  const identifier = typeof ip === 'string' ? addressIdentifier(ip) : undefined
  return (
    identifier ??
    refuse(
      `${shown(ip)} is not a plain IPv4 or IPv6 address: no zone, port, prefix length, leading zero or missing part`,
    )
  )
}

function readLevel(given: JsonValue | undefined, refuse: Refuse): RiskLevel | undefined {
  if (given === undefined || given === null) return refuse(blank)
  const allowed = riskLevels.filter((level) => level !== 'NONE')
  const level = allowed.find((level) => level === given)
  return level ?? refuse(`${shown(given)} is not one of the allowed values: ${allowed.join(', ')}`)
}

function readMessage(given: JsonValue | undefined, refuse: Refuse): string | undefined {
  if (given === undefined || given === null || given === '') return undefined
  if (typeof given !== 'string') return refuse('The field must be a string')
  const { messageCharsMax } = riskEventLimits
  if (given.length > messageCharsMax) {
    return refuse(`The field is too long. It may have ${messageCharsMax} characters at most`)
  }
  if (!/^[a-zA-Z0-9 .\-_]*$/.test(given)) {
    return refuse('The field may contain only letters, digits, spaces, full stops, hyphens and underscores')
  }
  return given
}

/** OKTA-V14: with or without a fraction of a second, always in UTC. */
function readTime(
  event: JsonObject,
  field: 'timestamp' | 'expiresAt',
  place: string,
  problems: FieldProblem[],
): Date | undefined {
  const given = event[field]
  if (given === undefined || given === null) return undefined
  const date = typeof given === 'string' ? utcTime(given) : undefined
  if (date === undefined) {
    problems.push({
      field: `${place}.${field}`,
      message: `${shown(given)} is not a time in UTC such as 2026-01-31T12:00:00.000Z`,
    })
  }
  return date
}

function utcTime(text: string): Date | undefined {
  if (!/T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|\+00:00)$/.test(text)) return undefined
  const ms = readIsoTime(text)
  return ms === undefined ? undefined : new Date(ms)
}

function shown(value: JsonValue): string {
  return typeof value === 'string' ? `'${value.slice(0, 50)}'` : `A value that is not a string`
}

function countOf(value: JsonValue | undefined): string {
  return isJsonArray(value) ? `; it has ${value.length}` : ''
}
