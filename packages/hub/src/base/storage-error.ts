/** A statement that the database refused or could not run, for rooms that know no database. */
export abstract class StorageError extends Error {
  /** Whether the database blames the statement's data. Otherwise the database failed and would have failed with any data. */
  abstract readonly blamesData: boolean
}

/** Whether the database failed for a reason other than the data to store. */
export function isStorageFault(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof StorageError) return !each.blamesData
  }
  return false
}
