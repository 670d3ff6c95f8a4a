import type { Migration } from './migration.ts'

/** What tells the database of a hub from a copy of it: see base/hub-mark-store.ts. */
export const hubMarks: Migration = {
  name: '0010-hub-marks',
  sqlite: [`CREATE TABLE hub_marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`],
  postgres: [`CREATE TABLE hub_marks (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL)`],
}
