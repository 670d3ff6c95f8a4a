import { createGroupCommit, type GroupCommitLimits } from '../base/group-commit.ts'
import type { Meter } from '../base/meter.ts'
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

export const inboxLimits: GroupCommitLimits = { batchMax: 1_000, waitingMax: 10_000 }

export function createInbox(
  signals: Pick<SignalStore, 'append'>,
  limits: GroupCommitLimits = inboxLimits,
  meter?: Pick<Meter, 'now' | 'committed'>,
): Inbox {
  const sets = createGroupCommit({
    commit: (batch: readonly AcceptedSet[]) => signals.append(batch),
    unavailable: 'The SET could not be stored. It was not accepted; send it again.',
    limits,
    kind: 'sets',
    meter,
  })
  return {
    accept: (set) => sets.add(set),
    waiting: () => sets.waiting(),
    [Symbol.asyncDispose]: () => sets[Symbol.asyncDispose](),
  }
}
