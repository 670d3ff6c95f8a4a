import type { KeyFetchObserver } from '@watchbell/receiver/jwks'
import type { Deleted } from './deleted.ts'
import type { HubErrorCode } from './hub-error.ts'

/** Why a poll failed, by the place to look at first. */
export type PollFailure =
  | 'unreachable'
  | 'refused'
  | 'token'
  | 'unauthorized'
  | 'unknown_stream'
  | 'rate_limited'
  | 'server_error'
  | 'rejected'
  | 'unusable'
  | 'fault'

/** One poll of one stream. */
export interface PollRound {
  readonly outcome: 'progress' | 'nothing' | 'refused' | 'deferred' | 'stalled' | 'failed'
  /** The number of SETs in the answer. */
  readonly events: number
  /** For a failed poll. */
  readonly failure: PollFailure | undefined
}

/** One batch of the handler, after its commit. */
export interface HandledRound {
  /** When each of its signals was received. */
  readonly receivedAt: readonly Date[]
  /** How many of them were set aside. */
  readonly failed: number
  readonly at: Date
}

/**
 * The rooms report their work here, to be counted. The implementation keeps labels bounded: ids of providers and values of
 * closed lists, never text from a token, an address or a subject. Implemented in metrics/.
 */
export interface Meter extends Pick<KeyFetchObserver, 'keySetFetched'> {
  /** A time of a monotonic clock, to pass as `began` when the work is done. */
  now(): number
  setAccepted(providerId: string, via: 'push' | 'poll', outcome: 'stored' | 'repeated'): void
  setRefused(via: 'push' | 'poll', code: HubErrorCode): void
  /** A group commit. */
  committed(
    what: CommitKind,
    batch: { readonly items: number; readonly stored: boolean },
    began: number,
  ): void
  evaluated(outcome: 'allow' | 'challenge' | 'deny' | 'failed', began: number): void
  polled(providerId: string, round: PollRound): void
  /** A step of retention, even if it deleted nothing. */
  deleted(what: Perishable, deleted: Deleted): void
  /** The acknowledgements and errors of an answered poll request. */
  pollReported(providerId: string, reported: { readonly acks: number; readonly setErrs: number }): void
}

/** The kinds of data that retention deletes. */
export const perishables = [
  'signals',
  'tokens',
  'log_entries',
  'risk_history',
  'erasures',
  'revocations',
  'subjects',
] as const
export type Perishable = (typeof perishables)[number]

/** The kinds of items that a group commit stores. */
export type CommitKind = 'sets' | 'log_entries' | 'risk_events'

/** The handler's meter, separate because the handler may run in its own thread. */
export interface HandlerMeter {
  now(): number
  handled(round: HandledRound, began: number): void
}

const nothing = (): void => undefined

/** Counts nothing. */
export const silentMeter: Meter & HandlerMeter = {
  now: () => 0,
  setAccepted: nothing,
  setRefused: nothing,
  committed: nothing,
  keySetFetched: nothing,
  evaluated: nothing,
  polled: nothing,
  pollReported: nothing,
  deleted: nothing,
  handled: nothing,
}
