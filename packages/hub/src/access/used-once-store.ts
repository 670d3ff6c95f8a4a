/** Keys that may be used only once, such as the `jti` of an assertion. Held to test/contract/used-once-store.ts. */
export interface UsedOnceStore {
  /**
   * Uses a key up, durably; of several callers at once exactly one gets true.
   * @param expiresAt from then on the key is expired, whether it was used or not
   */
  useOnce(key: string, expiresAt: Date): Promise<boolean>
  /** Deletes at most `limit` keys that expired before `now`. @returns how many */
  prune(now: Date, limit: number): Promise<number>
}
