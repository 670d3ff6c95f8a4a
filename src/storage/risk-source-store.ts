import { sql, type Kysely } from 'kysely'
import type { KnownSource, RiskSourceStore } from '../risk/risk-sources.ts'
import type { Schema } from './schema.ts'

export function createRiskSourceStore(db: Kysely<Schema>): RiskSourceStore {
  return {
    async list() {
      const { rows } = await sql<KnownSource>`
        SELECT 'security_events_provider' AS kind, id, name, coalesce(action, 'enforce_and_log') AS action
        FROM providers LEFT JOIN provider_actions ON provider_id = id
        UNION ALL
        SELECT 'risk_provider', id, name, action FROM risk_providers`.execute(db)
      return rows
    },
    async setAction(providerId, action) {
      await db
        .insertInto('provider_actions')
        .values({ provider_id: providerId, action })
        .onConflict((conflict) => conflict.column('provider_id').doUpdateSet({ action }))
        .execute()
    },
    async forgetAction(providerId) {
      await db.deleteFrom('provider_actions').where('provider_id', '=', providerId).execute()
    },
  }
}
