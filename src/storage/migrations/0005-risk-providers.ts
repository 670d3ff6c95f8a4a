import type { Migration } from './migration.ts'

/** Risk providers, and what the word of a security events provider counts for where it is not the default. */
export const riskProviders: Migration = {
  name: '0005-risk-providers',
  sqlite: [
    `CREATE TABLE risk_providers (
      id TEXT PRIMARY KEY,
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
  ],
}
