import type { Deleted } from '../base/deleted.ts'
import type { Revocation } from './revocation.ts'
import type { RiskReason } from './risk-reason.ts'
import type { KnownAbout, SpokenReason } from './risk-state.ts'

/** What is known of an entity's risk. */
export interface EntityState {
  /** By its oldest node. */
  readonly entity: number
  /** `00u…` and so on, of the oldest node. */
  readonly id: string
  readonly kind: string
  /** What people know it by: an email address where there is one. */
  readonly name: string
  /** An index into riskLevels: the level that was written down last. */
  readonly level: number
  readonly changesAt: Date | undefined
  /** The current reason of each node, source and slot, and whose words count for whom. */
  readonly known: KnownAbout
}

export interface NewRevocation extends Omit<Revocation, 'id' | 'user' | 'device' | 'session' | 'reach'> {
  readonly user: number | undefined
  readonly device: number | undefined
  readonly session: number | undefined
}

/** Where risk lives. Implemented in storage/, held to test/contract/risk-store.ts. */
export interface RiskStore {
  states(entities: readonly number[]): Promise<readonly EntityState[]>
  /** Makes each the current reason of its node, source and slot. */
  writeReasons(reasons: readonly SpokenReason[]): Promise<void>
  /** Deletes reasons that gave way: see `reasonsPerSourceMax`. */
  dropReasons(reasons: readonly SpokenReason[]): Promise<void>
  /** Keeps what was replaced, or came too late to count, from this time on. */
  addHistory(reasons: readonly SpokenReason[], at: Date): Promise<void>
  /** Newest first. */
  history(entity: number, limit: number): Promise<readonly RiskReason[]>
  /**
   * One small step: of what became history before the time the oldest, `max` at most. What is dated later than `now`,
   * because a clock was ahead, goes with what was added next. Where tables have parts for each week a whole part goes at once,
   * which may be a week later.
   */
  deleteHistoryBefore(added: Date, max: number, now: Date): Promise<Deleted>
  /** Writes levels down, and when each may next change by itself. */
  putLevels(
    levels: readonly {
      readonly entity: number
      readonly level: number
      readonly changesAt: Date | undefined
    }[],
  ): Promise<void>
  /** Entities whose level may have changed by itself, longest ago first. */
  due(now: Date, max: number): Promise<readonly number[]>
  /** Of the same members and provider only the latest is kept. */
  putRevocations(revocations: readonly NewRevocation[]): Promise<void>
}
