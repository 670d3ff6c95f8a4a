/** `origin`: the public origin of the hub that worked on the database last. `copied`: when a backup made this copy, ISO 8601. `written`: when a hub last tried whether it can write. */
export type HubMark = 'origin' | 'copied' | 'written'

/** Distinguishes the database of a hub from a copy of it. Implemented in storage/, held to test/contract/hub-mark-store.test.ts. */
export interface HubMarkStore {
  find(mark: HubMark): Promise<string | undefined>
  /** @param value - undefined takes the mark away */
  put(mark: HubMark, value: string | undefined): Promise<void>
}
