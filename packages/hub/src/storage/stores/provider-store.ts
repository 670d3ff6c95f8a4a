import type { Insertable, Kysely, Selectable } from 'kysely'
import { HubError } from '../../base/hub-error.ts'
import type { ProviderStore } from '../../providers/provider-store.ts'
import type { Provider } from '../../providers/provider.ts'
import type { ProviderRow, DatabaseSchema } from '../sql/schema.ts'
import { brokenUniqueness } from '../sql/sql-sessions.ts'

export function createProviderStore(db: Kysely<DatabaseSchema>): ProviderStore {
  const rememberIssuer = (iss: string): Promise<unknown> =>
    db
      .insertInto('issuers')
      .values({ iss })
      .onConflict((conflict) => conflict.doNothing())
      .execute()

  return {
    async list() {
      const rows = await db.selectFrom('providers').selectAll().orderBy('number').execute()
      return rows.map(providerOf)
    },
    async findById(id) {
      const row = await db.selectFrom('providers').selectAll().where('id', '=', id).executeTakeFirst()
      return row && providerOf(row)
    },
    async findByIssuer(iss) {
      const row = await db.selectFrom('providers').selectAll().where('issuer', '=', iss).executeTakeFirst()
      return row && providerOf(row)
    },
    async insert(provider) {
      await db.insertInto('providers').values(rowOf(provider)).execute().catch(refuseTaken)
      await rememberIssuer(provider.issuer)
    },
    async replace(provider) {
      const { id, ...rest } = rowOf(provider)
      const { numUpdatedRows } = await db
        .updateTable('providers')
        .set(rest)
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
        .catch(refuseTaken)
      if (numUpdatedRows === 0n) throw new HubError('provider.not_found', { facts: { id } })
      await rememberIssuer(provider.issuer)
    },
    async delete(id) {
      const { numDeletedRows } = await db
        .deleteFrom('providers')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },
  }
}

function refuseTaken(error: unknown): never {
  switch (brokenUniqueness(error)) {
    case 'providers.name':
      throw new HubError('provider.name_taken', { cause: error })
    case 'providers.issuer':
      throw new HubError('provider.issuer_taken', { cause: error })
    default:
      throw error
  }
}

function providerOf(row: Selectable<ProviderRow>): Provider {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    status: row.status,
    issuer: row.issuer,
    jwksUrl: row.jwks_url,
    wellKnownUrl: row.well_known_url ?? undefined,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

function rowOf(provider: Provider): Insertable<ProviderRow> {
  return {
    id: provider.id,
    name: provider.name,
    type: provider.type,
    status: provider.status,
    issuer: provider.issuer,
    jwks_url: provider.jwksUrl,
    well_known_url: provider.wellKnownUrl ?? null,
    created_at: provider.createdAt.getTime(),
    updated_at: provider.updatedAt.getTime(),
  }
}
