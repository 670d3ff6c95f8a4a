import type { Deleted } from '../base/deleted.ts'
import type { Revocation } from './revocation.ts'
import type { RiskReason } from './risk-reason.ts'

/**
 * A reason on its way into the store. With the main one of several names `claims` is empty; with another it has the key of
 * the claim that they name the same: then it counts only while that is not believed.
 */
export interface NewReason {
  readonly node: number
  readonly reason: RiskReason
  readonly claims: readonly string[]
}

export interface StoredReason extends NewReason {
  /** False while it stands with the main name instead, or since its identifier was recycled. */
  readonly counts: boolean
}

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
  /** The current one of each node, source, slot and set of claims. */
  readonly reasons: readonly StoredReason[]
}

export interface NewRevocation extends Omit<Revocation, 'id' | 'user' | 'device' | 'session'> {
  readonly user: number | undefined
  readonly device: number | undefined
  readonly session: number | undefined
  /** As a reason has them. */
  readonly claims: readonly string[]
}

/** Where risk lives. Implemented in storage/, held to test/contract/risk-store.ts. */
export interface RiskStore {
  states(entities: readonly number[]): Promise<readonly EntityState[]>
  /** Makes each the current reason of its node, source, slot and claims. */
  writeReasons(reasons: readonly NewReason[]): Promise<void>
  /** Keeps what was replaced, or came too late to count, from this time on. */
  addHistory(reasons: readonly NewReason[], at: Date): Promise<void>
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
  /** Of the same members, provider and claims only the latest is kept. */
  putRevocations(revocations: readonly NewRevocation[]): Promise<void>
}
