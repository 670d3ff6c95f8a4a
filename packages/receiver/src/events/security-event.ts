import type { JsonObject } from '../base/json.ts'
import type { SubjectIdentifier } from '../set/subject-identifier.ts'
import type { caep } from './caep.ts'
import type { EventsOf } from './event-family.ts'
import type { okta } from './okta.ts'
import type { risc } from './risc.ts'
import type { ScimEventName } from './scim.ts'
import type { ssf } from './ssf.ts'

export type CaepEvent = EventsOf<typeof caep>
export type RiscEvent = EventsOf<typeof risc>
export type SsfEvent = EventsOf<typeof ssf>
export type OktaEvent = EventsOf<typeof okta>

/** An unreadable optional member, which the event's claims leave out. */
export interface LeftOutClaim {
  readonly claim: string
  /** The received value as JSON, shortened. */
  readonly value: string
  readonly problem: string
}

/** An event whose members are not read but kept as received. */
interface OpaqueEvent {
  readonly type: string
  /** Undefined when there is none, or an unreadable one. */
  readonly subject: SubjectIdentifier | undefined
  /** Milliseconds since 1970, from the event or from the token's `toe`. */
  readonly occurredAt: number | undefined
  readonly claims: JsonObject
  readonly leftOut?: undefined
}

export interface ScimEvent extends OpaqueEvent {
  readonly family: 'scim'
  readonly name: ScimEventName
}

export interface UnknownEvent extends OpaqueEvent {
  readonly family: 'unknown'
  /** The last part of the type's URI. */
  readonly name: string
}

/** One event of a SET, decoded; plain JSON. `family` and `name` determine its shape. */
export type SecurityEvent = CaepEvent | RiscEvent | SsfEvent | OktaEvent | ScimEvent | UnknownEvent
export type EventFamilyName = SecurityEvent['family']
