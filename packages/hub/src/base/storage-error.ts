/** A statement that the database refused or could not run, as rooms see it that know no database. */
export abstract class StorageError extends Error {
  /** Whether the statement's data is to blame, by the database's own word. Else it is the database, and would be with any other. */
  abstract readonly blamesData: boolean
}

/** Whether the database could not do its work, whatever it was given: nothing that was to be stored is to blame. */
export function isStorageFault(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof StorageError) return !each.blamesData
  }
  return false
}
