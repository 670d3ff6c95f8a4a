import type { Ending } from '../subjects/partition.ts'
import { kindOf, type Identifier } from '../subjects/identifier.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'

/** One thing that a statement speaks of, by every name it is given. Several names claim to name the same. */
export interface NamedThing {
  readonly kind: string
  /** Sorted, each once. */
  readonly identifiers: readonly Identifier[]
}

/** What is said of somebody or something, and what it does. */
export interface Statement {
  readonly source: RiskSource
  /** Whose ids the source can vouch for, if it is one that has some. */
  readonly issuer?: string
  /** Settles what happened at the same moment: the same whenever it comes. */
  readonly id: string
  readonly eventType?: string
  readonly occurredAt: Date
  /** When its claims count as made, if that is another time. */
  readonly claimedAt?: Date
  readonly receivedAt: Date
  /** Everything that it names. */
  readonly things: readonly NamedThing[]
  /** Each is kept with every name of its thing. */
  readonly reasons: readonly RiskReason[]
  /** Which of the things' sessions are over. */
  readonly revokes: StatedRevocation | undefined
  readonly endings: readonly StatedEnding[]
  /** What sets a loaded user's claim apart: whose it is. */
  readonly loadedAs?: string
  /** Keys of claims that it takes back. */
  readonly withdraws?: readonly string[]
}

/** That an address or number no longer names what it named. */
export type StatedEnding = Pick<Ending, 'identifier' | 'recycled' | 'successor'>

export interface StatedRevocation {
  readonly user: Identifier | undefined
  readonly device: Identifier | undefined
  readonly session: Identifier | undefined
  readonly signalId: string
  readonly eventType: string
  readonly message: string | undefined
}

/** A statement without a signal: that one source gives one reason for each identifier. */
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
