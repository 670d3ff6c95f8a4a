/**
 * One numbered step of the schema. Steps are never changed once released, only followed by others; until the first release the
 * schema is one step, changed in place (docs/releases.md).
 */
export interface Migration {
  /** Number and name, `0001-schema`; the order of the list is the order of the steps. */
  readonly name: string
  readonly sqlite: readonly string[]
  /**
   * Every text is COLLATE "C": pages run by key and ranges over prefixes, as bytes have it. Unique constraints keep the
   * name that PostgreSQL gives them, `table_column_key`, also where an index stands for one: see brokenUniqueness.
   */
  readonly postgres: readonly string[]
}
