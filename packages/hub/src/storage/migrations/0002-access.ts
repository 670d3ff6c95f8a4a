import type { Migration } from './migration.ts'

export const access: Migration = {
  name: '0002-access',
  sqlite: [
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
  ],
  postgres: [
    `CREATE TABLE api_tokens (
      id TEXT COLLATE "C" PRIMARY KEY,
      name TEXT COLLATE "C" NOT NULL,
      role TEXT COLLATE "C" NOT NULL CHECK (role IN ('admin', 'read_only')),
      secret_hash TEXT COLLATE "C" NOT NULL,
      created_at BIGINT NOT NULL,
      last_used_at BIGINT,
      expires_at BIGINT,
      revoked_at BIGINT
    )`,
    `CREATE UNIQUE INDEX api_tokens_name_key ON api_tokens (name) WHERE revoked_at IS NULL`,
    `CREATE UNIQUE INDEX api_tokens_secret_hash_key ON api_tokens (secret_hash) WHERE revoked_at IS NULL`,
    `CREATE TABLE service_apps (
      client_id TEXT COLLATE "C" PRIMARY KEY,
      name TEXT COLLATE "C" NOT NULL,
      jwks TEXT COLLATE "C",
      jwks_uri TEXT COLLATE "C",
      scope TEXT COLLATE "C" NOT NULL,
      dpop_bound BIGINT NOT NULL CHECK (dpop_bound IN (0, 1)),
      created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL,
      CHECK ((jwks IS NULL) <> (jwks_uri IS NULL))
    )`,
    `CREATE TABLE signing_keys (
      kid TEXT COLLATE "C" PRIMARY KEY,
      public_jwk TEXT COLLATE "C" NOT NULL,
      sealed_private_jwk TEXT COLLATE "C" NOT NULL,
      created_at BIGINT NOT NULL,
      verifies_until BIGINT
    )`,
    `CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys ((verifies_until IS NULL)) WHERE verifies_until IS NULL`,
    `CREATE TABLE used_once (key TEXT COLLATE "C" PRIMARY KEY, expires_at BIGINT NOT NULL)`,
    `CREATE INDEX used_once_expiry ON used_once (expires_at)`,
  ],
}
