/** The result of one step of a deletion. */
export interface Deleted {
  readonly rows: number
  /** Partitions dropped whole, without a count of their rows; 0 where there are no partitions. */
  readonly parts: number
}

export const nothingDeleted: Deleted = { rows: 0, parts: 0 }
