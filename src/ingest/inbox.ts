import { HubError } from '../base/hub-error.ts'
import type { AcceptedSet, Acceptance } from '../signals/signal.ts'
import type { SignalStore } from '../signals/signal-store.ts'

/** Makes SETs durable, many with one commit. */
export interface Inbox extends AsyncDisposable {
  /**
   * Resolves when the SET is on disk, or was there before.
   * @throws HubError `hub.overloaded` when too many wait, `hub.unavailable` when storing failed: nothing was kept
   */
  accept(set: AcceptedSet): Promise<Acceptance>
  /** How many wait to be stored. */
  waiting(): number
}

export interface InboxLimits {
  /** SETs per commit. */
  readonly batchMax: number
  /** SETs that may wait; one more is turned away with 503. */
  readonly waitingMax: number
}

export const inboxLimits: InboxLimits = { batchMax: 1_000, waitingMax: 10_000 }

interface Waiting {
  readonly set: AcceptedSet
  readonly resolve: (acceptance: Acceptance) => void
  readonly reject: (error: Error) => void
}

/**
 * Group commit without a timer: while one batch is being committed, the next gathers. An idle hub commits a single SET
 * at once; a busy one shares each fsync among all who wait for it.
 */
export function createInbox(signals: Pick<SignalStore, 'append'>, limits: InboxLimits = inboxLimits): Inbox {
  let gathering: Waiting[] = []
  let committing: Promise<void> | undefined

  async function commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const acceptances = await signals.append(batch.map(({ set }) => set))
      batch.forEach(({ resolve, reject }, index) => {
        const acceptance = acceptances[index]
        if (acceptance === undefined) reject(new Error('The store left a SET without an answer.'))
        else resolve(acceptance)
      })
    } catch (error) {
      const unavailable = new HubError('hub.unavailable', {
        detail: 'The SET could not be stored. It was not accepted; send it again.',
        retryAfterS: 5,
        cause: error,
      })
      for (const { reject } of batch) reject(unavailable)
    }
  }

  async function commitAll(): Promise<void> {
    while (gathering.length > 0) {
      const batch = gathering.slice(0, limits.batchMax)
      gathering = gathering.slice(limits.batchMax)
      await commit(batch)
    }
    committing = undefined
  }

  return {
    accept: (set) =>
      new Promise((resolve, reject) => {
        if (gathering.length >= limits.waitingMax) {
          return reject(new HubError('hub.overloaded', { retryAfterS: 1 }))
        }
        gathering.push({ set, resolve, reject })
        committing ??= Promise.resolve().then(commitAll)
      }),
    waiting: () => gathering.length,
    async [Symbol.asyncDispose]() {
      await committing
    },
  }
}
