import type { HubErrorCode } from '../base/hub-error.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'

/** How a SET came to us. */
export type Delivery = 'push' | 'poll'

/** A verified SET on its way into the inbox. */
export interface AcceptedSet {
  readonly provider: { readonly id: string; readonly issuer: string }
  readonly jti: string
  /** When the SET was issued (`iat`). */
  readonly issuedAt: Date
  readonly receivedAt: Date
  readonly events: readonly SecurityEvent[]
  /** The compact token as it came: evidence. */
  readonly token: string
  readonly via: Delivery
  /** The address it came from, when known. */
  readonly source: string | undefined
}

/** What became of an accepted SET when it was stored. */
export type Acceptance = 'stored' | 'repeated' | 'provider_inactive'

/** A SET that was not accepted, and why. */
export interface Refusal {
  /** `rfs…` */
  readonly id: string
  /** The provider whose issuer the token claims, or undefined when no provider has it. */
  readonly providerId: string | undefined
  /** Whether the provider sent it: its signature holds, or it came over the provider's own stream. */
  readonly proven: boolean
  readonly iss: string | undefined
  readonly jti: string | undefined
  readonly receivedAt: Date
  readonly code: HubErrorCode
  /** In words an administrator can act on. */
  readonly reason: string
  readonly via: Delivery
  readonly source: string | undefined
}

/** Accepted ones are `pending` until the handler has been there, then `handled`, or `failed` when it could not. */
export type SignalOutcome = 'pending' | 'handled' | 'failed' | 'refused'

/** An event that was not applied to anybody, by its place in the signal, and why. */
export interface UnmatchedEvent {
  readonly event: number
  readonly reason: string
}

/** One SET that reached us, and its verdict. */
export interface Signal {
  /** `sig` + 32 hex digits made from issuer and `jti`; `rfs…` for a refused one. */
  readonly id: string
  /** Grows in the order of storing, over accepted and refused ones. */
  readonly sequence: number
  readonly outcome: SignalOutcome
  readonly receivedAt: Date
  readonly providerId: string | undefined
  readonly iss: string | undefined
  readonly jti: string | undefined
  readonly issuedAt: Date | undefined
  readonly events: readonly SecurityEvent[]
  /** Why events led to nothing although they were handled: their subjects could not be told, say. */
  readonly unmatched: readonly UnmatchedEvent[]
  /** How often the same SET came again, and when last. */
  readonly repeats: number
  readonly repeatedAt: Date | undefined
  /** Of a refused one, whether its provider sent it. @see Refusal.proven */
  readonly proven: boolean | undefined
  /** Why it was refused, or why handling failed. */
  readonly code: string | undefined
  readonly reason: string | undefined
  readonly via: Delivery
  readonly source: string | undefined
  readonly token: string | undefined
}

/** An accepted SET whose consequences are still to be worked out. */
export interface PendingSignal {
  readonly id: string
  readonly sequence: number
  readonly provider: { readonly id: string; readonly issuer: string }
  readonly jti: string
  readonly issuedAt: Date
  readonly receivedAt: Date
  readonly events: readonly SecurityEvent[]
}
