/** `origin`: the public origin of the last hub on the database. `copied`: when a backup made this copy, ISO 8601. `written`: when a hub last wrote a probe. */
export type HubMark = 'origin' | 'copied' | 'written'

/** Distinguishes the database of a hub from a copy of it. Implemented in storage/, held to test/contract/hub-mark-store.test.ts. */
export interface HubMarkStore {
  find(mark: HubMark): Promise<string | undefined>
  /** @param value - undefined removes the mark */
  put(mark: HubMark, value: string | undefined): Promise<void>
}
