/** What the receiver takes from outside, so that a test can hold it still: the clock and the network. */
export interface ReceiverWorld {
  now(): Date
  /** Of a clock that nobody sets and that only goes on: for how long something took or waits, within this process. */
  monotonicMs(): number
  /** Where keys are fetched from. A server should give one that refuses private addresses and redirects. */
  fetch: typeof globalThis.fetch
}
