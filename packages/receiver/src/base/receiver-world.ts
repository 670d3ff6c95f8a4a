/** The receiver's clock and network access. */
export interface ReceiverWorld {
  now(): Date
  /** Milliseconds of a monotonic clock, to measure durations within this process. */
  monotonicMs(): number
  /** Where keys are fetched from. A server should give one that refuses private addresses and redirects. */
  fetch: typeof globalThis.fetch
}
