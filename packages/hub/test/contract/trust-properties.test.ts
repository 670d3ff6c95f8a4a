import { openTemporaryPostgres } from './open-postgres.ts'
import { openTemporarySqlite } from './open-sqlite.ts'
import { trustProperties } from './trust-properties.ts'

trustProperties('SQLite', openTemporarySqlite, 40)
trustProperties('PostgreSQL', openTemporaryPostgres, 5)
