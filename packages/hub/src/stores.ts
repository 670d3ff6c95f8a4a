import type { AccessStores } from './access/access-storage.ts'
import type { ClockMarkStore } from './base/clock-mark-store.ts'
import type { LeaseStore } from './base/lease.ts'
import type { HubMarkStore } from './base/hub-mark-store.ts'
import type { SignInMarkStore } from './policy/sign-in-mark.ts'
import type { ProviderStore } from './providers/provider-store.ts'
import type { RiskProviderStore } from './risk/risk-provider-store.ts'
import type { RiskReader } from './risk/risk-reader.ts'
import type { RiskSourceStore } from './risk/risk-sources.ts'
import type { RiskStore } from './risk/risk-store.ts'
import type { SignalStore } from './signals/signal-store.ts'
import type { ErasureStore } from './subjects/erasure-store.ts'
import type { SubjectStore } from './subjects/subject-store.ts'
import type { DialectStore } from './streams/provider-dialects.ts'
import type { StreamStore } from './streams/stream-store.ts'
import type { SystemLogStore } from './systemlog/system-log-store.ts'

/** Every storage port. Each is implemented once over SQL in storage/ and held to its suite in test/contract/. */
export interface Stores extends AccessStores {
  readonly providers: ProviderStore
  readonly signals: SignalStore
  readonly systemLog: SystemLogStore
  readonly riskProviders: RiskProviderStore
  readonly riskSources: RiskSourceStore
  readonly streams: StreamStore
  readonly leases: LeaseStore
  readonly dialects: DialectStore
  readonly subjects: SubjectStore
  readonly risk: RiskStore
  readonly riskReader: RiskReader
  readonly signInMarks: SignInMarkStore
  readonly erasures: ErasureStore
  readonly clockMark: ClockMarkStore
  readonly hubMarks: HubMarkStore
}

export interface Storage extends AsyncDisposable {
  /** Each call is a transaction of its own. */
  readonly stores: Stores
  /** All of `work` happens, or none of it. It must use the stores it is given, never `storage.stores`. */
  transaction<T>(work: (stores: Stores) => Promise<T>): Promise<T>
  /**
   * Tells of changes to what a hub may remember, made by whichever node: the name of the table, or `all` when some may
   * have been missed. Undefined where there is one process only. Disposing the answer ends it.
   */
  onChange?(listener: (table: string) => void): AsyncDisposable
  /**
   * Does work of which one node at a time is enough, so that others need not prepare the same. Only a saving: the work must
   * be right when two do it at once, as they may when a connection was lost.
   * @returns undefined, without doing it, while another node is at it. Undefined itself where there is one process only.
   */
  alone?<T>(task: SharedTask, work: () => Promise<T>): Promise<T | undefined>
  /** Makes the parts of tables for the next weeks, where tables have such, and begins the current one. */
  makeRoom?(now: Date): Promise<void>
  /** The clock of the database's server, where that is not ours. */
  clock?(): Promise<Date>
  /**
   * Takes what was overwritten or deleted out of every file of the database: SQLite keeps pages as they were in its write-ahead
   * log. Undefined where the files are the business of whoever runs the database.
   * @returns false while somebody reads who still needs it: to be tried again
   */
  dropOverwritten?(): Promise<boolean>
  /** How the connections of this storage are doing, where there are several; the one that `onChange` listens on is not counted. */
  poolStats?(): PoolStats
}

/** What any node may do for all of them. */
export type SharedTask = 'handling'

export interface PoolStats {
  /** Open connections, those in use and those that wait for work. */
  readonly total: number
  readonly idle: number
  /** Who waits for a connection. */
  readonly waiting: number
}
