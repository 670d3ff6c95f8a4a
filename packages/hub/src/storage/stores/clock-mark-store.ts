import { sql, type Kysely } from 'kysely'
import type { ClockMarkStore } from '../../base/clock-mark-store.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

/** The name of the counter, which holds milliseconds since 1970. */
const name = 'clock'

export function createClockMarkStore(db: Kysely<DatabaseSchema>): ClockMarkStore {
  return {
    async find() {
      const row = await db
        .selectFrom('counters')
        .select('value')
        .where('name', '=', name)
        .where('shard', '=', 0)
        .executeTakeFirst()
      return row && new Date(row.value)
    },
    async put(at) {
      await sql`INSERT INTO counters (name, shard, value) VALUES (${name}, 0, ${at.getTime()})
        ON CONFLICT (name, shard) DO UPDATE SET value = excluded.value`.execute(db)
    },
  }
}
