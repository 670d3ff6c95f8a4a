/** What one step of a deletion took away. */
export interface Deleted {
  readonly rows: number
  /** Parts of tables that went as a whole, rows uncounted; where there are none, 0. */
  readonly parts: number
}

export const nothingDeleted: Deleted = { rows: 0, parts: 0 }
