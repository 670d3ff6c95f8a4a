import type { Migration } from './migration.ts'

/**
 * An entity is the set of anchors that share `entity`, the number of its oldest one, and `level` and `changes_at` stand
 * on that one. Most entities have one anchor, so the indexes leave out what only joined or risky ones need.
 */
export const risk: Migration = {
  name: '0004-risk',
  sqlite: [
    `CREATE TABLE anchors (
      node INTEGER PRIMARY KEY AUTOINCREMENT,
      anchor TEXT NOT NULL UNIQUE,
      bare TEXT,
      id TEXT NOT NULL UNIQUE,
      entity INTEGER NOT NULL,
      seen_at INTEGER NOT NULL,
      ended_at INTEGER,
      recycled_at INTEGER,
      level INTEGER NOT NULL DEFAULT 0,
      changes_at INTEGER
    ) STRICT`,
    `CREATE INDEX anchors_bare ON anchors (bare) WHERE bare IS NOT NULL`,
    `CREATE INDEX anchors_joined ON anchors (entity) WHERE entity <> node`,
    `CREATE INDEX anchors_risky ON anchors (level, node) WHERE level > 0`,
    `CREATE INDEX anchors_changes ON anchors (changes_at) WHERE changes_at IS NOT NULL`,
    `CREATE TABLE loaded_users (
      node INTEGER PRIMARY KEY,
      login TEXT NOT NULL,
      display_name TEXT,
      loaded_at INTEGER NOT NULL,
      claim TEXT
    ) STRICT`,
    `CREATE TABLE claims (
      key TEXT PRIMARY KEY,
      anchors TEXT NOT NULL,
      first_at INTEGER NOT NULL,
      first_id TEXT NOT NULL,
      last_at INTEGER NOT NULL,
      last_id TEXT NOT NULL,
      refused TEXT
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE claim_anchors (
      node INTEGER NOT NULL,
      claim TEXT NOT NULL,
      PRIMARY KEY (node, claim)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX claim_anchors_claim ON claim_anchors (claim)`,
    `CREATE TABLE risk_reasons (
      node INTEGER NOT NULL,
      source TEXT NOT NULL,
      slot TEXT NOT NULL,
      claims TEXT NOT NULL,
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
      PRIMARY KEY (node, source, slot, claims)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE risk_history (
      sequence INTEGER PRIMARY KEY,
      node INTEGER NOT NULL,
      received_at INTEGER NOT NULL,
      reason TEXT NOT NULL
    ) STRICT`,
    `CREATE INDEX risk_history_node ON risk_history (node)`,
    `CREATE INDEX risk_history_received ON risk_history (received_at)`,
    `CREATE TABLE revocations (
      node INTEGER NOT NULL,
      provider_id TEXT NOT NULL,
      user_node INTEGER NOT NULL,
      device_node INTEGER NOT NULL,
      session_node INTEGER NOT NULL,
      claims TEXT NOT NULL,
      revoked_at INTEGER NOT NULL,
      received_at INTEGER NOT NULL,
      signal_id TEXT NOT NULL,
      message TEXT,
      PRIMARY KEY (node, provider_id, user_node, device_node, session_node, claims)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX revocations_received ON revocations (received_at)`,
    `CREATE TABLE signal_unmatched (
      sequence INTEGER NOT NULL,
      event INTEGER NOT NULL,
      reason TEXT NOT NULL,
      PRIMARY KEY (sequence, event)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE erasures (
      id TEXT PRIMARY KEY,
      names TEXT NOT NULL,
      place TEXT NOT NULL
    ) STRICT`,
  ],
}
