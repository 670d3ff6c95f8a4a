import type { Generated } from 'kysely'
import type { SignInMarkKind } from '../../policy/sign-in-mark.ts'
import type { RiskAction } from '../../risk/risk-action.ts'
import type { Standing } from '../../subjects/claim.ts'
import type { SubjectKind } from '../../subjects/identifier.ts'

/** Rows as stored in the database. Times are milliseconds since 1970, JSON is text. */
export interface DatabaseSchema {
  providers: ProviderRow
  /** Every issuer that a provider ever had. */
  issuers: { iss: string }
  signals: SignalRow
  /** The token as evidence: deleted before its signal, and when a subject in it is erased. */
  signal_tokens: { sequence: number; token: string }
  signal_keys: SignalKeyRow
  /** Only of repeated SETs. */
  signal_repeats: { sequence: number; repeats: number; repeated_at: number }
  signal_terms: { term: number; sequence: number }
  signal_failures: { sequence: number; error: string; failed_at: number }
  inbox: { sequence: number }
  refusals: RefusalRow
  /** The sum over the shards, which several writers add to without waiting for each other. */
  counters: { name: string; shard: number; value: number }
  api_tokens: ApiTokenRow
  service_apps: ServiceAppRow
  signing_keys: SigningKeyRow
  used_once: { key: string; expires_at: number }
  hub_marks: { name: string; value: string }
  rate_counts: { key: string; count: number; until: number }
  log_events: LogEventRow
  sign_in_marks: SignInMarkRow
  identifiers: IdentifierRow
  loaded_users: LoadedUserRow
  claims: ClaimRow
  /** The identifiers of claims; an ending is stored like a claim of the old and the new identifier. */
  claim_identifiers: { node: number; claim: string; source: string }
  endings: EndingRow
  memberships: MembershipRow
  /** Sources whose claims are to be processed again, from this key on: see rejoin.ts. */
  rejoins: { source: string; after: string }
  risk_reasons: RiskReasonRow
  risk_history: RiskHistoryRow
  revocations: RevocationRow
  signal_unmatched: { sequence: number; event: number; reason: string }
  erasures: ErasureRow
  risk_providers: RiskProviderRow
  /** Only of security events providers with a changed action. */
  provider_actions: { provider_id: string; action: RiskAction }
  /** JSON; only of security events providers with a changed trust. */
  provider_trust: { provider_id: string; trust: string }
  streams: StreamRow
  stream_states: { stream_id: string; hash: string; asked_at: number; used_by_jti: string | null }
  leases: { name: string; holder: string; until: number }
  /** Two JSON arrays of text. */
  provider_dialects: { provider_id: string; dialects: string; audiences: string }
}

export interface ProviderRow {
  /** In the order of registration, as for risk providers and streams. */
  number: Generated<number>
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
  via: 'push' | 'poll'
  source: string | null
}

/** Separate from the wide rows, so that the only index in random order stays small. */
export interface SignalKeyRow {
  /** 16 bytes, as in the signal's id. */
  key: Uint8Array
  sequence: number
}

export interface RefusalRow {
  sequence: number
  id: string
  /** The provider's id, or '' for unregistered issuers. */
  ring: string
  proven: 0 | 1
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
  expires_at: number | null
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
  /** Null while it is the signing key. */
  verifies_until: number | null
}

export interface LogEventRow {
  sequence: Generated<number>
  published: number
  /** Never falls as the sequence rises, and is never before `published`. */
  persisted: number
  event_type: string
  /** See log-row.ts. */
  event: string
}

export interface SignInMarkRow {
  user_key: string
  mark_key: string
  kind: SignInMarkKind
  /** JSON array of text. */
  revocations: string
  marked_at: number
}

export interface RiskProviderRow {
  number: Generated<number>
  id: string
  name: string
  client_id: string
  action: RiskAction
  created_at: number
  updated_at: number
  events_taken: Generated<number>
  events_ignored: Generated<number>
}

export interface IdentifierRow {
  node: Generated<number>
  identifier: string
  bare: string | null
  id: string
  /** The number of the entity's oldest identifier. */
  entity: number
  seen_at: number
  /** The provider whose own id this is, by its own statement, or `admin` when a loaded user has it. */
  vouched_by: string | null
  /** Of the entity, on its oldest identifier only: the last stored level, and when it may change with time. */
  level: number
  changes_at: number | null
}

export interface LoadedUserRow {
  node: number
  login: string
  display_name: string | null
  loaded_at: number
  claim: string | null
}

export interface EndingRow {
  node: number
  source: string
  ended_at: number
  recycled: number
  successor: number | null
  everybody: number
}

/** @see Membership */
export interface MembershipRow {
  node: number
  source: string
  lasts_until: number
  root: number
}

export interface ClaimRow {
  key: string
  source: string
  /** JSON array of identifiers. */
  identifiers: string
  standing: Standing
  first_at: number
  first_id: string
  last_at: number
  last_id: string
  refused: string | null
}

export interface RiskReasonRow {
  node: number
  source: string
  slot: string
  id: string
  source_kind: 'security_events_provider' | 'risk_provider' | 'admin'
  detection: string
  level: number
  message: string | null
  occurred_at: number
  received_at: number
  expires_at: number | null
  signal_id: string | null
  event_type: string | null
  dismissed_at: number | null
}

export interface RiskHistoryRow {
  sequence: Generated<number>
  node: number
  /** When it moved to the history. */
  added_at: number
  /** JSON of the reason. */
  reason: string
}

/** Absent members are 0; `node` is the session, or else the device, or else the user. */
export interface RevocationRow {
  node: number
  provider_id: string
  user_node: number
  device_node: number
  session_node: number
  revoked_at: number
  received_at: number
  signal_id: string
  event_type: string
  message: string | null
}

export interface ErasureRow {
  /** In the order of the requests. */
  number: Generated<number>
  id: string
  subject_id: string
  subject_kind: SubjectKind
  requested_at: number
  /** JSON, as are the columns from `names` on. */
  requested_by: string
  started_at: number | null
  finished_at: number | null
  /** The names to erase; null as soon as no place holds them any more. */
  names: string | null
  /** The position of its walk; null before the walk starts, and when it is done. */
  place: string | null
  deleted: string
  rewritten: string
}

export interface StreamRow {
  number: Generated<number>
  id: string
  provider_id: string
  issuer: string | null
  /** JSON, as are the other objects of a stream. */
  settings: string
  sealed_secrets: string
  push_authorization: string
  endpoints: string | null
  remote: string | null
  status: 'enabled' | 'paused' | 'disabled' | null
  status_reason: string | null
  verification_asked_at: number | null
  verified_at: number | null
  verify_not_before: number | null
  last_event_at: number | null
  last_poll_at: number | null
  checked_at: number | null
  repaired_at: number | null
  last_error: string | null
  verification_error: string | null
  poll_error: string | null
  push_error: string | null
  created_at: number
  updated_at: number
}
