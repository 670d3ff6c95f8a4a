import { isJsonArray } from '../base/i-json.ts'
import { isJsonObject } from '../base/json.ts'
import type { JsonObject, JsonValue } from '../base/json.ts'
import { readEventTime } from '../set/event-time.ts'

/** What is wrong with a member, in Okta's text where Okta has one (OKTA-E20–OKTA-E22). */
export class ClaimProblem {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export const blank = new ClaimProblem('The field cannot be left blank')
const notAllowed = new ClaimProblem('Not one of the allowed values')
const wrongType = new ClaimProblem('The field is not of the expected type')
const noTime = new ClaimProblem('Not a time between 1970 and 9999')

/** One member of an event: how to read it, and when it makes the event refused. */
export interface EventClaim<T extends JsonValue, Required extends boolean> {
  readonly read: (value: JsonValue) => T | ClaimProblem
  /** Whether the event is refused without this member. */
  readonly required: Required
  /** Whether the event is refused when this member cannot be read; otherwise the member is left out and noted. */
  readonly strict: boolean
  /** Its name in refusals, when that is not the member's name in camel case (OKTA-E21). */
  readonly label: string | undefined
}

export type EventClaims = Readonly<Record<string, EventClaim<JsonValue, boolean>>>

/** The claims of an event as a table of members describes them. Other members are kept as received (SSF 1.0 §4.2.3). */
export type ReadClaims<Table extends EventClaims> = {
  readonly [Name in keyof Table as Table[Name]['required'] extends true ? Name : never]: ValueOf<Table[Name]>
} & {
  readonly [Name in keyof Table as Table[Name]['required'] extends true ? never : Name]?: ValueOf<Table[Name]>
} & JsonObject

type ValueOf<Claim> = Claim extends EventClaim<infer T, boolean> ? T : never

type Reader<T extends JsonValue> = (value: JsonValue) => T | ClaimProblem

export function requiredClaim<T extends JsonValue>(read: Reader<T>, label?: string): EventClaim<T, true> {
  return { read, required: true, strict: true, label }
}

/** A member that does not decide the event's effect: an unknown value must not make a revocation refused. */
export function optionalClaim<T extends JsonValue>(read: Reader<T>): EventClaim<T, false> {
  return { read, required: false, strict: false, label: undefined }
}

/** An optional member that decides the event's effect. */
export function decisiveClaim<T extends JsonValue>(read: Reader<T>): EventClaim<T, false> {
  return { read, required: false, strict: true, label: undefined }
}

export function anyText(value: JsonValue): string | ClaimProblem {
  return typeof value === 'string' ? value : wrongType
}

export function textUpTo(charsMax: number): Reader<string> {
  const tooLong = new ClaimProblem(`The field is longer than ${charsMax} characters`)
  return (value) => (typeof value === 'string' && value.length > charsMax ? tooLong : anyText(value))
}

export function texts(value: JsonValue): readonly string[] | ClaimProblem {
  return isJsonArray(value) && value.every((each) => typeof each === 'string') ? value : wrongType
}

export function oneOfTexts<const Allowed extends string>(...allowed: readonly Allowed[]): Reader<Allowed> {
  return (value) => {
    if (typeof value !== 'string') return wrongType
    return allowed.find((each) => each === value) ?? notAllowed
  }
}

/** Kept as received; the event's `occurredAt` is the time that was read (OKTA-E72). */
export function unixTime(value: JsonValue): number | ClaimProblem {
  if (typeof value !== 'number') return wrongType
  return readEventTime(value) === undefined ? noTime : value
}

export function someMembers(value: JsonValue): JsonObject | ClaimProblem {
  if (!isJsonObject(value)) return wrongType
  return Object.keys(value).length === 0 ? blank : value
}

/** Text by language tag (CAEP 1.0 §2). Older drafts had a plain string: its language is undetermined, `und`. */
export function localised(value: JsonValue): Readonly<Record<string, string>> | ClaimProblem {
  if (typeof value === 'string') return { und: value }
  const members = someMembers(value)
  if (members instanceof ClaimProblem) return members
  const translations = Object.entries(members)
  return translations.every((entry): entry is [string, string] => typeof entry[1] === 'string')
    ? Object.fromEntries(translations)
    : wrongType
}
