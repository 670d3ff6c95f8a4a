import type { Numbers } from './numbers.ts'

/** The version of the format that we write and read. */
export const formatVersion = 1

/** The first line of an export. */
export interface ExportHeader {
  readonly watchbell_export: typeof formatVersion
  /** The version that wrote it. */
  readonly watchbell: string
  readonly database: 'sqlite' | 'postgres'
  /** ISO 8601 */
  readonly exported_at: string
  /** The steps of the schema that its rows have been through, in order. */
  readonly migrations: readonly string[]
}

/** Every line between the first and the last; tables in the order of `movedTables`, rows in that of their key. */
export interface ExportRow {
  readonly table: string
  /** All columns; bytes are hex digits. */
  readonly row: Readonly<Record<string, string | number | null>>
}

/** The last line: without it an export is not whole. */
export interface ExportEnd {
  readonly end: {
    readonly counts: Readonly<Record<string, number>>
    readonly numbers: Numbers
  }
}

/** Why an export cannot be made, or a file cannot be imported, in words for whoever asked for it. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
}
