import type { Migration } from './migration.ts'

/** Streams at transmitters, the verifications asked for, the right to work on one of them, and providers' dialects. */
export const streams: Migration = {
  name: '0006-streams',
  sqlite: [
    `CREATE TABLE streams (
      id TEXT PRIMARY KEY,
      provider_id TEXT NOT NULL UNIQUE,
      settings TEXT NOT NULL,
      sealed_secrets TEXT NOT NULL,
      push_authorization TEXT NOT NULL,
      endpoints TEXT,
      remote TEXT,
      status TEXT CHECK (status IN ('enabled', 'paused', 'disabled')),
      status_reason TEXT,
      verification_asked_at INTEGER,
      verified_at INTEGER,
      last_event_at INTEGER,
      last_poll_at INTEGER,
      checked_at INTEGER,
      last_error TEXT,
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
  ],
}
