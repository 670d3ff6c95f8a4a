import { lockOf } from '../postgres/locks.ts'
import type { Migration } from './migration.ts'
import { firstPart, makeWeek, weekBits, weekMs } from './weeks.ts'

const erasureIndexes = [
  `CREATE INDEX erasures_subject ON erasures (subject_id)`,
  `CREATE INDEX erasures_left ON erasures (number) WHERE finished_at IS NULL`,
  `CREATE INDEX erasures_done ON erasures (finished_at) WHERE finished_at IS NOT NULL`,
]

/**
 * An entity is the set of identifiers that share `entity`, the number of its oldest one, and `level` and `changes_at` stand
 * on that one. Most entities have one identifier, so the indexes leave out what only joined or risky ones need.
 */
export const risk: Migration = {
  name: '0004-risk',
  sqlite: [
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
    ...erasureIndexes,
  ],
  postgres: [
    // What a SET names may be longer than a B-tree's keys; its hash is not.
    `CREATE TABLE identifiers (
      node BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
      identifier TEXT COLLATE "C" NOT NULL,
      bare TEXT COLLATE "C",
      id TEXT COLLATE "C" NOT NULL UNIQUE,
      entity BIGINT NOT NULL,
      seen_at BIGINT NOT NULL,
      vouched_by TEXT COLLATE "C",
      level BIGINT NOT NULL DEFAULT 0,
      changes_at BIGINT,
      EXCLUDE USING hash (identifier WITH =)
    )`,
    `CREATE INDEX identifiers_bare ON identifiers USING hash (bare) WHERE vouched_by IS NOT NULL`,
    `CREATE INDEX identifiers_joined ON identifiers (entity) WHERE entity <> node`,
    `CREATE INDEX identifiers_risky ON identifiers (level, node) WHERE level > 0`,
    `CREATE INDEX identifiers_changes ON identifiers (changes_at) WHERE changes_at IS NOT NULL`,
    `CREATE TABLE loaded_users (
      node BIGINT PRIMARY KEY,
      login TEXT COLLATE "C" NOT NULL,
      display_name TEXT COLLATE "C",
      loaded_at BIGINT NOT NULL,
      claim TEXT COLLATE "C"
    )`,
    `CREATE TABLE claims (
      key TEXT COLLATE "C" PRIMARY KEY,
      source TEXT COLLATE "C" NOT NULL,
      identifiers TEXT COLLATE "C" NOT NULL,
      standing BIGINT NOT NULL,
      first_at BIGINT NOT NULL,
      first_id TEXT COLLATE "C" NOT NULL,
      last_at BIGINT NOT NULL,
      last_id TEXT COLLATE "C" NOT NULL,
      refused TEXT COLLATE "C"
    )`,
    `CREATE INDEX claims_refused ON claims (source, last_at) WHERE refused IS NOT NULL`,
    `CREATE TABLE claim_identifiers (
      node BIGINT NOT NULL,
      claim TEXT COLLATE "C" NOT NULL,
      source TEXT COLLATE "C" NOT NULL,
      PRIMARY KEY (node, claim)
    )`,
    `CREATE INDEX claim_identifiers_claim ON claim_identifiers (claim)`,
    `CREATE INDEX claim_identifiers_source ON claim_identifiers (source, claim)`,
    `CREATE TABLE endings (
      node BIGINT NOT NULL,
      source TEXT COLLATE "C" NOT NULL,
      ended_at BIGINT NOT NULL,
      recycled BIGINT NOT NULL,
      successor BIGINT,
      everybody BIGINT NOT NULL DEFAULT 0,
      PRIMARY KEY (node, source, ended_at)
    )`,
    `CREATE TABLE memberships (
      node BIGINT NOT NULL,
      source TEXT COLLATE "C" NOT NULL,
      lasts_until BIGINT NOT NULL,
      root BIGINT NOT NULL,
      PRIMARY KEY (node, source, lasts_until)
    )`,
    `CREATE INDEX memberships_root ON memberships (root, source)`,
    `CREATE TABLE rejoins (source TEXT COLLATE "C" PRIMARY KEY, after TEXT COLLATE "C" NOT NULL)`,
    `CREATE TABLE risk_reasons (
      node BIGINT NOT NULL,
      source TEXT COLLATE "C" NOT NULL,
      slot TEXT COLLATE "C" NOT NULL,
      id TEXT COLLATE "C" NOT NULL,
      source_kind TEXT COLLATE "C" NOT NULL,
      detection TEXT COLLATE "C" NOT NULL,
      level BIGINT NOT NULL,
      message TEXT COLLATE "C",
      occurred_at BIGINT NOT NULL,
      received_at BIGINT NOT NULL,
      expires_at BIGINT,
      signal_id TEXT COLLATE "C",
      event_type TEXT COLLATE "C",
      dismissed_at BIGINT,
      PRIMARY KEY (node, source, slot)
    )`,
    `CREATE SEQUENCE risk_history_sequence_seq`,
    `CREATE TABLE risk_history (
      sequence BIGINT DEFAULT nextval('risk_history_sequence_seq') PRIMARY KEY,
      node BIGINT NOT NULL,
      added_at BIGINT NOT NULL,
      reason TEXT COLLATE "C" NOT NULL
    ) PARTITION BY RANGE (sequence)`,
    `CREATE INDEX risk_history_node ON risk_history (node, sequence)`,
    firstPart('risk_history'),
    ...makeWeek, // of all tables that have weeks: this is the last of them
    // Whoever writes the log has its lock when they come to these: in the same order nobody waits in a circle.
    `CREATE FUNCTION append_risk_history(BIGINT[], BIGINT, TEXT[]) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        week BIGINT := greatest(
          $2 / ${weekMs},
          coalesce(pg_sequence_last_value('risk_history_sequence_seq'), 0) >> ${weekBits}
        );
      BEGIN
        IF coalesce(pg_sequence_last_value('risk_history_sequence_seq'), 0) < week << ${weekBits}
          OR to_regclass('risk_history_w' || week) IS NULL
        THEN
          PERFORM ${lockOf('log')};
          PERFORM reach_week('risk_history_sequence_seq', week);
          PERFORM make_week(week);
        END IF;
        INSERT INTO risk_history (node, added_at, reason)
          SELECT given.node, $2, given.reason
          FROM unnest($1, $3) WITH ORDINALITY AS given (node, reason, place)
          ORDER BY given.place;
      END
    $$`,
    `CREATE TABLE revocations (
      node BIGINT NOT NULL,
      provider_id TEXT COLLATE "C" NOT NULL,
      user_node BIGINT NOT NULL,
      device_node BIGINT NOT NULL,
      session_node BIGINT NOT NULL,
      revoked_at BIGINT NOT NULL,
      received_at BIGINT NOT NULL,
      signal_id TEXT COLLATE "C" NOT NULL,
      event_type TEXT COLLATE "C" NOT NULL,
      message TEXT COLLATE "C",
      PRIMARY KEY (node, user_node, device_node, session_node, provider_id)
    )`,
    `CREATE TABLE signal_unmatched (
      sequence BIGINT NOT NULL,
      event BIGINT NOT NULL,
      reason TEXT COLLATE "C" NOT NULL,
      PRIMARY KEY (sequence, event)
    )`,
    `CREATE TABLE erasures (
      number BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
      id TEXT COLLATE "C" NOT NULL UNIQUE,
      subject_id TEXT COLLATE "C" NOT NULL,
      subject_kind TEXT COLLATE "C" NOT NULL,
      requested_at BIGINT NOT NULL,
      requested_by TEXT COLLATE "C" NOT NULL,
      started_at BIGINT,
      finished_at BIGINT,
      names TEXT COLLATE "C",
      place TEXT COLLATE "C",
      deleted TEXT COLLATE "C" NOT NULL,
      rewritten TEXT COLLATE "C" NOT NULL
    )`,
    ...erasureIndexes,
  ],
}
