import type { Kysely } from 'kysely'
import type { HubMarkStore } from '../../base/hub-mark-store.ts'
import type { DatabaseSchema } from '../sql/schema.ts'

export function createHubMarkStore(db: Kysely<DatabaseSchema>): HubMarkStore {
  return {
    async find(mark) {
      const row = await db.selectFrom('hub_marks').select('value').where('name', '=', mark).executeTakeFirst()
      return row?.value
    },
    async put(mark, value) {
      if (value === undefined) {
        await db.deleteFrom('hub_marks').where('name', '=', mark).execute()
        return
      }
      await db
        .insertInto('hub_marks')
        .values({ name: mark, value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
        .execute()
    },
  }
}
