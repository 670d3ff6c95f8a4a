import type { Numbers } from './numbers.ts'

/** The version of the format that this hub writes and reads. */
export const formatVersion = 1

/** The first line of an export. */
export interface ExportHeader {
  readonly watchbell_export: typeof formatVersion
  /** The version of Watchbell that wrote it. */
  readonly watchbell: string
  readonly database: 'sqlite' | 'postgres'
  /** ISO 8601 */
  readonly exported_at: string
  /** The schema steps of its database, in order. */
  readonly migrations: readonly string[]
}

/** Every line between the first and the last; tables in the order of `movedTables`, rows in the order of their keys. */
export interface ExportRow {
  readonly table: string
  /** All columns; bytes are hex digits. */
  readonly row: Readonly<Record<string, string | number | null>>
}

/** The last line: an export without it is incomplete. */
export interface ExportEnd {
  readonly end: {
    readonly counts: Readonly<Record<string, number>>
    readonly numbers: Numbers
  }
}

/** Why an export cannot be made, or a file cannot be imported; a message for the operator. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
}
