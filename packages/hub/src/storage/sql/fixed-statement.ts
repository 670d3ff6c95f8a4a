import type { CompiledQuery, Kysely, RawBuilder } from 'kysely'
import type { DatabaseSchema } from './schema.ts'
import type { Cell } from './sized-statement.ts'
import { Slot } from './slot.ts'
import type { SqlVariant } from './sql-variant.ts'

/** Values by name; a list for the variant's list functions. */
type Given = Readonly<Record<string, Cell | readonly Cell[]>>

/** Runs the statement. @returns its rows */
export type FixedStatement<G extends Given, Row> = (
  db: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  given: G,
) => Promise<readonly Row[]>

/**
 * A statement that runs with every batch of SETs. Its text is made once per database, because making it costs more than
 * running most of these statements.
 * @param text - the statement, with a slot for each value
 */
export function fixedStatement<G extends Given, Row>(
  text: (slot: (name: keyof G & string) => Slot, variant: SqlVariant) => RawBuilder<Row>,
): FixedStatement<G, Row> {
  const made = new WeakMap<SqlVariant, CompiledQuery<Row>>()
  return async (db, variant, given) => {
    let query = made.get(variant)
    if (query === undefined) made.set(variant, (query = text((name) => new Slot(name), variant).compile(db)))
    const parameters = query.parameters.map((parameter) => {
      if (!(parameter instanceof Slot)) return parameter
      const value = given[parameter.name]
      return isList(value) ? variant.list(value) : value
    })
    return (await db.executeQuery<Row>({ ...query, parameters })).rows
  }
}

function isList(value: Given[string] | undefined): value is readonly Cell[] {
  return Array.isArray(value)
}
