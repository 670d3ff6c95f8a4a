import type { Kysely } from 'kysely'
import type { ApiToken, ApiTokenStore } from '../../access/api-token.ts'
import { HubError } from '../../base/hub-error.ts'
import type { ApiTokenRow, DatabaseSchema } from '../sql/schema.ts'
import { brokenUniqueness } from '../sql/sql-sessions.ts'

/** What every request with an API token needs from the database. */
export type FindLiveToken = (secretHash: string) => Promise<ApiTokenRow | undefined>

/** @param findLive - replaces the query outside transactions; not for use inside a transaction */
export function createApiTokenStore(db: Kysely<DatabaseSchema>, findLive?: FindLiveToken): ApiTokenStore {
  const live = () => db.selectFrom('api_tokens').selectAll().where('revoked_at', 'is', null)
  return {
    async insert(token, secretHash) {
      try {
        await db.insertInto('api_tokens').values(rowOf(token, secretHash)).execute()
      } catch (error) {
        if (brokenUniqueness(error) !== 'api_tokens.name') throw error
        throw new HubError('token.name_taken', { cause: error })
      }
    },
    async findLiveByHash(secretHash) {
      const row =
        findLive === undefined
          ? await live().where('secret_hash', '=', secretHash).executeTakeFirst()
          : await findLive(secretHash)
      return row && tokenOf(row)
    },
    async isRevokedHash(secretHash) {
      const revoked = db.selectFrom('api_tokens').select('id').where('revoked_at', 'is not', null)
      return (await revoked.where('secret_hash', '=', secretHash).limit(1).executeTakeFirst()) !== undefined
    },
    async find(id) {
      const row = await db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst()
      return row && tokenOf(row)
    },
    async findLiveByName(name) {
      const row = await live().where('name', '=', name).executeTakeFirst()
      return row && tokenOf(row)
    },
    async list(limit) {
      const newest = db
        .selectFrom('api_tokens')
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
      return (await newest.limit(limit).execute()).map(tokenOf)
    },
    async hasAny() {
      return (await db.selectFrom('api_tokens').select('id').limit(1).executeTakeFirst()) !== undefined
    },
    async revoke(id, at) {
      const { numUpdatedRows } = await db
        .updateTable('api_tokens')
        .set({ revoked_at: at.getTime() })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow()
      return numUpdatedRows > 0n
    },
    async markUsed(id, at) {
      await db.updateTable('api_tokens').set({ last_used_at: at.getTime() }).where('id', '=', id).execute()
    },
  }
}

function tokenOf(row: ApiTokenRow): ApiToken {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    createdAt: new Date(row.created_at),
    lastUsedAt: row.last_used_at === null ? undefined : new Date(row.last_used_at),
    expiresAt: row.expires_at === null ? undefined : new Date(row.expires_at),
    revokedAt: row.revoked_at === null ? undefined : new Date(row.revoked_at),
  }
}

function rowOf(token: ApiToken, secretHash: string): ApiTokenRow {
  return {
    id: token.id,
    name: token.name,
    role: token.role,
    secret_hash: secretHash,
    created_at: token.createdAt.getTime(),
    last_used_at: token.lastUsedAt?.getTime() ?? null,
    expires_at: token.expiresAt?.getTime() ?? null,
    revoked_at: token.revokedAt?.getTime() ?? null,
  }
}
