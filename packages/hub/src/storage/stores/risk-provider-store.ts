import type { Insertable, Kysely, Selectable } from 'kysely'
import { HubError } from '../../base/hub-error.ts'
import type { RiskProviderStore } from '../../risk/risk-provider-store.ts'
import type { RiskProvider } from '../../risk/risk-provider.ts'
import type { RiskProviderRow, DatabaseSchema } from '../sql/schema.ts'
import { brokenUniqueness } from '../sql/sql-sessions.ts'

export function createRiskProviderStore(db: Kysely<DatabaseSchema>): RiskProviderStore {
  return {
    async list() {
      const rows = await db.selectFrom('risk_providers').selectAll().orderBy('number').execute()
      return rows.map(providerOf)
    },
    async findById(id) {
      const row = await db.selectFrom('risk_providers').selectAll().where('id', '=', id).executeTakeFirst()
      return row && providerOf(row)
    },
    async findByClientId(clientId) {
      const row = await db
        .selectFrom('risk_providers')
        .selectAll()
        .where('client_id', '=', clientId)
        .executeTakeFirst()
      return row && providerOf(row)
    },
    async insert(provider) {
      await db.insertInto('risk_providers').values(rowOf(provider)).execute().catch(refuseTaken)
    },
    async replace(provider) {
      const { id, ...rest } = rowOf(provider)
      const { numUpdatedRows } = await db
        .updateTable('risk_providers')
        .set(rest)
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
        .catch(refuseTaken)
      if (numUpdatedRows === 0n) throw new HubError('risk_provider.not_found', { facts: { id } })
    },
    async delete(id) {
      const { numDeletedRows } = await db
        .deleteFrom('risk_providers')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },
    async count(id, { taken, ignored }) {
      await db
        .updateTable('risk_providers')
        .set((row) => ({
          events_taken: row('events_taken', '+', taken),
          events_ignored: row('events_ignored', '+', ignored),
        }))
        .where('id', '=', id)
        .execute()
    },
    async counts() {
      const rows = await db
        .selectFrom('risk_providers')
        .select(['id', 'events_taken as taken', 'events_ignored as ignored'])
        .execute()
      return new Map(rows.map(({ id, taken, ignored }) => [id, { taken, ignored }]))
    },
  }
}

function refuseTaken(error: unknown): never {
  switch (brokenUniqueness(error)) {
    case 'risk_providers.name':
      throw new HubError('risk_provider.name_taken', { cause: error })
    case 'risk_providers.client_id':
      throw new HubError('risk_provider.client_taken', { cause: error })
    default:
      throw error
  }
}

function providerOf(row: Selectable<RiskProviderRow>): RiskProvider {
  return {
    id: row.id,
    name: row.name,
    clientId: row.client_id,
    action: row.action,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

function rowOf(provider: RiskProvider): Insertable<RiskProviderRow> {
  return {
    id: provider.id,
    name: provider.name,
    client_id: provider.clientId,
    action: provider.action,
    created_at: provider.createdAt.getTime(),
    updated_at: provider.updatedAt.getTime(),
  }
}
