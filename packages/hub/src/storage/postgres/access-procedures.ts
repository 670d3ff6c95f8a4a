import type { ApiTokenRow, ServiceAppRow } from '../sql/schema.ts'
import type { AccessProcedures } from '../stores/sql-storage.ts'
import type { PostgresPool } from './pool.ts'

const liveTokens = 'SELECT * FROM api_tokens WHERE secret_hash = ANY ($1::text[]) AND revoked_at IS NULL'
const serviceApps = 'SELECT * FROM service_apps WHERE client_id = ANY ($1::text[])'

export function accessProcedures(pool: PostgresPool): AccessProcedures {
  const find = async <Row>(sql: string, keys: readonly string[]): Promise<readonly Row[]> => {
    const { rows } = await pool.run((connection) => connection.run(sql, [keys]))
    return rows as readonly Row[] // the columns of the table
  }
  return {
    async findLiveTokens(hashes) {
      const rows = await find<ApiTokenRow>(liveTokens, hashes)
      const byHash = new Map(rows.map((row) => [row.secret_hash, row]))
      return hashes.map((hash) => byHash.get(hash))
    },
    async findServiceApps(clientIds) {
      const rows = await find<ServiceAppRow>(serviceApps, clientIds)
      const byId = new Map(rows.map((row) => [row.client_id, row]))
      return clientIds.map((clientId) => byId.get(clientId))
    },
  }
}
