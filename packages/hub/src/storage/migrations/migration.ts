/**
 * One numbered step of the schema. A released step never changes; new steps follow it. Until the first release the
 * schema is one step, changed in place (docs/releases.md).
 */
export interface Migration {
  /** Number and name, `0001-schema`; the order of the list is the order of the steps. */
  readonly name: string
  readonly sqlite: readonly string[]
  /**
   * Every text is COLLATE "C": paging by key and prefix ranges need the order of bytes. Unique constraints keep
   * PostgreSQL's own names, `table_column_key`, also where an index replaces one: see brokenUniqueness.
   */
  readonly postgres: readonly string[]
}
