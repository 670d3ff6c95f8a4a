import { postgresSchema } from './0001-postgres.ts'
import { sqliteSchema } from './0001-sqlite.ts'
import type { Migration } from './migration.ts'

/** Every step of the schema, in order. */
export const migrations: readonly Migration[] = [
  { name: '0001-schema', sqlite: sqliteSchema, postgres: postgresSchema },
]
