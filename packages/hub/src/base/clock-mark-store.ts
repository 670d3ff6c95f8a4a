/** Remembers, beyond restarts, how far a clock has come that nothing spoke against. Implemented in storage/, held to test/contract/clock-mark-store.test.ts. */
export interface ClockMarkStore {
  find(): Promise<Date | undefined>
  put(at: Date): Promise<void>
}
