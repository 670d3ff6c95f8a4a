import type { Generated } from 'kysely'
import type { RiskAction } from '../risk/risk-action.ts'

/** Rows as they lie in the database. Times are milliseconds since 1970, JSON is text. */
export interface Schema {
  providers: ProviderRow
  /** Every issuer that ever was a provider's. */
  issuers: { iss: string }
  signals: SignalRow
  signal_keys: SignalKeyRow
  signal_terms: { term: number; sequence: number }
  signal_failures: { sequence: number; error: string; failed_at: number }
  inbox: { sequence: number }
  refusals: RefusalRow
  counters: { name: string; value: number }
  api_tokens: ApiTokenRow
  service_apps: ServiceAppRow
  signing_keys: SigningKeyRow
  used_once: { key: string; expires_at: number }
  log_events: LogEventRow
  risk_providers: RiskProviderRow
  /** Only of security events providers whose action was set. */
  provider_actions: { provider_id: string; action: RiskAction }
}

export interface ProviderRow {
  id: string
  name: string
  type: string
  status: 'ACTIVE' | 'INACTIVE'
  issuer: string
  jwks_url: string
  well_known_url: string | null
  created_at: number
  updated_at: number
}

export interface SignalRow {
  sequence: number
  /** 16 bytes, as in the signal's id. */
  key: Uint8Array
  provider_id: string
  iss: string
  jti: string
  issued_at: number
  received_at: number
  /** JSON array of SecurityEvent. */
  events: string
  token: string
  via: 'push' | 'poll'
  source: string | null
}

/** Apart from the wide rows, so that the one randomly ordered index stays small. */
export interface SignalKeyRow {
  /** 16 bytes, as in the signal's id. */
  key: Uint8Array
  sequence: number
  repeats: number
  repeated_at: number | null
}

export interface RefusalRow {
  sequence: number
  id: string
  /** The provider's id, or '' for issuers that nobody registered. */
  ring: string
  iss: string | null
  jti: string | null
  received_at: number
  code: string
  reason: string
  via: 'push' | 'poll'
  source: string | null
}

export interface ApiTokenRow {
  id: string
  name: string
  role: 'admin' | 'read_only'
  /** SHA-256, base64url. */
  secret_hash: string
  created_at: number
  last_used_at: number | null
  revoked_at: number | null
}

export interface ServiceAppRow {
  client_id: string
  name: string
  /** JSON array of public JWKs; null when there is a `jwks_uri`. */
  jwks: string | null
  jwks_uri: string | null
  /** Space-separated. */
  scope: string
  dpop_bound: 0 | 1
  created_at: number
  updated_at: number
}

export interface SigningKeyRow {
  kid: string
  /** JSON */
  public_jwk: string
  sealed_private_jwk: string
  created_at: number
  /** Null while it signs. */
  verifies_until: number | null
}

export interface LogEventRow {
  sequence: Generated<number>
  published: number
  /** Never falls as the sequence rises, and is never before `published`. */
  persisted: number
  event_type: string
  /** LogEvent. */
  event: string
}

export interface RiskProviderRow {
  id: string
  name: string
  client_id: string
  action: RiskAction
  created_at: number
  updated_at: number
}
