import { CompiledQuery, type Kysely } from 'kysely'
import { migrations } from './index.ts'
import type { Migration } from './migration.ts'
import { lockOf } from '../postgres/locks.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

/** The statements of each database around the steps. */
const surroundings = {
  sqlite: {
    before: [
      'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT',
    ],
    record: 'INSERT INTO migrations (name, applied_at) VALUES (?, ?)',
  },
  postgres: {
    // Nodes that start at once wait here without a time limit, and then find no step left.
    before: [
      `SELECT ${lockOf('migrations')}`,
      'CREATE TABLE IF NOT EXISTS migrations (name TEXT COLLATE "C" PRIMARY KEY, applied_at BIGINT NOT NULL)',
    ],
    record: 'INSERT INTO migrations (name, applied_at) VALUES ($1, $2)',
  },
} as const satisfies Record<Exclude<keyof Migration, 'name'>, object>

/**
 * Brings the schema up to date: runs all missing steps in one transaction, and records each of them.
 * @returns the names of the steps that ran
 * @throws Error when a newer Watchbell wrote the database
 */
export async function migrate(
  db: Kysely<DatabaseSchema>,
  database: keyof typeof surroundings,
  now: Date,
): Promise<readonly string[]> {
  const run = (sql: string, ...parameters: unknown[]): CompiledQuery => CompiledQuery.raw(sql, parameters)
  const { before, record } = surroundings[database]
  return db.transaction().execute(async (tx) => {
    for (const statement of before) await tx.executeQuery(run(statement))
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
      for (const statement of step[database]) await tx.executeQuery(run(statement))
      await tx.executeQuery(run(record, step.name, now.getTime()))
    }
    return taken.map(({ name }) => name)
  })
}
