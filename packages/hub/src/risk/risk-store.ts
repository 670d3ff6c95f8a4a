import type { Deleted } from '../base/deleted.ts'
import type { Revocation } from './revocation.ts'
import type { RiskReason } from './risk-reason.ts'
import type { KnownAbout, SpokenReason } from './risk-state.ts'

/** The stored risk of an entity. */
export interface EntityState {
  /** The number of its oldest node. */
  readonly entity: number
  /** `00u…`, `dev…` or `ses…` of the oldest node. */
  readonly id: string
  readonly kind: string
  /** For people: an email address if there is one. */
  readonly name: string
  /** The stored level, an index into riskLevels. */
  readonly level: number
  readonly changesAt: Date | undefined
  /** The current reason of each node, source and slot, and the memberships that decide where they count. */
  readonly known: KnownAbout
}

export interface NewRevocation extends Omit<Revocation, 'id' | 'user' | 'device' | 'session' | 'reach'> {
  readonly user: number | undefined
  readonly device: number | undefined
  readonly session: number | undefined
}

/** Stores risk. Implemented in storage/, held to test/contract/risk-store.ts. */
export interface RiskStore {
  states(entities: readonly number[]): Promise<readonly EntityState[]>
  /** Makes each the current reason of its node, source and slot. */
  writeReasons(reasons: readonly SpokenReason[]): Promise<void>
  /** Deletes reasons over the limit: see `reasonsPerSourceMax`. */
  dropReasons(reasons: readonly SpokenReason[]): Promise<void>
  /** Adds reasons to the history: replaced ones, and those older than the current one. */
  addHistory(reasons: readonly SpokenReason[], at: Date): Promise<void>
  /** Newest first. */
  history(entity: number, limit: number): Promise<readonly RiskReason[]>
  /**
   * One small step: deletes at most `max` of the oldest entries that were added before the time. Entries dated after `now`,
   * from a clock that was ahead, are deleted with the entries that were added next. Tables with weekly partitions drop a
   * whole partition at once, up to a week later.
   */
  deleteHistoryBefore(added: Date, max: number, now: Date): Promise<Deleted>
  /** Stores levels, and when each may next change because a reason expires. */
  putLevels(
    levels: readonly {
      readonly entity: number
      readonly level: number
      readonly changesAt: Date | undefined
    }[],
  ): Promise<void>
  /** Entities with an expired reason since the last `putLevels`, longest ago first. */
  due(now: Date, max: number): Promise<readonly number[]>
  /** Keeps only the latest of the same members and provider. */
  putRevocations(revocations: readonly NewRevocation[]): Promise<void>
}
