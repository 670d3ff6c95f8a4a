import type { Kysely } from 'kysely'
import { isDialect } from '../set/dialect.ts'
import type { DialectStore } from '../streams/provider-dialects.ts'
import type { Schema } from './schema.ts'

export function createDialectStore(db: Kysely<Schema>): DialectStore {
  return {
    async list() {
      const rows = await db.selectFrom('provider_dialects').selectAll().execute()
      // A dialect that a later version knew is none to this one.
      return rows.flatMap(({ provider_id: providerId, dialect }) =>
        isDialect(dialect) ? [{ providerId, dialect }] : [],
      )
    },
    async set(providerId, dialects) {
      await db.deleteFrom('provider_dialects').where('provider_id', '=', providerId).execute()
      if (dialects.length === 0) return
      const rows = dialects.map((dialect) => ({ provider_id: providerId, dialect }))
      await db.insertInto('provider_dialects').values(rows).execute()
    },
  }
}
