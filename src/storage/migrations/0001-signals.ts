import type { Migration } from './migration.ts'

export const signals: Migration = {
  name: '0001-signals',
  sqlite: [
    `CREATE TABLE providers (
      id TEXT PRIMARY KEY,
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
      token TEXT NOT NULL,
      via TEXT NOT NULL,
      source TEXT
    ) STRICT`,
    `CREATE TABLE signal_keys (
      key BLOB PRIMARY KEY,
      sequence INTEGER NOT NULL,
      repeats INTEGER NOT NULL DEFAULT 0,
      repeated_at INTEGER
    ) STRICT, WITHOUT ROWID`,
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
      iss TEXT,
      jti TEXT,
      received_at INTEGER NOT NULL,
      code TEXT NOT NULL,
      reason TEXT NOT NULL,
      via TEXT NOT NULL,
      source TEXT
    ) STRICT`,
    `CREATE INDEX refusals_ring ON refusals (ring, sequence)`,
    `CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  ],
}
