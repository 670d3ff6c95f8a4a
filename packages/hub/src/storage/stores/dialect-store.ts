import type { Kysely } from 'kysely'
import { isDialect } from '@watchbell/receiver/set'
import type { DialectStore } from '../../streams/provider-dialects.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

export function createDialectStore(db: Kysely<DatabaseSchema>): DialectStore {
  return {
    async list() {
      const rows = await db.selectFrom('provider_dialects').selectAll().execute()
      return rows.map((row) => ({
        providerId: row.provider_id,
        dialects: texts(row.dialects).filter(isDialect), // skips dialects of later versions
        audiences: texts(row.audiences),
      }))
    },
    async set(providerId, compatibility) {
      await db.deleteFrom('provider_dialects').where('provider_id', '=', providerId).execute()
      if (compatibility === undefined) return
      const [dialects, audiences] = [compatibility.dialects, compatibility.audiences].map((list) =>
        JSON.stringify(list),
      ) as [string, string] // same length as the input
      await db
        .insertInto('provider_dialects')
        .values({ provider_id: providerId, dialects, audiences })
        .execute()
    },
  }
}

function texts(json: string): readonly string[] {
  return JSON.parse(json) as readonly string[] // as set wrote it
}
