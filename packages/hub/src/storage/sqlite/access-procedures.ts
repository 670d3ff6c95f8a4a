import type { ApiTokenRow, ServiceAppRow } from '../sql/schema.ts'
import type { SqliteConnection } from './connection.ts'

/** For each hash the live token with it. @see ApiTokenStore.findLiveByHash */
export function findLiveTokens(
  connection: SqliteConnection,
  hashes: readonly string[],
): readonly (ApiTokenRow | undefined)[] {
  const find = connection.prepare('SELECT * FROM api_tokens WHERE secret_hash = ? AND revoked_at IS NULL')
  return hashes.map((hash) => find.get(hash) as ApiTokenRow | undefined) // the table's own shape
}

/** For each client id its service app. @see ServiceAppStore.find */
export function findServiceApps(
  connection: SqliteConnection,
  clientIds: readonly string[],
): readonly (ServiceAppRow | undefined)[] {
  const find = connection.prepare('SELECT * FROM service_apps WHERE client_id = ?')
  return clientIds.map((clientId) => find.get(clientId) as ServiceAppRow | undefined) // the table's own shape
}
