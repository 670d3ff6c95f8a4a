import { CompiledQuery, type Kysely } from 'kysely'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

/**
 * Brings the schema up to date, each step in one transaction with the mark that it was done.
 * @returns the names of the steps that were taken
 * @throws Error when the database was written by a newer Watchbell
 */
export async function migrate(db: Kysely<Schema>, now: Date): Promise<readonly string[]> {
  const run = (sql: string, ...parameters: unknown[]): CompiledQuery => CompiledQuery.raw(sql, parameters)
  await db.executeQuery(
    run(`CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT`),
  )
  return db.transaction().execute(async (tx) => {
    const { rows } = await tx.executeQuery<{ name: string }>(run('SELECT name FROM migrations'))
    const done = new Set(rows.map(({ name }) => name))
    const unknown = [...done].filter((name) => !migrations.some((step) => step.name === name))
    if (unknown.length > 0) {
      throw new Error(
        `The database was last used by a newer Watchbell (it has the step ${unknown.join(', ')}). Start that version, or restore a backup.`,
      )
    }
    const taken = migrations.filter((step) => !done.has(step.name))
    for (const step of taken) {
      for (const statement of step.sqlite) await tx.executeQuery(run(statement))
      await tx.executeQuery(run('INSERT INTO migrations VALUES (?, ?)', step.name, now.getTime()))
    }
    return taken.map(({ name }) => name)
  })
}
