import { openTemporaryPostgres } from './open-postgres.ts'
import { openTemporarySqlite } from './open-sqlite.ts'

/** Every suite runs on each of these, on a new database for each test. */
export const databases = [
  ['SQLite', openTemporarySqlite],
  ['PostgreSQL', openTemporaryPostgres],
] as const
