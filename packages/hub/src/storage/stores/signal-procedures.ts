import type { Acceptance } from '../../signals/signal.ts'
import type { RefusalRow, SignalRow } from '../sql/schema.ts'

/** A SET to append; it gets its sequence when it is stored. */
export interface NewSignalRow extends Omit<SignalRow, 'sequence' | 'key'> {
  /** 32 hex digits, see signal-id.ts. */
  readonly key: string
  readonly token: string
}

export interface NewRefusals {
  readonly rows: readonly Omit<RefusalRow, 'sequence'>[]
  readonly counts: readonly { readonly name: string; readonly count: number }[]
  readonly ringMax: number
}

/** Procedures that are too frequent for single statements; each runs in one transaction, beside the data. */
export interface SignalProcedures {
  /** @see SignalStore.append */
  appendSignals(rows: readonly NewSignalRow[]): Promise<readonly Acceptance[]>
  /** @see SignalStore.recordRefusals */
  recordRefusals(refusals: NewRefusals): Promise<void>
}
