import type { ApiTokenRow, ServiceAppRow } from '../sql/schema.ts'
import type { SqliteConnection } from './connection.ts'

/** The live token with each hash. @see ApiTokenStore.findLiveByHash */
export function findLiveTokens(
  connection: SqliteConnection,
  hashes: readonly string[],
): readonly (ApiTokenRow | undefined)[] {
  const find = connection.prepare('SELECT * FROM api_tokens WHERE secret_hash = ? AND revoked_at IS NULL')
  return hashes.map((hash) => find.get(hash) as ApiTokenRow | undefined) // the columns of the table
}

/** The service app with each client id. @see ServiceAppStore.find */
export function findServiceApps(
  connection: SqliteConnection,
  clientIds: readonly string[],
): readonly (ServiceAppRow | undefined)[] {
  const find = connection.prepare('SELECT * FROM service_apps WHERE client_id = ?')
  return clientIds.map((clientId) => find.get(clientId) as ServiceAppRow | undefined) // the columns of the table
}
