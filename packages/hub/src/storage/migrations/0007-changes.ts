import type { Migration } from './migration.ts'

export const changesChannel = 'watchbell_changes'

/** What a node remembers, and which of its columns other nodes need to hear of. */
const announced = {
  providers: undefined,
  issuers: undefined,
  risk_providers: 'name, client_id, action',
  provider_actions: undefined,
  provider_trust: undefined,
  streams:
    'settings, sealed_secrets, push_authorization, endpoints, remote, status, status_reason, verified_at',
  provider_dialects: undefined,
  signing_keys: undefined,
  api_tokens: 'name, role, secret_hash, revoked_at',
  service_apps: undefined,
} as const

/** Tells the other nodes on one PostgreSQL what has changed; SQLite has one node. See postgres/changes.ts. */
export const changes: Migration = {
  name: '0007-changes',
  sqlite: [],
  postgres: [
    `CREATE FUNCTION announce_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('${changesChannel}', TG_TABLE_NAME);
        RETURN NULL;
      END
    $$`,
    ...Object.entries(announced).map(
      ([table, columns]) =>
        `CREATE TRIGGER announce_change AFTER INSERT OR DELETE OR UPDATE${columns === undefined ? '' : ` OF ${columns}`}
          ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION announce_change()`,
    ),
  ],
}
