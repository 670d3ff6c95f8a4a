import type { Kysely } from 'kysely'
import type { LeaseStore } from '../../base/lease.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

export function createLeaseStore(db: Kysely<DatabaseSchema>): LeaseStore {
  return {
    async take({ name, holder, now, until }) {
      const lastsMs = until.getTime() - now.getTime()
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('leases')
        .values({ name, holder, until: until.getTime() })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ holder, until: until.getTime() })
            .where((of) =>
              of.or([
                of('leases.holder', '=', holder),
                of('leases.until', '<=', now.getTime()),
                of('leases.until', '>', until.getTime() + lastsMs),
              ]),
            ),
        )
        .executeTakeFirstOrThrow()
      return (numInsertedOrUpdatedRows ?? 0n) > 0n
    },
    async end({ name, holder }) {
      await db.deleteFrom('leases').where('name', '=', name).where('holder', '=', holder).execute()
    },
  }
}
