import { HubError } from './hub-error.ts'
import { silentMeter, type CommitKind, type Meter } from './meter.ts'

export interface GroupCommitLimits {
  /** Items per commit. */
  readonly batchMax: number
  /** Maximum number of waiting items; one more is refused with 503. */
  readonly waitingMax: number
}

export interface GroupCommit<Item, Result> extends AsyncDisposable {
  /**
   * Resolves when the item is on disk.
   * @throws HubError `hub.overloaded` when too many wait, `hub.unavailable` when storing failed and nothing was kept
   */
  append(item: Item): Promise<Result>
  /** The number of waiting items. */
  waiting(): number
}

export interface GroupCommitOptions<Item, Result> {
  /** Stores items durably, all in one commit; gives one result for each, in their order. */
  readonly commit: (items: readonly Item[]) => Promise<readonly Result[]>
  /** The error for the caller when storing fails. */
  readonly unavailable: string
  readonly limits: GroupCommitLimits
  /** Kind of the items, for metrics. */
  readonly kind: CommitKind
  readonly meter?: Pick<Meter, 'now' | 'committed'> | undefined
}

/**
 * Group commit without a timer: items that arrive during a commit form the next batch. A single item is committed at once;
 * many items share one fsync.
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): GroupCommit<Item, Result> {
  interface Waiting {
    readonly item: Item
    readonly resolve: (result: Result) => void
    readonly reject: (error: Error) => void
  }
  const { limits, kind, meter = silentMeter } = options
  let gathering: Waiting[] = []
  let committing: Promise<void> | undefined

  async function commit(batch: readonly Waiting[]): Promise<void> {
    const began = meter.now()
    try {
      const results = await options.commit(batch.map(({ item }) => item))
      meter.committed(kind, { items: batch.length, stored: true }, began)
      batch.forEach(({ resolve, reject }, at) => {
        if (at >= results.length) reject(new Error('The store left an item without an answer.'))
        else resolve(results[at] as Result) // `store` gives one result per item
      })
    } catch (error) {
      meter.committed(kind, { items: batch.length, stored: false }, began)
      const unavailable = new HubError('hub.unavailable', {
        detail: options.unavailable,
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
    append: (item) =>
      new Promise((resolve, reject) => {
        if (gathering.length >= limits.waitingMax) {
          return reject(new HubError('hub.overloaded', { retryAfterS: 1 }))
        }
        gathering.push({ item, resolve, reject })
        committing ??= Promise.resolve().then(commitAll)
      }),
    waiting: () => gathering.length,
    async [Symbol.asyncDispose]() {
      await committing
    },
  }
}
