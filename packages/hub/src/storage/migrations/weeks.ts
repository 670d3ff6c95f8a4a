/**
 * On PostgreSQL, tables that grow without end are partitioned by week, so that a week is deleted by dropping its parts.
 * Weeks are counted from 1970, in UTC, and are the first bits of sequences: see {@link weekBits}.
 */
/** Tables by their sequence: the System Log and the history of risk have one each. */
export const signalTables = ['signals', 'signal_tokens', 'signal_terms'] as const
export const weeklyTables = [...signalTables, 'log_events', 'risk_history'] as const
export type WeeklyTable = (typeof weeklyTables)[number]

export const weekMs = 604_800_000
/** A sequence is its week, shifted by this many bits, plus a number within the week. */
export const weekBits = 32
/** How many weeks after the current one have parts already. */
export const weeksAhead = 2

/** Everything before the week of the migration: imported rows. */
export function firstPart(table: WeeklyTable): string {
  return `CREATE TABLE ${table}_first PARTITION OF ${table}
    FOR VALUES FROM (MINVALUE) TO (first_week() << ${weekBits})`
}

/**
 * Makes the missing parts of a week; the lock lets concurrent callers check one after the other. A part is attached after
 * it was created, so appends and readers of other parts go on meanwhile.
 */
export const makeWeek: readonly string[] = [
  `CREATE FUNCTION make_week(week BIGINT) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      parent TEXT;
      part TEXT;
    BEGIN
      IF week < first_week() THEN
        RETURN;
      END IF;
      FOREACH parent IN ARRAY ARRAY['${weeklyTables.join("', '")}'] LOOP
        part := parent || '_w' || week;
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
          parent, part, week << ${weekBits}, (week + 1) << ${weekBits});
      END LOOP;
    END
  $$`,
  `SELECT make_week(first_week() + ahead) FROM generate_series(0, ${weeksAhead}) AS ahead`,
  // False when the lock is not free in time: a waiting DROP would hold up everyone behind it.
  `CREATE FUNCTION drop_part(part TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM set_config('lock_timeout', '100ms', true);
      EXECUTE format('DROP TABLE IF EXISTS %I', part);
      RETURN true;
    EXCEPTION WHEN lock_not_available THEN
      RETURN false;
    END
  $$`,
]
