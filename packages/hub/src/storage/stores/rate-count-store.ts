import { sql, type Kysely } from 'kysely'
import type { RateCountStore } from '../../access/rate-count-store.ts'
import type { DatabaseSchema } from '../sql/schema.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

const columns = { key: 'text', count: 'integer', until: 'integer' } as const

export function createRateCountStore(db: Kysely<DatabaseSchema>, variant: SqlVariant): RateCountStore {
  return {
    async add(counts, now) {
      const given = variant.rows(
        columns,
        counts.map(({ key, count, until }) => [key, count, until.getTime()]),
      )
      const live = sql`known.until > ${now.getTime()}`
      // In the order of keys: nodes that store counts at the same time do not deadlock.
      const { rows } = await sql<DatabaseSchema['rate_counts']>`
        INSERT INTO rate_counts AS known (key, count, until)
          SELECT key, count, until FROM ${given} AS given WHERE true ORDER BY key
        ON CONFLICT (key) DO UPDATE SET
          count = CASE WHEN ${live} THEN known.count + excluded.count ELSE excluded.count END,
          until = CASE WHEN ${live} AND known.until < excluded.until THEN known.until ELSE excluded.until END
        RETURNING key, count, until`.execute(db)
      return rows.map(({ key, count, until }) => ({ key, count, until: new Date(until) }))
    },
    async prune(now, limit) {
      const over = db
        .selectFrom('rate_counts')
        .select('key')
        .where('until', '<', now.getTime())
        .orderBy('key')
        .limit(limit)
      const { numDeletedRows } = await db
        .deleteFrom('rate_counts')
        .where('key', 'in', over)
        .where('until', '<', now.getTime()) // a new period may have started meanwhile
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}
