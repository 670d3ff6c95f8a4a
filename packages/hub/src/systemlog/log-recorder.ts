import { createGroupCommit, type GroupCommitLimits } from '../base/group-commit.ts'
import type { Meter } from '../base/meter.ts'
import type { LogEvent } from './log-event.ts'
import type { SystemLogStore } from './system-log-store.ts'

/** Adds single entries of concurrent writers, many in one commit. */
export interface LogRecorder extends AsyncDisposable {
  /**
   * Resolves when the entry is on disk.
   * @throws HubError `hub.overloaded` when too many wait, `hub.unavailable` when storing failed
   */
  record(entry: LogEvent): Promise<void>
}

const recorderLimits: GroupCommitLimits = { batchMax: 500, waitingMax: 10_000 }

export function createLogRecorder(
  systemLog: Pick<SystemLogStore, 'append'>,
  limits: GroupCommitLimits = recorderLimits,
  meter?: Pick<Meter, 'now' | 'committed'>,
): LogRecorder {
  const entries = createGroupCommit<LogEvent, void>({
    async commit(batch) {
      await systemLog.append(batch)
      return batch.map(() => undefined)
    },
    unavailable: 'What was asked could not be logged, so it is not answered; ask again.',
    limits,
    kind: 'log_entries',
    meter,
  })
  return {
    record: (entry) => entries.append(entry),
    [Symbol.asyncDispose]: () => entries[Symbol.asyncDispose](),
  }
}
