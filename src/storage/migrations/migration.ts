/** One numbered step of the schema. Steps are never changed once released, only followed by others. */
export interface Migration {
  /** Number and name, `0001-signals`; the order of the list is the order of the steps. */
  readonly name: string
  readonly sqlite: readonly string[]
}
