import type { Migration } from './migration.ts'

/**
 * The rowid (`sequence`) stands behind the columns of every index, so each gives one order of paging without a sort.
 * All of them grow at their end, or at the end of one event type: appending stays cheap at any size.
 */
export const systemLog: Migration = {
  name: '0003-system-log',
  sqlite: [
    `CREATE TABLE log_events (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      published INTEGER NOT NULL,
      persisted INTEGER NOT NULL,
      event_type TEXT NOT NULL,
      event TEXT NOT NULL
    ) STRICT`,
    `CREATE INDEX log_events_published ON log_events (published)`,
    `CREATE INDEX log_events_persisted ON log_events (persisted)`,
    `CREATE INDEX log_events_type ON log_events (event_type)`,
    `CREATE INDEX log_events_type_published ON log_events (event_type, published)`,
  ],
}
