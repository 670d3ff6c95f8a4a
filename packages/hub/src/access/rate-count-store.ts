/** How often something happened within one window. */
export interface RateCount {
  /** Key of the count, chosen by the limit. */
  readonly key: string
  readonly count: number
  /** The end of the window. */
  readonly until: Date
}

/** The counts of all nodes on one database. Implemented in storage/, held to test/contract/rate-count-store.ts. */
export interface RateCountStore {
  /**
   * Adds one node's counts since its last call, each key once. Overlapping windows of one key become one,
   * which ends when the first of them does; an expired window is replaced by the new one.
   * @returns the counts of all nodes for these keys, in any order
   */
  add(counts: readonly RateCount[], now: Date): Promise<readonly RateCount[]>
  /** Deletes at most `limit` windows that ended before `now`. @returns how many */
  prune(now: Date, limit: number): Promise<number>
}
