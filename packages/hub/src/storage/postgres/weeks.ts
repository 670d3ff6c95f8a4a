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

/** The SEQUENCEs that weekly tables are numbered by. */
const numberings = ['arrivals', 'log_events_sequence_seq', 'risk_history_sequence_seq'] as const
type Numbering = (typeof numberings)[number]

const dayMs = 86_400_000
/** Others hold a part only for a statement. When it is an export that reads, the next round finds it done. */
const dropTriesMax = 5
const dropPauseMs = 200

export const weekOf = (ms: number): number => Math.floor(ms / weekMs)
const firstSequenceOf = (week: number): number => week * 2 ** weekBits

/** Whether a row had no part to go to: weekly tables have no other checks. */
export function isWithoutPart(error: unknown): boolean {
  return error instanceof SqlError && error.code === '23514'
}

function isGone(error: unknown): boolean {
  // The second is what a DROP says that finds its table dropped while it waited for the parent's lock.
  return (
    error instanceof SqlError &&
    (error.code === '42P01' ||
      (error.code === 'XX000' && error.message.startsWith('could not find tuple for parent of relation')))
  )
}

/** Makes the parts of this week, or of that which the numbering has come to when that is later. */
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

/** The week before ends too where nothing comes. @see Storage.makeRoom */
export async function makeRoom(pool: PostgresPool, now: Date): Promise<void> {
  await makeWeeks(pool, now)
  const begin = `SELECT ${numberings.map((numbering) => `reach_week('${numbering}', $1)`).join(', ')}`
  await pool.run((connection) => connection.run(begin, [weekOf(now.getTime())]))
}

/** When a hub starts; no further than the server's clock is, should this node's be ahead. @see numberAt */
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
  const [{ now }] = rows as [{ now: number }] // one row, as the statement has it
  return new Date(now)
}

/** A part of a weekly table. */
interface Part {
  /** What its name ends with. */
  readonly suffix: string
  /** Undefined for what was there before the first week. */
  readonly week: number | undefined
}

/** What differs between the weekly tables whose parts go by their age. */
interface Weekly {
  readonly table: WeeklyTable
  readonly numbering: Numbering
  /** Where the age of its rows stands, and in which column. */
  readonly dated: readonly [table: WeeklyTable, column: string]
  /** Whether parts with rows that wait for the handler stay. */
  readonly waits: boolean
  readonly deleteRows: (rows: Deletions, step: DeletionStep) => Promise<Deleted>
  /** Deletes what stands elsewhere about a part's rows, a small step at a time. @returns 0 when there is none left */
  readonly deleteElsewhere?: (part: Part, max: number) => Promise<number>
  /** What goes together, the table itself last: while that is there, the rest is tried again. */
  readonly dropped: readonly WeeklyTable[]
}

/** Deletes whole parts where all rows are old enough, and a row at a time where there is no such end to a part. */
export function weeklyDeletions(pool: PostgresPool, db: Kysely<DatabaseSchema>): Deletions {
  const run = async <Row>(sql: string, parameters: readonly unknown[]): Promise<readonly Row[]> => {
    const { rows } = await pool.run((connection) => connection.run(sql, parameters))
    return rows as readonly Row[] // as each statement has it
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

  /** When the newest row of a part came; undefined when there is no row. */
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

  /** One step at the oldest part that holds anything. */
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
        // Where a clock was wrong once, a part may be long in ending: what it keeps for more than its week goes by itself.
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

  /** How far a part has been walked through; whoever starts anew finds less to delete on the same way. */
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

/** A SET whose key is gone is new when it comes again: its key is then that of another sequence. */
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
