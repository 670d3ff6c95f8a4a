import type { Deleted } from '../base/deleted.ts'
import type { LogEvent } from './log-event.ts'

/** Where a page starts, and in which order it runs. */
export type LogPosition = PersistedPosition | PublishedPosition

/** In the order in which entries were stored, oldest first. `since` starts at the first one stored then or later. */
export type PersistedPosition =
  | { readonly order: 'persisted'; readonly since: Date }
  | { readonly order: 'persisted'; readonly after: number }

/** In the order of `published`, entries of one millisecond in the order of storing. */
export interface PublishedPosition {
  readonly order: 'published'
  readonly direction: 'ascending' | 'descending'
  /** Published at or after. */
  readonly since: Date
  /** Published before. */
  readonly until: Date
  /** Where the last page ended. */
  readonly after: { readonly published: Date; readonly sequence: number } | undefined
}

export interface LogPageQuery {
  readonly position: LogPosition
  /** Only entries of these types. */
  readonly eventTypes: readonly string[] | undefined
  /**
   * The caller has no use for an entry that has one of these in none of its values, letter case aside; as JSON writes them.
   * For narrowing what is read: the store may give more.
   */
  readonly containing?: readonly string[]
  readonly limit: number
}

export interface StoredLogEvent {
  readonly sequence: number
  readonly published: Date
  /** Undefined where it lacks what was to be contained: then the entry was only looked at. */
  readonly event: LogEvent | undefined
}

/** Where the System Log lives. Implemented in storage/, held to test/contract/system-log-store.ts. */
export interface SystemLogStore {
  /**
   * Adds entries, in their order, each with a higher sequence than any entry before it. Up to 1,000 of them are added
   * all or not at all; more only inside a transaction.
   *
   * Whoever has seen an entry has seen, or could have seen, every entry with a lower sequence: a reader that goes on
   * after the highest sequence it saw misses nothing. On SQLite that holds because there is one writer: a sequence is
   * given out and committed before the next transaction begins, and AUTOINCREMENT never gives one out twice. A store
   * with several writers must see to it that sequences become visible in their order.
   */
  append(entries: readonly LogEvent[]): Promise<void>
  /** Reads on from a position; fewer than `limit` entries mean that there are no more for now. */
  page(query: LogPageQuery): Promise<readonly StoredLogEvent[]>
  /**
   * One small step: of the entries of before the time the oldest, `max` at most. What is dated later than `now`, because
   * a clock was ahead, goes with what was stored next. Where tables have parts for each week a whole part goes at once,
   * which may be a week later.
   */
  deleteBefore(published: Date, max: number, now: Date): Promise<Deleted>
}
