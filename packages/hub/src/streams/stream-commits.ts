import { isHubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { StreamChange, StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { Stream } from './stream.ts'

export interface StreamCommitsDeps {
  readonly world: Pick<World, 'now'>
  readonly registry: Pick<StreamRegistry, 'find' | 'apply' | 'note'>
  readonly transaction: StreamTransaction
}

/** Stores changes and errors of streams. */
export interface StreamCommits {
  /** Changes a stream and journals it in one commit. */
  commit(
    change: Omit<StreamChange, 'stream'> & { readonly before: Stream },
    changes: Partial<Stream>,
  ): Promise<Stream>
  /** Stores the error of failed work with the stream, and rethrows it. */
  noting<T>(id: string, work: () => Promise<T>): Promise<T>
}

export function createStreamCommits({ world, registry, transaction }: StreamCommitsDeps): StreamCommits {
  return {
    async commit(
      change: Omit<StreamChange, 'stream'> & { readonly before: Stream },
      changes: Partial<Stream>,
    ): Promise<Stream> {
      const { id, providerId, createdAt, ...known } = registry.find(change.before.id) ?? change.before
      const changed = { ...changes, updatedAt: world.now() }
      const stream: Stream = { ...known, ...changed, id, providerId, createdAt }
      await transaction(async ({ stores: { streams }, journal }) => {
        await streams.update(id, changed)
        await journal.streamChanged({ ...change, stream })
      })
      return registry.apply(id, changed) ?? stream
    },
    async noting<T>(id: string, work: () => Promise<T>): Promise<T> {
      try {
        return await work()
      } catch (error) {
        await registry.note(id, {
          lastError: shownError(error),
        })
        throw error
      }
    },
  }
}

/** The error's text for display. */
export function shownError(error: unknown): string {
  return isHubError(error) ? error.detail : 'An internal error; see the log.'
}
