import type { Migration } from './migration.ts'

/** What several nodes counted together. A crash may forget it: it is a minute's worth, and costs no fsync this way. */
export const rateCounts: Migration = {
  name: '0008-rate-counts',
  sqlite: [
    `CREATE TABLE rate_counts (
      key TEXT PRIMARY KEY,
      count INTEGER NOT NULL,
      until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
  postgres: [
    // Rows change in place: room in their pages, and no index over what changes every second.
    `CREATE UNLOGGED TABLE rate_counts (
      key TEXT COLLATE "C" PRIMARY KEY,
      count BIGINT NOT NULL,
      until BIGINT NOT NULL
    ) WITH (fillfactor = 50)`,
  ],
}
