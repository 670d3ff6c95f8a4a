import { lockOf } from '../postgres/locks.ts'
import type { Migration } from './migration.ts'
import { firstPart, weekBits, weekMs } from './weeks.ts'

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
    `CREATE INDEX log_events_type ON log_events (event_type)`,
    `CREATE INDEX log_events_type_published ON log_events (event_type, published)`,
  ],
  postgres: [
    `CREATE SEQUENCE log_events_sequence_seq`,
    `CREATE TABLE log_events (
      sequence BIGINT DEFAULT nextval('log_events_sequence_seq') PRIMARY KEY,
      published BIGINT NOT NULL,
      persisted BIGINT NOT NULL,
      event_type TEXT COLLATE "C" NOT NULL,
      event TEXT COLLATE "C" NOT NULL
    ) PARTITION BY RANGE (sequence)`,
    `CREATE INDEX log_events_published ON log_events (published, sequence)`,
    `CREATE INDEX log_events_type ON log_events (event_type, sequence)`,
    `CREATE INDEX log_events_type_published ON log_events (event_type, published, sequence)`,
    firstPart('log_events'),
    // Nobody takes a number without this lock, so none is given twice.
    `CREATE FUNCTION raise_log_numbers(lowest BIGINT) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM ${lockOf('log')};
        PERFORM reach_number('log_events_sequence_seq', lowest);
      END
    $$`,
    // Each statement of a function sees what was committed before it: here, by whoever had the lock before.
    `CREATE FUNCTION append_log_events(BIGINT[], BIGINT[], TEXT[], TEXT[]) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        newest BIGINT;
      BEGIN
        PERFORM ${lockOf('log')};
        newest := (SELECT last.persisted FROM log_events last ORDER BY last.sequence DESC LIMIT 1);
        PERFORM reach_week(
          'log_events_sequence_seq',
          (SELECT greatest(newest, max(given)) / ${weekMs} FROM unnest($2) AS given)
        );
        PERFORM make_week(coalesce(pg_sequence_last_value('log_events_sequence_seq'), 0) >> ${weekBits});
        INSERT INTO log_events (published, persisted, event_type, event)
          SELECT given.published, greatest(given.persisted, newest), given.event_type, given.event
          FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS given (published, persisted, event_type, event, place)
          ORDER BY given.place;
      END
    $$`,
  ],
}
