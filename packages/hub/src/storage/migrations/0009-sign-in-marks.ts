import type { Migration } from './migration.ts'

/** Sessions and addresses of which nobody says when sessions began: see policy/sign-in-mark.ts. */
export const signInMarks: Migration = {
  name: '0009-sign-in-marks',
  sqlite: [
    `CREATE TABLE sign_in_marks (
      user_key TEXT NOT NULL,
      mark_key TEXT NOT NULL,
      kind TEXT NOT NULL,
      revocations TEXT NOT NULL,
      marked_at INTEGER NOT NULL,
      PRIMARY KEY (user_key, mark_key)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX sign_in_marks_age ON sign_in_marks (marked_at)`,
  ],
  postgres: [
    `CREATE TABLE sign_in_marks (
      user_key TEXT COLLATE "C" NOT NULL,
      mark_key TEXT COLLATE "C" NOT NULL,
      kind TEXT COLLATE "C" NOT NULL,
      revocations TEXT COLLATE "C" NOT NULL,
      marked_at BIGINT NOT NULL,
      PRIMARY KEY (user_key, mark_key)
    )`,
    `CREATE INDEX sign_in_marks_age ON sign_in_marks (marked_at)`,
  ],
}
