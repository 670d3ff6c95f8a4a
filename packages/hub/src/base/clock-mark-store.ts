/** Keeps, across restarts, the latest time of a clock that passed its checks. Implemented in storage/, held to test/contract/clock-mark-store.test.ts. */
export interface ClockMarkStore {
  find(): Promise<Date | undefined>
  put(at: Date): Promise<void>
}
