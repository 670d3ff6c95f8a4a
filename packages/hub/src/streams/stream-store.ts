import type { Stream } from './stream.ts'

/** Members to change; absent members stay. */
export type StreamChanges = {
  readonly [Member in Exclude<keyof Stream, 'id' | 'providerId' | 'createdAt'>]?: Stream[Member]
}

/** Stores streams. Implemented in storage/, held to test/contract/stream-store.ts. */
export interface StreamStore {
  /** All streams, in the order of creation. */
  list(): Promise<readonly Stream[]>
  findByProvider(providerId: string): Promise<Stream | undefined>
  /** @throws HubError `stream.exists` when the provider has one */
  insert(stream: Stream): Promise<void>
  /** Changes only these members, so that concurrent changes of different members do not undo each other. */
  update(id: string, changes: StreamChanges): Promise<void>
  /** With its verification states. @returns whether it was there. */
  delete(id: string): Promise<boolean>
  deleteOfProvider(providerId: string): Promise<void>

  /** Stores a verification state that we send; forgets those older than `keepSince`. */
  addState(state: {
    readonly streamId: string
    readonly hash: string
    readonly at: Date
    readonly keepSince: Date
  }): Promise<void>
  /**
   * Uses up a state for one SET. The same SET may use it again.
   * @returns false when we never sent the state, or another SET has used it
   */
  useState(state: {
    readonly streamId: string
    readonly hash: string
    readonly jti: string
  }): Promise<boolean>
}
