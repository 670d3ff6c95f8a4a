import { createGroupCommit, type GroupCommit, type GroupCommitLimits } from '../base/group-commit.ts'
import type { Meter } from '../base/meter.ts'
import type { AcceptedSet, Acceptance } from '../signals/signal.ts'
import type { SignalStore } from '../signals/signal-store.ts'

/** Appends SETs durably, many per commit. A SET that was appended before is not appended again. */
export type Inbox = GroupCommit<AcceptedSet, Acceptance>

export const inboxLimits: GroupCommitLimits = { batchMax: 1_000, waitingMax: 10_000 }

export function createInbox(
  signals: Pick<SignalStore, 'append'>,
  limits: GroupCommitLimits = inboxLimits,
  meter?: Pick<Meter, 'now' | 'committed'>,
): Inbox {
  return createGroupCommit({
    commit: (sets) => signals.append(sets),
    unavailable: 'The SET could not be stored. It was not accepted; send it again.',
    limits,
    kind: 'sets',
    meter,
  })
}
