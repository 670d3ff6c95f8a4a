import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { postgresSite, sites, sqliteSite, type TransferSite } from '../../../test/transfer-databases.ts'
import { numberedColumns } from './numbers.ts'
import { movedTables, readTables, unmovedTables, type TransferTable } from './tables.ts'

/** The tables and columns in the databases' catalogues. */
const keys = {
  sqlite: sql<{ table: string; column: string }>`
    SELECT m.name AS "table", p.name AS "column" FROM sqlite_schema m JOIN pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND p.pk > 0 ORDER BY m.name, p.pk`,
  postgres: sql<{ table: string; column: string }>`
    SELECT c.relname AS "table", a.attname AS "column"
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND NOT c.relispartition
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indisprimary AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname, array_position(i.indkey::int2[], a.attnum)`,
}

async function primaryKeys(site: TransferSite): Promise<Readonly<Record<string, readonly string[]>>> {
  await using database = await site.target()
  const { rows } = await keys[database.kind].execute(database.db)
  return Object.fromEntries(
    [...Map.groupBy(rows, ({ table }) => table)].map(([table, columns]) => [
      table,
      columns.map(({ column }) => column),
    ]),
  )
}

describe.each(sites)('the tables of %s', (_, open) => {
  test('are each moved in the order of their primary key, or listed with a reason as not moved', async () => {
    await using site = await open()
    const found = await primaryKeys(site)
    expect(Object.keys(found).toSorted()).toEqual(
      [...Object.keys(movedTables), ...Object.keys(unmovedTables)].toSorted(),
    )
    for (const [table, key] of Object.entries(movedTables))
      expect([table, found[table]]).toEqual([table, key])
  })
})

test('columns have the same names, order, types and nullability on both databases', async () => {
  const tablesOf = async (open: () => Promise<TransferSite>): Promise<readonly TransferTable[]> => {
    await using site = await open()
    await using database = await site.target()
    return await readTables(database)
  }
  const [onSqlite, onPostgres] = [await tablesOf(sqliteSite), await tablesOf(postgresSite)]
  expect(onPostgres).toEqual(onSqlite)
  expect(onSqlite.filter(({ columns }) => columns.length === 0)).toEqual([])
})

test('the last number of every sequence of PostgreSQL and every AUTOINCREMENT of SQLite is moved', async () => {
  await using postgres = await postgresSite()
  await using onPostgres = await postgres.target()
  const { rows: sequences } = await sql<{ name: string }>`
    SELECT sequencename AS name FROM pg_sequences WHERE schemaname = current_schema()`.execute(onPostgres.db)
  expect(sequences.map(({ name }) => name).toSorted()).toEqual(
    [
      'arrivals',
      ...Object.entries(numberedColumns).map(([table, column]) => `${table}_${column}_seq`),
    ].toSorted(),
  )

  await using sqlite = await sqliteSite()
  await using onSqlite = await sqlite.target()
  const { rows: numbering } = await sql<{ name: string }>`
    SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' ORDER BY name`.execute(
    onSqlite.db,
  )
  expect(numbering.map(({ name }) => name)).toEqual(['erasures', 'identifiers', 'log_events'])
})
