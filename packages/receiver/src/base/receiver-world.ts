/** The receiver's clock and network access. */
export interface ReceiverWorld {
  now(): Date
  /** Milliseconds of a monotonic clock, to measure durations within this process. */
  monotonicMs(): number
  /** Fetches keys. A server should pass one that refuses private addresses and redirects. */
  fetch: typeof globalThis.fetch
}
