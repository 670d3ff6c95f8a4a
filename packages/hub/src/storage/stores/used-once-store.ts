import type { Kysely } from 'kysely'
import type { UsedOnceStore } from '../../access/used-once-store.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

export function createUsedOnceStore(db: Kysely<DatabaseSchema>): UsedOnceStore {
  return {
    async useOnce(key, expiresAt) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('used_once')
        .values({ key, expires_at: expiresAt.getTime() })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow()
      return numInsertedOrUpdatedRows === 1n
    },
    async prune(now, limit) {
      const expired = db
        .selectFrom('used_once')
        .select('key')
        .where('expires_at', '<', now.getTime())
        .orderBy('expires_at')
        .limit(limit)
      const { numDeletedRows } = await db
        .deleteFrom('used_once')
        .where('key', 'in', expired)
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}
