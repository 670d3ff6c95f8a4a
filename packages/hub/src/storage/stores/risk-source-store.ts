import { sql, type Kysely } from 'kysely'
import type { JsonValue } from '@watchbell/receiver/base'
import type { KnownSource, RiskSourceStore } from '../../risk/risk-sources.ts'
import { defaultTrust, readSourceTrust, trustBody } from '../../risk/source-trust.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import type { DatabaseSchema } from '../sql/schema.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

type SourceRow = Pick<KnownSource, 'kind' | 'id' | 'name' | 'action'> & {
  readonly issuer: string | null
  readonly created_at: number
  readonly trust: string | null
}

const listSources = fixedStatement<{}, SourceRow>(
  () => sql`
    SELECT 'security_events_provider' AS kind, number, id, name, coalesce(action, 'enforce_and_log') AS action, issuer,
      created_at, trust
    FROM providers LEFT JOIN provider_actions ON provider_actions.provider_id = id
      LEFT JOIN provider_trust ON provider_trust.provider_id = id
    UNION ALL
    SELECT 'risk_provider', number, id, name, action, NULL, created_at, NULL FROM risk_providers
    ORDER BY kind, number`,
)

export function createRiskSourceStore(db: Kysely<DatabaseSchema>, variant: SqlVariant): RiskSourceStore {
  return {
    async list() {
      return (await listSources(db, variant, {})).map(
        ({ kind, id, name, action, issuer, created_at, trust }) => ({
          kind,
          id,
          name,
          action,
          issuer: issuer ?? undefined,
          registeredAt: new Date(created_at),
          trust: trust === null ? defaultTrust : readSourceTrust(JSON.parse(trust) as JsonValue), // by setTrust
        }),
      )
    },
    async setAction(providerId, action) {
      await db
        .insertInto('provider_actions')
        .values({ provider_id: providerId, action })
        .onConflict((conflict) => conflict.column('provider_id').doUpdateSet({ action }))
        .execute()
    },
    async setTrust(providerId, given) {
      const trust = JSON.stringify(trustBody(given))
      await db
        .insertInto('provider_trust')
        .values({ provider_id: providerId, trust })
        .onConflict((conflict) => conflict.column('provider_id').doUpdateSet({ trust }))
        .execute()
    },
    async forget(providerId) {
      await db.deleteFrom('provider_actions').where('provider_id', '=', providerId).execute()
      await db.deleteFrom('provider_trust').where('provider_id', '=', providerId).execute()
    },
    async putRejoin(source, after) {
      if (after === undefined) {
        await db.deleteFrom('rejoins').where('source', '=', source).execute()
        return
      }
      await db
        .insertInto('rejoins')
        .values({ source, after })
        .onConflict((conflict) => conflict.column('source').doUpdateSet({ after }))
        .execute()
    },
    nextRejoin: () => db.selectFrom('rejoins').selectAll().limit(1).executeTakeFirst(),
  }
}
