import { HubError } from '../base/hub-error.ts'
import type { LogEvent } from './log-event.ts'
import type { SystemLogStore } from './system-log-store.ts'

/** Adds single entries that many write at once, many with one commit. */
export interface LogRecorder extends AsyncDisposable {
  /**
   * Resolves when the entry is on disk.
   * @throws HubError `hub.overloaded` when too many wait, `hub.unavailable` when storing failed
   */
  record(entry: LogEvent): Promise<void>
}

export interface LogRecorderLimits {
  /** Entries per commit. */
  readonly batchMax: number
  /** Entries that may wait. */
  readonly waitingMax: number
}

const recorderLimits: LogRecorderLimits = { batchMax: 500, waitingMax: 10_000 }

interface Waiting {
  readonly entry: LogEvent
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Group commit without a timer: while one batch is being committed, the next gathers. */
export function createLogRecorder(
  systemLog: Pick<SystemLogStore, 'append'>,
  limits: LogRecorderLimits = recorderLimits,
): LogRecorder {
  let gathering: Waiting[] = []
  let committing: Promise<void> | undefined

  async function commit(batch: readonly Waiting[]): Promise<void> {
    try {
      await systemLog.append(batch.map(({ entry }) => entry))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      const unavailable = new HubError('hub.unavailable', {
        detail: 'What was asked could not be logged, so it is not answered; ask again.',
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
    record: (entry) =>
      new Promise((resolve, reject) => {
        if (gathering.length >= limits.waitingMax) {
          return reject(new HubError('hub.overloaded', { retryAfterS: 1 }))
        }
        gathering.push({ entry, resolve, reject })
        committing ??= Promise.resolve().then(commitAll)
      }),
    async [Symbol.asyncDispose]() {
      await committing
    },
  }
}
