import type { Deleted } from '../base/deleted.ts'
import type {
  Acceptance,
  AcceptedSet,
  PendingSignal,
  Refusal,
  Signal,
  SignalOutcome,
  UnmatchedEvent,
} from './signal.ts'

export interface SignalQuery {
  readonly providerId?: string
  readonly iss?: string
  readonly jti?: string
  /** Event type URI. */
  readonly type?: string
  /** One value of one identifier, as `subjectTerms` gives it (an address, a `sub`, an opaque id …). */
  readonly subject?: string
  readonly outcome?: SignalOutcome
  /** Only refused ones, by whether their provider sent them. */
  readonly proven?: boolean
  /** Received at or after. */
  readonly since?: Date
  /** Received before. */
  readonly until?: Date
  /** Only signals with a smaller sequence: where the last page ended. */
  readonly before?: number
  readonly limit: number
  /** Whether the tokens come along, which lie apart from everything else; without, they are undefined. */
  readonly withTokens?: boolean
}

export interface SignalPage {
  /** Newest first. */
  readonly signals: readonly Signal[]
  /** Where the next page starts (`before`), or undefined when this was the last. */
  readonly next: number | undefined
}

/** How many of what, since the beginning; deleting old signals takes nothing away. */
export interface SignalCounts {
  readonly accepted: number
  readonly repeated: number
  readonly pending: number
  readonly failed: number
  readonly refused: readonly RefusalCount[]
}

export interface RefusalCount {
  readonly providerId: string | undefined
  readonly code: string
  readonly count: number
}

/** What handling a batch settled. */
export interface HandledBatch {
  readonly handled: readonly {
    readonly sequence: number
    readonly terms: readonly string[]
    readonly unmatched?: readonly UnmatchedEvent[]
  }[]
  readonly failed: readonly {
    readonly sequence: number
    readonly terms: readonly string[]
    readonly error: string
    readonly at: Date
  }[]
}

/** Refusals of one short while: the newest of each ring, and every one of them counted. */
export interface RefusalBatch {
  readonly kept: readonly Refusal[]
  readonly counts: readonly RefusalCount[]
  /** How many refusals each ring (a provider's proven ones, its others, or the unknown issuers together) holds. */
  readonly ringMax: number
}

/** Where signals live. Implemented in storage/, held to test/contract/signal-store.ts. */
export interface SignalStore {
  /**
   * Stores SETs durably, all in one commit; a SET whose issuer and `jti` are there already only counts as a repeat,
   * and one whose provider is no longer ACTIVE (or has another issuer now) is left out.
   * @returns one acceptance for each SET, in their order
   */
  append(sets: readonly AcceptedSet[]): Promise<readonly Acceptance[]>
  /** Keeps refusals within their rings and adds to the counters. */
  recordRefusals(batch: RefusalBatch): Promise<void>
  /**
   * One small step: of the signals received before the time the oldest, `max` at most, with everything that is kept about
   * them, so that a SET among them is new when it comes again. Those that wait for the handler stay, and what is behind
   * them. What is dated later than `now`, because a clock was ahead, goes with what was stored next. Where tables have
   * parts for each week a whole part goes at once, which may be a week later.
   */
  deleteBefore(received: Date, max: number, now: Date): Promise<Deleted>
  /** The same for the tokens alone, which are evidence. */
  deleteTokensBefore(received: Date, max: number, now: Date): Promise<Deleted>
  /** The oldest accepted SETs that wait for the handler. */
  claimOldest(max: number): Promise<readonly PendingSignal[]>
  /** Which of them still wait; inside a transaction nobody else takes them. */
  waitingAmong(sequences: readonly number[]): Promise<ReadonlySet<number>>
  /** Takes signals out of the inbox; `terms` are what the signals page can be filtered by. */
  settle(batch: HandledBatch): Promise<void>
  find(id: string): Promise<Signal | undefined>
  list(query: SignalQuery): Promise<SignalPage>
  counts(): Promise<SignalCounts>
}
