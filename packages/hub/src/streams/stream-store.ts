import type { Stream } from './stream.ts'

/** Members that change; those that are not there stay as they are. */
export type StreamChanges = {
  readonly [Member in Exclude<keyof Stream, 'id' | 'providerId' | 'createdAt'>]?: Stream[Member]
}

/** Where streams live. Implemented in storage/, held to test/contract/stream-store.ts. */
export interface StreamStore {
  /** All of them, in the order of creation. */
  list(): Promise<readonly Stream[]>
  findByProvider(providerId: string): Promise<Stream | undefined>
  /** @throws HubError `stream.exists` when the provider has one */
  insert(stream: Stream): Promise<void>
  /** Changes these members and no others, so that those who change different ones do not undo each other's work. */
  update(id: string, changes: StreamChanges): Promise<void>
  /** With its verification states. @returns whether it was there. */
  delete(id: string): Promise<boolean>
  deleteOfProvider(providerId: string): Promise<void>

  /** Remembers a verification that we ask for; older ones than `keepSince` are forgotten. */
  addState(state: {
    readonly streamId: string
    readonly hash: string
    readonly at: Date
    readonly keepSince: Date
  }): Promise<void>
  /**
   * Uses a state up for one SET. The same SET may come again.
   * @returns false when we never asked with it, or another SET has used it
   */
  useState(state: {
    readonly streamId: string
    readonly hash: string
    readonly jti: string
  }): Promise<boolean>
}
