import type { Ending } from '../subjects/partition.ts'
import { kindOf, type Identifier } from '../subjects/identifier.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'

/** One thing that a statement is about. Several identifiers claim to name the same thing. */
export interface NamedThing {
  readonly kind: string
  /** Sorted, each once. */
  readonly identifiers: readonly Identifier[]
}

/** What a source says of subjects: claims, endings, reasons and revocations of one event or request. */
export interface Statement {
  readonly source: RiskSource
  /** The issuer whose ids the source vouches for, if it has one. */
  readonly issuer?: string
  /** Orders statements of the same moment, independent of their arrival. */
  readonly id: string
  readonly eventType?: string
  readonly occurredAt: Date
  /** The time of its claims, when it differs from `occurredAt`. */
  readonly claimedAt?: Date
  readonly receivedAt: Date
  /** Everything that the statement names. */
  readonly things: readonly NamedThing[]
  /** Each reason is kept with every identifier of its thing. */
  readonly reasons: readonly RiskReason[]
  /** The sessions that are over. */
  readonly revokes: StatedRevocation | undefined
  readonly endings: readonly StatedEnding[]
  /** The sign-in name of the loaded user whose claim this is. */
  readonly loadedAs?: string
  /** Keys of earlier claims that the statement withdraws. */
  readonly withdraws?: readonly string[]
}

/** A statement that an address or number no longer names what it named. */
export type StatedEnding = Pick<Ending, 'identifier' | 'recycled' | 'successor'>

export interface StatedRevocation {
  readonly user: Identifier | undefined
  readonly device: Identifier | undefined
  readonly session: Identifier | undefined
  readonly signalId: string
  readonly eventType: string
  readonly message: string | undefined
}

/** A statement of one reason about one identifier, without a signal. */
export function statementOfReason(reason: RiskReason): Statement {
  const { source, id, occurredAt, receivedAt, identifier } = reason
  return {
    source,
    id,
    occurredAt,
    receivedAt,
    things: [{ kind: kindOf(identifier), identifiers: [identifier] }],
    reasons: [reason],
    revokes: undefined,
    endings: [],
  }
}
