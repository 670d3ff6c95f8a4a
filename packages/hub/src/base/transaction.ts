/** The stores of a transaction, and the journal that writes System Log entries in the same commit. */
export interface Transaction<Stores, Journal = unknown> {
  readonly stores: Stores
  readonly journal: Journal
}

/**
 * Runs work in a transaction: all of it happens, or none of it. The work uses only the stores that it is given. It
 * may run again when the database asks for that, so it changes nothing else.
 */
export type Transact<Stores, Journal = unknown> = <T>(
  work: (tx: Transaction<Stores, Journal>) => Promise<T>,
) => Promise<T>
