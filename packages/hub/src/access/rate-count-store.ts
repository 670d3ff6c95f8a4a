/** How often something happened within one window. */
export interface RateCount {
  /** Key of the count, chosen by the limit. */
  readonly key: string
  readonly count: number
  /** The end of the window. */
  readonly until: Date
}

/** What all nodes on one database counted together. Implemented in storage/, held to test/contract/rate-count-store.ts. */
export interface RateCountStore {
  /**
   * Adds what one node counted since it told the last time, each key once. Windows of one key that overlap become one,
   * which ends when the first of them does; one that is over gives way to the new one.
   * @returns what all nodes counted of these keys, in any order
   */
  add(counts: readonly RateCount[], now: Date): Promise<readonly RateCount[]>
  /** Forgets at most `limit` windows that ended before `now`. @returns how many */
  prune(now: Date, limit: number): Promise<number>
}
