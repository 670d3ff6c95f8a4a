import { setTimeout } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { nothingDeleted, type Deleted } from '../../base/deleted.ts'
import { goneFailures, rowDeletions, type Deletions, type DeletionStep } from '../stores/deletions.ts'
import { weekBits, weekMs, weeksAhead, type WeeklyTable } from '../migrations/weeks.ts'
import type { DatabaseSchema } from '../sql/schema.ts'
import { SqlError } from '../sql/sql-sessions.ts'
import { numberAt } from '../sql/number-at.ts'
import { postgresVariant } from '../sql/sql-variant.ts'
import { retried } from './errors.ts'
import type { PostgresConnection, PostgresPool } from './pool.ts'

/** The SEQUENCEs that number weekly tables. */
const numberings = ['arrivals', 'log_events_sequence_seq', 'risk_history_sequence_seq'] as const
type Numbering = (typeof numberings)[number]

const dayMs = 86_400_000
/** Other statements hold a part only briefly. When an export holds it for long, a later round drops it. */
const dropTriesMax = 5
const dropPauseMs = 200

export const weekOf = (ms: number): number => Math.floor(ms / weekMs)
const firstSequenceOf = (week: number): number => week * 2 ** weekBits

/** Whether a row had no part: weekly tables have no other checks. */
export function isWithoutPart(error: unknown): boolean {
  return error instanceof SqlError && error.code === '23514'
}

function isGone(error: unknown): boolean {
  // The second is the error of a DROP whose table was dropped while it waited for the parent's lock.
  return (
    error instanceof SqlError &&
    (error.code === '42P01' ||
      (error.code === 'XX000' && error.message.startsWith('could not find tuple for parent of relation')))
  )
}

/** Makes the parts of this week, or of the week of the numbering when that is later. */
export async function makeWeekOf(
  connection: PostgresConnection,
  numbering: Numbering,
  week: number,
): Promise<void> {
  await connection.run(
    `SELECT make_week(greatest($1, coalesce(pg_sequence_last_value($2::text::regclass), 0) >> ${weekBits}))`,
    [week, numbering],
  )
}

/** Makes the parts of the current week and of the next ones. */
export async function makeWeeks(pool: PostgresPool, now: Date): Promise<void> {
  const make = `SELECT make_week($1 + ahead) FROM generate_series(0, ${weeksAhead}) AS ahead`
  await pool.run((connection) => connection.run(make, [weekOf(now.getTime())]))
}

/** Ends the previous week also when no rows come. @see Storage.makeRoom */
export async function makeRoom(pool: PostgresPool, now: Date): Promise<void> {
  await makeWeeks(pool, now)
  const begin = `SELECT ${numberings.map((numbering) => `reach_week('${numbering}', $1)`).join(', ')}`
  await pool.run((connection) => connection.run(begin, [weekOf(now.getTime())]))
}

/** At the start of a hub; limited by the server's clock, in case this node's is ahead. @see numberAt */
export async function raisePostgresLogNumbers(pool: PostgresPool, now: Date): Promise<void> {
  const own = now.getTime()
  const server = (await serverClock(pool)).getTime()
  const least = numberAt(Math.min(own, server))
  await pool.run((connection) => connection.run('SELECT raise_log_numbers($1)', [least]))
}

export async function serverClock(pool: PostgresPool): Promise<Date> {
  const { rows } = await pool.run((connection) =>
    connection.run('SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now', []),
  )
  const [{ now }] = rows as [{ now: number }] // the statement returns one row
  return new Date(now)
}

/** A part of a weekly table. */
interface Part {
  /** The suffix of its name. */
  readonly suffix: string
  /** Undefined for the rows before the first week. */
  readonly week: number | undefined
}

/** The differences between weekly tables whose parts are deleted by age. */
interface Weekly {
  readonly table: WeeklyTable
  readonly numbering: Numbering
  /** The table and column with the age of its rows. */
  readonly dated: readonly [table: WeeklyTable, column: string]
  /** Whether a part with unhandled rows is kept. */
  readonly waits: boolean
  readonly deleteRows: (rows: Deletions, step: DeletionStep) => Promise<Deleted>
  /** Deletes rows of other tables that belong to a part, in small steps. @returns 0 when there are none left */
  readonly deleteElsewhere?: (part: Part, max: number) => Promise<number>
  /** Tables dropped together, the table itself last: until it is dropped, the others are retried. */
  readonly dropped: readonly WeeklyTable[]
}

/** Drops whole parts when all their rows are old enough, and deletes single rows of parts that have no end yet. */
export function weeklyDeletions(pool: PostgresPool, db: Kysely<DatabaseSchema>): Deletions {
  const run = async <Row>(sql: string, parameters: readonly unknown[]): Promise<readonly Row[]> => {
    const { rows } = await pool.run((connection) => connection.run(sql, parameters))
    return rows as readonly Row[] // the columns of each statement
  }

  /** Oldest first. */
  async function partsOf(table: WeeklyTable): Promise<readonly Part[]> {
    const names = await run<{ name: string }>(
      'SELECT relname::text AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = $1::text::regclass',
      [table],
    )
    const parts = names.map(({ name }): Part => {
      const [, week] = /_w(\d+)$/.exec(name) ?? []
      return { suffix: name.slice(table.length), week: week === undefined ? undefined : Number(week) }
    })
    return parts.toSorted((a, b) => (a.week ?? -1) - (b.week ?? -1))
  }

  /** The time of the newest row of a part; undefined when it is empty. */
  async function newestAt([table, column]: Weekly['dated'], { suffix }: Part): Promise<number | undefined> {
    const [newest] = await run<{ at: number }>(
      `SELECT ${column} AS at FROM ${table}${suffix} ORDER BY sequence DESC LIMIT 1`,
      [],
    )
    return newest?.at
  }

  async function isEmpty(name: string): Promise<boolean> {
    return (await run(`SELECT 1 FROM ${name} LIMIT 1`, [])).length === 0
  }

  async function isWaitedFor(week: number): Promise<boolean> {
    const [found] = await run<{ waits: boolean }>(
      'SELECT EXISTS (SELECT 1 FROM inbox WHERE sequence < $1) AS waits',
      [firstSequenceOf(week + 1)],
    )
    return found?.waits ?? true
  }

  async function currentWeek(numbering: Numbering): Promise<number> {
    const [found] = await run<{ week: number }>(
      `SELECT coalesce(pg_sequence_last_value($1::text::regclass), 0) >> ${weekBits} AS week`,
      [numbering],
    )
    return found?.week ?? 0
  }

  async function isDropped(name: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const [answer] = await run<{ dropped: boolean }>('SELECT drop_part($1) AS dropped', [name])
      if (answer?.dropped === true || tries >= dropTriesMax) return answer?.dropped === true
      await setTimeout(dropPauseMs)
    }
  }

  /** One step at the oldest part that is not empty. */
  async function deleteOldest(weekly: Weekly, step: DeletionStep): Promise<Deleted> {
    const current = await currentWeek(weekly.numbering)
    for (const part of await partsOf(weekly.table)) {
      const rows = rowDeletions(db, postgresVariant, part.suffix)
      if (part.week === undefined) {
        if (await isEmpty(`${weekly.table}${part.suffix}`)) continue
        return retried(() => weekly.deleteRows(rows, step))
      }
      const newest = await newestAt(weekly.dated, part)
      const isOver = part.week < current && (newest ?? (part.week + 1) * weekMs) < step.before
      if (!isOver) {
        if (newest === undefined) continue
        // After a wrong clock a part may end late: its rows that are a week too old are then deleted one by one.
        return retried(() => weekly.deleteRows(rows, { ...step, before: step.before - weekMs - dayMs }))
      }
      if (weekly.waits && (await isWaitedFor(part.week))) return nothingDeleted
      const elsewhere = (await weekly.deleteElsewhere?.(part, step.max)) ?? 0
      if (elsewhere > 0) return { rows: elsewhere, parts: 0 }
      for (const table of weekly.dropped) {
        if (!(await isDropped(`${table}${part.suffix}`))) return nothingDeleted
      }
      return { rows: 0, parts: 1 }
    }
    return nothingDeleted
  }

  /** How far a part has been processed; a restart processes it again and finds fewer rows to delete. */
  let walked = { suffix: '', sequence: 0 }
  async function deleteElsewhere({ suffix }: Part, max: number): Promise<number> {
    const after = walked.suffix === suffix ? walked.sequence : 0
    const [gone] = await run<{ last: number | null; count: number }>(deleteAbout(`signals${suffix}`), [
      after,
      max,
      goneFailures,
    ])
    if (gone?.last == null) return 0
    walked = { suffix, sequence: gone.last }
    return gone.count
  }

  const signals: Weekly = {
    table: 'signals',
    numbering: 'arrivals',
    dated: ['signals', 'received_at'],
    waits: true,
    deleteRows: (rows, step) => rows.deleteSignals(step),
    deleteElsewhere,
    dropped: ['signal_terms', 'signal_tokens', 'signals'],
  }
  const tokens: Weekly = {
    ...signals,
    table: 'signal_tokens',
    deleteRows: (rows, step) => rows.deleteTokens(step),
    deleteElsewhere: async () => 0,
    dropped: ['signal_tokens'],
  }
  const logEntries: Weekly = {
    table: 'log_events',
    numbering: 'log_events_sequence_seq',
    dated: ['log_events', 'persisted'],
    waits: false,
    deleteRows: (rows, step) => rows.deleteLogEntries(step),
    dropped: ['log_events'],
  }
  const history: Weekly = {
    table: 'risk_history',
    numbering: 'risk_history_sequence_seq',
    dated: ['risk_history', 'added_at'],
    waits: false,
    deleteRows: (rows, step) => rows.deleteHistory(step),
    dropped: ['risk_history'],
  }
  const stepOf =
    (weekly: Weekly) =>
    async (step: DeletionStep): Promise<Deleted> => {
      try {
        return await deleteOldest(weekly, step)
      } catch (error) {
        if (isGone(error)) return nothingDeleted // another node dropped it meanwhile
        throw error
      }
    }
  return {
    deleteSignals: stepOf(signals),
    deleteTokens: stepOf(tokens),
    deleteLogEntries: stepOf(logEntries),
    deleteHistory: stepOf(history),
    forgetSubjects: rowDeletions(db, postgresVariant).forgetSubjects,
  }
}

/** A SET that comes again after its key was deleted is new: the key then belongs to another sequence. */
const deleteAbout = (signals: string): string => `
  WITH gone AS MATERIALIZED (
    SELECT sequence, key FROM ${signals} WHERE sequence > $1 ORDER BY sequence LIMIT $2
  ), keys AS (
    DELETE FROM signal_keys USING gone WHERE signal_keys.key = gone.key AND signal_keys.sequence = gone.sequence
  ), repeats AS (
    DELETE FROM signal_repeats WHERE sequence <= (SELECT max(sequence) FROM gone) -- and what is left of others
  ), unmatched AS (
    DELETE FROM signal_unmatched USING gone WHERE signal_unmatched.sequence = gone.sequence
  ), failures AS (
    DELETE FROM signal_failures USING gone WHERE signal_failures.sequence = gone.sequence RETURNING 1
  ), counted AS (
    INSERT INTO counters (name, shard, value)
      SELECT $3, pg_backend_pid() % 16, count(*) FROM failures HAVING count(*) > 0
      ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value
  )
  SELECT max(sequence) AS last, count(*) AS count FROM gone`
