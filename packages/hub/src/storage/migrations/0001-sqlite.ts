/** The whole schema on SQLite. PostgreSQL's differences are in 0001-postgres.ts. */
export const sqliteSchema: readonly string[] = [
  `CREATE TABLE providers (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE')),
    issuer TEXT NOT NULL UNIQUE,
    jwks_url TEXT NOT NULL,
    well_known_url TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE issuers (iss TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`,
  `CREATE TABLE signals (
    sequence INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    provider_id TEXT NOT NULL,
    iss TEXT NOT NULL,
    jti TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    events TEXT NOT NULL,
    via TEXT NOT NULL,
    source TEXT
  ) STRICT`,
  `CREATE TABLE signal_tokens (sequence INTEGER PRIMARY KEY, token TEXT NOT NULL) STRICT`,
  `CREATE TABLE signal_keys (key BLOB PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE signal_repeats (
    sequence INTEGER PRIMARY KEY,
    repeats INTEGER NOT NULL,
    repeated_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE signal_terms (
    term INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (term, sequence)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE signal_failures (
    sequence INTEGER PRIMARY KEY,
    error TEXT NOT NULL,
    failed_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE inbox (sequence INTEGER PRIMARY KEY) STRICT`,
  `CREATE TABLE refusals (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    ring TEXT NOT NULL,
    proven INTEGER NOT NULL CHECK (proven IN (0, 1)),
    iss TEXT,
    jti TEXT,
    received_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    via TEXT NOT NULL,
    source TEXT
  ) STRICT`,
  `CREATE INDEX refusals_ring ON refusals (ring, proven, sequence)`,
  `CREATE TABLE counters (
    name TEXT NOT NULL,
    shard INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, shard)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'read_only')),
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT`,
  `CREATE UNIQUE INDEX api_tokens_live_name ON api_tokens (name) WHERE revoked_at IS NULL`,
  `CREATE UNIQUE INDEX api_tokens_live_secret ON api_tokens (secret_hash) WHERE revoked_at IS NULL`,
  `CREATE TABLE service_apps (
    client_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    jwks TEXT,
    jwks_uri TEXT,
    scope TEXT NOT NULL,
    dpop_bound INTEGER NOT NULL CHECK (dpop_bound IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((jwks IS NULL) <> (jwks_uri IS NULL))
  ) STRICT`,
  `CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    public_jwk TEXT NOT NULL,
    sealed_private_jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    verifies_until INTEGER
  ) STRICT`,
  `CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys (verifies_until IS NULL) WHERE verifies_until IS NULL`,
  `CREATE TABLE used_once (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE INDEX used_once_expiry ON used_once (expires_at)`,
  // The rowid (`sequence`) follows the columns of every index, so each index gives one paging order without a sort.
  // All of them grow at their end, or at the end of one event type: appending stays cheap at any size.
  `CREATE TABLE log_events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    published INTEGER NOT NULL,
    persisted INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    event TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX log_events_published ON log_events (published)`,
  `CREATE INDEX log_events_type ON log_events (event_type)`,
  `CREATE INDEX log_events_type_published ON log_events (event_type, published)`,
  // An entity is the set of identifiers that share `entity`, the number of its oldest identifier, which also has the entity's
  // `level` and `changes_at`. Most entities have one identifier, so the indexes hold only joined or risky ones.
  `CREATE TABLE identifiers (
    node INTEGER PRIMARY KEY AUTOINCREMENT,
    identifier TEXT NOT NULL UNIQUE,
    bare TEXT,
    id TEXT NOT NULL UNIQUE,
    entity INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    vouched_by TEXT,
    level INTEGER NOT NULL DEFAULT 0,
    changes_at INTEGER
  ) STRICT`,
  `CREATE INDEX identifiers_bare ON identifiers (bare) WHERE vouched_by IS NOT NULL`,
  `CREATE INDEX identifiers_joined ON identifiers (entity) WHERE entity <> node`,
  `CREATE INDEX identifiers_risky ON identifiers (level, node) WHERE level > 0`,
  `CREATE INDEX identifiers_changes ON identifiers (changes_at) WHERE changes_at IS NOT NULL`,
  `CREATE TABLE loaded_users (
    node INTEGER PRIMARY KEY,
    login TEXT NOT NULL,
    display_name TEXT,
    loaded_at INTEGER NOT NULL,
    claim TEXT
  ) STRICT`,
  `CREATE TABLE claims (
    key TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    identifiers TEXT NOT NULL,
    standing INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    first_id TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    last_id TEXT NOT NULL,
    refused TEXT
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX claims_refused ON claims (source, last_at) WHERE refused IS NOT NULL`,
  `CREATE TABLE claim_identifiers (
    node INTEGER NOT NULL,
    claim TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (node, claim)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX claim_identifiers_claim ON claim_identifiers (claim)`,
  `CREATE INDEX claim_identifiers_source ON claim_identifiers (source, claim)`,
  `CREATE TABLE endings (
    node INTEGER NOT NULL,
    source TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    recycled INTEGER NOT NULL,
    successor INTEGER,
    everybody INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (node, source, ended_at)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE memberships (
    node INTEGER NOT NULL,
    source TEXT NOT NULL,
    lasts_until INTEGER NOT NULL,
    root INTEGER NOT NULL,
    PRIMARY KEY (node, source, lasts_until)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX memberships_root ON memberships (root, source)`,
  `CREATE TABLE rejoins (source TEXT PRIMARY KEY, after TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE risk_reasons (
    node INTEGER NOT NULL,
    source TEXT NOT NULL,
    slot TEXT NOT NULL,
    id TEXT NOT NULL,
    source_kind TEXT NOT NULL,
    detection TEXT NOT NULL,
    level INTEGER NOT NULL,
    message TEXT,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at INTEGER,
    signal_id TEXT,
    event_type TEXT,
    dismissed_at INTEGER,
    PRIMARY KEY (node, source, slot)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE risk_history (
    sequence INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    reason TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX risk_history_node ON risk_history (node)`,
  `CREATE TABLE revocations (
    node INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    user_node INTEGER NOT NULL,
    device_node INTEGER NOT NULL,
    session_node INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    signal_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (node, user_node, device_node, session_node, provider_id)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE signal_unmatched (
    sequence INTEGER NOT NULL,
    event INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sequence, event)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE erasures (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    subject_id TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    names TEXT,
    place TEXT,
    deleted TEXT NOT NULL,
    rewritten TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX erasures_subject ON erasures (subject_id)`,
  `CREATE INDEX erasures_left ON erasures (number) WHERE finished_at IS NULL`,
  `CREATE INDEX erasures_done ON erasures (finished_at) WHERE finished_at IS NOT NULL`,
  // Risk providers, and the action for statements of a security events provider where it is not the default.
  `CREATE TABLE risk_providers (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL UNIQUE,
    action TEXT NOT NULL CHECK (action IN ('none', 'log_only', 'enforce_and_log')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    events_taken INTEGER NOT NULL DEFAULT 0,
    events_ignored INTEGER NOT NULL DEFAULT 0
  ) STRICT`,
  `CREATE TABLE provider_actions (
    provider_id TEXT PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('none', 'log_only', 'enforce_and_log'))
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE provider_trust (provider_id TEXT PRIMARY KEY, trust TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  // Streams at transmitters, verifications asked for, leases, and providers' dialects.
  `CREATE TABLE streams (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    provider_id TEXT NOT NULL UNIQUE,
    issuer TEXT,
    settings TEXT NOT NULL,
    sealed_secrets TEXT NOT NULL,
    push_authorization TEXT NOT NULL,
    endpoints TEXT,
    remote TEXT,
    status TEXT CHECK (status IN ('enabled', 'paused', 'disabled')),
    status_reason TEXT,
    verification_asked_at INTEGER,
    verified_at INTEGER,
    verify_not_before INTEGER,
    last_event_at INTEGER,
    last_poll_at INTEGER,
    checked_at INTEGER,
    repaired_at INTEGER,
    last_error TEXT,
    verification_error TEXT,
    poll_error TEXT,
    push_error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE stream_states (
    stream_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    used_by_jti TEXT,
    PRIMARY KEY (stream_id, hash)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE provider_dialects (
    provider_id TEXT PRIMARY KEY,
    dialects TEXT NOT NULL,
    audiences TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  // The counts of the current minute.
  `CREATE TABLE rate_counts (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  // Sign-in marks of sessions and addresses without a known start of sessions: see policy/sign-in-mark.ts.
  `CREATE TABLE sign_in_marks (
    user_key TEXT NOT NULL,
    mark_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    revocations TEXT NOT NULL,
    marked_at INTEGER NOT NULL,
    PRIMARY KEY (user_key, mark_key)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX sign_in_marks_age ON sign_in_marks (marked_at)`,
  // Distinguishes the database of a hub from a copy of it: see base/hub-mark-store.ts.
  `CREATE TABLE hub_marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
]
