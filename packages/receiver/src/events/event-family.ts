import type { JsonObject } from '../base/json.ts'
import type { SubjectIdentifier } from '../set/subject-identifier.ts'
import type { EventClaims, ReadClaims } from './event-claims.ts'
import type { LeftOutClaim } from './security-event.ts'

/** One event type: its title, its members and a valid example. */
export interface EventType<Claims extends EventClaims = EventClaims> {
  readonly title: string
  readonly claims: Claims
  readonly example: JsonObject
  /** The type that replaces this one (RISC 1.0 §2.11). */
  readonly aliasOf?: string
}

/** The event types of one specification, by the last part of their URI. */
export interface EventFamily<
  Family extends string = string,
  Prefix extends string = string,
  Types extends Readonly<Record<string, EventType>> = Readonly<Record<string, EventType>>,
> {
  readonly family: Family
  readonly prefix: Prefix
  /** Which subject counts when both are present: the token's `sub_id` (SSF 1.0 §3.1) or the event's `subject` (OKTA-E44, OKTA-E75). */
  readonly subjectFrom: 'token' | 'event'
  readonly types: Types
}

/** The decoded events of a family: one shape per type. */
export type EventsOf<Of extends EventFamily> = {
  [Name in keyof Of['types'] & string]: {
    readonly type: `${Of['prefix']}${Name}`
    readonly family: Of['family']
    readonly name: Name
    readonly subject: SubjectIdentifier
    /** Milliseconds since 1970, from the event or from the token's `toe`. */
    readonly occurredAt: number | undefined
    readonly claims: ReadClaims<Of['types'][Name]['claims']>
    /** Absent when no member was left out. */
    readonly leftOut?: readonly LeftOutClaim[]
  }
}[keyof Of['types'] & string]
