import { sql, type Kysely } from 'kysely'
import type { KnownSource, RiskSourceStore } from '../risk/risk-sources.ts'
import { fixedStatement } from './fixed-statement.ts'
import type { Schema } from './schema.ts'
import type { Words } from './words.ts'

const listSources = fixedStatement<{}, KnownSource>(
  () => sql`
    SELECT 'security_events_provider' AS kind, id, name, coalesce(action, 'enforce_and_log') AS action
    FROM providers LEFT JOIN provider_actions ON provider_id = id
    UNION ALL
    SELECT 'risk_provider', id, name, action FROM risk_providers`,
)

export function createRiskSourceStore(db: Kysely<Schema>, words: Words): RiskSourceStore {
  return {
    list: () => listSources(db, words, {}),
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
