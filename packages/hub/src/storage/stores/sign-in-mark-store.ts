import { sql, type Kysely } from 'kysely'
import type { SignInMarkStore } from '../../policy/sign-in-mark.ts'
import type { DatabaseSchema, SignInMarkRow } from '../sql/schema.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

export function createSignInMarkStore(db: Kysely<DatabaseSchema>, variant: SqlVariant): SignInMarkStore {
  return {
    async find(user, keys) {
      const { rows } = await sql<SignInMarkRow>`
        SELECT user_key, mark_key, kind, revocations FROM sign_in_marks
        WHERE user_key = ${user} AND mark_key IN ${variant.texts(keys)}`.execute(db)
      return rows.map(({ user_key: user, mark_key: key, kind, revocations }) => ({
        user,
        key,
        kind,
        revocations: JSON.parse(revocations) as readonly string[], // by `insertOnce` and `put`
      }))
    },
    async insertOnce(mark, at) {
      await db
        .insertInto('sign_in_marks')
        .values(rowOf(mark, at))
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    },
    async put(mark, at) {
      const { revocations, marked_at } = rowOf(mark, at)
      await db
        .insertInto('sign_in_marks')
        .values(rowOf(mark, at))
        .onConflict((conflict) =>
          conflict.columns(['user_key', 'mark_key']).doUpdateSet({ revocations, marked_at }),
        )
        .execute()
    },
    async keepNewest(user, kind, max) {
      const beyond = db
        .selectFrom('sign_in_marks')
        .select('mark_key')
        .where('user_key', '=', user)
        .where('kind', '=', kind)
        .orderBy('marked_at', 'desc')
        .orderBy('mark_key')
        .limit(manyMax)
        .offset(max)
      await db
        .deleteFrom('sign_in_marks')
        .where('user_key', '=', user)
        .where('mark_key', 'in', beyond)
        .execute()
    },
    async forgetUsers(users) {
      await sql`DELETE FROM sign_in_marks WHERE user_key IN ${variant.texts(users)}`.execute(db)
    },
    async prune(before, limit) {
      const { numAffectedRows = 0n } = await sql`
        DELETE FROM sign_in_marks WHERE (user_key, mark_key) IN (
          SELECT user_key, mark_key FROM sign_in_marks WHERE marked_at < ${before.getTime()}
          ORDER BY marked_at LIMIT ${limit}) AND marked_at < ${before.getTime()}`.execute(db)
      return Number(numAffectedRows)
    },
  }
}

/** How many surplus marks one `put` deletes: each adds one at most, so the surplus stays small. */
const manyMax = 100

function rowOf(mark: Parameters<SignInMarkStore['put']>[0], at: Date): SignInMarkRow {
  return {
    user_key: mark.user,
    mark_key: mark.key,
    kind: mark.kind,
    revocations: JSON.stringify(mark.revocations),
    marked_at: at.getTime(),
  }
}
