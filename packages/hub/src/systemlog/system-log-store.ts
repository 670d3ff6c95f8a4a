import type { Deleted } from '../base/deleted.ts'
import type { LogEvent } from './log-event.ts'

/** Where a page starts, and its order. */
export type LogPosition = PersistedPosition | PublishedPosition

/** In the order in which entries were stored, oldest first. `since` starts at the first entry stored then or later. */
export type PersistedPosition =
  | { readonly order: 'persisted'; readonly since: Date }
  | { readonly order: 'persisted'; readonly after: number }

/** In the order of `published`, then in the order in which entries were stored. */
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
   * Texts, as JSON writes them, that an entry must contain in its values, letter case ignored.
   * Narrows what is read: the store may return more entries.
   */
  readonly containing?: readonly string[]
  readonly limit: number
}

export interface StoredLogEvent {
  readonly sequence: number
  readonly published: Date
  /** Undefined when the entry was examined but lacks one of the texts. */
  readonly event: LogEvent | undefined
}

/** Where the System Log lives. Implemented in storage/, held to test/contract/system-log-store.ts. */
export interface SystemLogStore {
  /**
   * Adds entries, in their order, each with a higher sequence than any entry before it. Up to 1,000 of them are added
   * all or not at all; more only inside a transaction.
   *
   * When a reader can see an entry, it can see every entry with a lower sequence: a reader that continues
   * after the highest sequence it saw misses nothing. On SQLite that holds because there is one writer: a sequence is
   * assigned and committed before the next transaction begins, and AUTOINCREMENT never repeats one. A store
   * with several writers must make sequences visible in their order.
   */
  append(entries: readonly LogEvent[]): Promise<void>
  /** Reads from a position; fewer than `limit` entries mean that there are no more for now. */
  page(query: LogPageQuery): Promise<readonly StoredLogEvent[]>
  /**
   * One small step: deletes the oldest entries before the time, `max` at most. An entry dated later than `now`, because
   * a clock was ahead, is deleted with the next stored one. Where tables have weekly partitions a whole partition is
   * dropped at once, up to a week later.
   */
  deleteBefore(published: Date, max: number, now: Date): Promise<Deleted>
}
