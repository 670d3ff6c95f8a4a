import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Deleted } from '../../base/deleted.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { termsOf } from '../../signals/signal-terms.ts'
import type { Forgotten, ForgettingStep } from '../../subjects/subject-store.ts'
import type { DatabaseSchema, SignalRow } from '../sql/schema.ts'
import { termKey } from './term-key.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

/** One small step: deletes the oldest rows before `before`, at most `max` of them. Times are ms since 1970. */
export interface DeletionStep {
  readonly before: number
  /** Rows with a later time were written while a clock was ahead. */
  readonly now: number
  readonly max: number
}

export function deletionStep(before: Date, max: number, now: Date): DeletionStep {
  return { before: before.getTime(), max, now: now.getTime() }
}

/** A step of the walk over identifiers, see SubjectStore. `before` is milliseconds since 1970. */
export type ForgettingRows = Omit<ForgettingStep, 'before'> & { readonly before: number }

/** Deletes rows by age: each call is one small step, in one transaction. */
export interface Deletions {
  /** @see SignalStore.deleteBefore */
  deleteSignals(step: DeletionStep): Promise<Deleted>
  /** @see SignalStore.deleteTokensBefore */
  deleteTokens(step: DeletionStep): Promise<Deleted>
  /** @see SystemLogStore.deleteBefore */
  deleteLogEntries(step: DeletionStep): Promise<Deleted>
  /** @see RiskStore.deleteHistoryBefore */
  deleteHistory(step: DeletionStep): Promise<Deleted>
  /** @see SubjectStore.forget */
  forgetSubjects(step: ForgettingRows): Promise<Forgotten>
}

export type SignalDeletions = Pick<Deletions, 'deleteSignals' | 'deleteTokens'>

/** The counter of failures with deleted signals. */
export const goneFailures = 'failed'

/** Deletes rows of these tables, or of those of their parts with this suffix (`_first`). */
export function rowDeletions(db: Kysely<DatabaseSchema>, variant: SqlVariant, part = ''): Deletions {
  const inTransaction = (work: (tx: Kysely<DatabaseSchema>) => Promise<number>): Promise<Deleted> =>
    db
      .transaction()
      .execute(work)
      .then((rows) => ({ rows, parts: 0 }))
  return {
    deleteSignals: (step) => inTransaction((tx) => deleteSignals(tx, variant, part, step)),
    deleteTokens: (step) => inTransaction((tx) => deleteTokens(tx, part, step)),
    deleteLogEntries: (step) => inTransaction((tx) => deleteLogEntries(tx, part, step)),
    deleteHistory: (step) => inTransaction((tx) => deleteHistory(tx, part, step)),
    forgetSubjects: (step) => db.transaction().execute((tx) => forgetSubjects(tx, variant, step)),
  }
}

/** Signals are handled in their order: before the first waiting one, none waits. */
const nothingWaits = sql`sequence < coalesce((SELECT min(sequence) FROM inbox), ${sql.lit(Number.MAX_SAFE_INTEGER)})`

/** A table with a time, as an expression over the table as `t`. */
interface Dated {
  readonly table: string
  readonly at: RawBuilder<unknown>
}

/**
 * Sequences grow with time, closely enough: all rows after the first young one count as young. The time of a row written
 * while a clock was ahead says nothing about its age: it is deleted with the next row that is old.
 * @param rows - the oldest, in their order
 */
async function oldOnes<Row extends { readonly sequence: number; readonly at: number | null }>(
  tx: Kysely<DatabaseSchema>,
  { table, at: time }: Dated,
  rows: readonly Row[],
  { before, now }: DeletionStep,
): Promise<readonly Row[]> {
  const firstYoung = rows.findIndex(({ at }) => at !== null && at >= before && at <= now)
  const until = firstYoung === -1 ? rows : rows.slice(0, firstYoung)
  const lastOld = until.findLastIndex(({ at }) => at === null || at < before)
  const last = rows.at(-1)
  if (lastOld >= 0 || firstYoung >= 0 || last === undefined) return until.slice(0, lastOld + 1)
  const {
    rows: [next],
  } = await sql<{ at: number }>`
    SELECT ${time} AS at FROM ${sql.table(table)} AS t WHERE sequence > ${last.sequence} AND ${time} <= ${now}
    ORDER BY sequence LIMIT 1`.execute(tx)
  return next !== undefined && next.at < before ? rows : []
}

type OldSignal = Pick<SignalRow, 'sequence' | 'key' | 'provider_id' | 'iss' | 'events'> & {
  readonly at: number
}

async function deleteSignals(
  tx: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  part: string,
  step: DeletionStep,
): Promise<number> {
  const signals = sql.table(`signals${part}`)
  const { rows } = await sql<OldSignal>`
    SELECT sequence, received_at AS at, key, provider_id, iss, events FROM ${signals}
    WHERE ${nothingWaits} ORDER BY sequence LIMIT ${step.max}`.execute(tx)
  const old = await oldOnes(tx, { table: `signals${part}`, at: sql`received_at` }, rows, step)
  const last = old.at(-1)?.sequence
  if (last === undefined) return 0
  // The definition of a term may have changed since these were written; a remaining term finds nothing.
  const terms = old.flatMap((row) => termsOfRow(row).map((term) => [termKey(term), row.sequence]))
  await sql`DELETE FROM ${sql.table(`signal_terms${part}`)} WHERE (term, sequence) IN (
    SELECT term, sequence FROM ${variant.rows({ term: 'integer', sequence: 'integer' }, terms)} AS given)`.execute(
    tx,
  )
  // A SET that comes again after its key was deleted is new: the key then belongs to another sequence.
  const keys = variant.hexes(old.map(({ key }) => Buffer.from(key).toString('hex')))
  await sql`DELETE FROM signal_keys WHERE key IN ${keys} AND sequence <= ${last}`.execute(tx)
  await sql`DELETE FROM signal_repeats WHERE sequence <= ${last}`.execute(tx)
  await sql`DELETE FROM signal_unmatched WHERE sequence <= ${last}`.execute(tx)
  const failures = await sql`DELETE FROM signal_failures WHERE sequence <= ${last}`.execute(tx)
  const failed = Number(failures.numAffectedRows ?? 0n)
  if (failed > 0) {
    await sql`INSERT INTO counters (name, shard, value) VALUES (${goneFailures}, 0, ${failed})
      ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value`.execute(tx)
  }
  await sql`DELETE FROM ${sql.table(`signal_tokens${part}`)} WHERE sequence <= ${last}`.execute(tx)
  await sql`DELETE FROM ${signals} WHERE sequence <= ${last}`.execute(tx)
  return old.length
}

function termsOfRow({ provider_id: id, iss: issuer, events }: OldSignal): readonly string[] {
  return termsOf({ provider: { id, issuer }, events: JSON.parse(events) as readonly SecurityEvent[] }) // by `append`
}

async function deleteTokens(tx: Kysely<DatabaseSchema>, part: string, step: DeletionStep): Promise<number> {
  const tokens = sql.table(`signal_tokens${part}`)
  const at = sql`(SELECT received_at FROM ${sql.table(`signals${part}`)} AS s WHERE s.sequence = t.sequence)`
  const { rows } = await sql<{ sequence: number; at: number | null }>`
    SELECT sequence, ${at} AS at FROM ${tokens} AS t WHERE ${nothingWaits} ORDER BY sequence LIMIT ${step.max}`.execute(
    tx,
  )
  const old = await oldOnes(tx, { table: `signal_tokens${part}`, at }, rows, step)
  const last = old.at(-1)?.sequence
  if (last !== undefined) await sql`DELETE FROM ${tokens} WHERE sequence <= ${last}`.execute(tx)
  return old.length
}

const deleteLogEntries = (tx: Kysely<DatabaseSchema>, part: string, step: DeletionStep): Promise<number> =>
  deleteOld(tx, { table: `log_events${part}`, at: sql`published` }, step)

const deleteHistory = (tx: Kysely<DatabaseSchema>, part: string, step: DeletionStep): Promise<number> =>
  deleteOld(tx, { table: `risk_history${part}`, at: sql`added_at` }, step)

/** For a table without rows elsewhere. */
async function deleteOld(tx: Kysely<DatabaseSchema>, dated: Dated, step: DeletionStep): Promise<number> {
  const table = sql.table(dated.table)
  const { rows } = await sql<{ sequence: number; at: number }>`
    SELECT sequence, ${dated.at} AS at FROM ${table} ORDER BY sequence LIMIT ${step.max}`.execute(tx)
  const old = await oldOnes(tx, dated, rows, step)
  const last = old.at(-1)?.sequence
  if (last !== undefined) await sql`DELETE FROM ${table} WHERE sequence <= ${last}`.execute(tx)
  return old.length
}

/** The level of a forgotten subject has ended before: the log has an entry of that. */
async function forgetSubjects(
  tx: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  { before, after, lookedAt, deletedMax }: ForgettingRows,
): Promise<Forgotten> {
  const {
    rows: [looked],
  } = await sql<{ last: number | null }>`
    SELECT max(node) AS last FROM (
      SELECT node FROM identifiers WHERE node > ${after} ORDER BY node LIMIT ${lookedAt}) looked_at`.execute(
    tx,
  )
  const last = looked?.last
  if (last == null) return { revocations: 0, forgotten: 0, next: undefined }
  const { numAffectedRows = 0n } = await sql`
    DELETE FROM revocations WHERE (node, user_node, device_node, session_node, provider_id) IN (
      SELECT node, user_node, device_node, session_node, provider_id FROM revocations
      WHERE node > ${after} AND node <= ${last} AND received_at < ${before} LIMIT ${deletedMax})`.execute(tx)
  const revocations = Number(numAffectedRows)
  if (revocations === deletedMax) return { revocations, forgotten: 0, next: after }
  const keeps = (table: string): RawBuilder<unknown> =>
    sql`EXISTS (SELECT 1 FROM ${sql.table(table)} o WHERE o.node = a.node)`
  const { rows } = await sql<{ node: number }>`
    SELECT a.node FROM identifiers a
    WHERE a.node > ${after} AND a.node <= ${last} AND a.seen_at < ${before}
      AND substr(a.identifier, 1, 8) IN ('session:', 'address:')
      AND a.entity = a.node AND a.level = 0
      AND NOT EXISTS (SELECT 1 FROM identifiers o WHERE o.entity = a.node AND o.entity <> o.node)
      AND NOT EXISTS (
        SELECT 1 FROM risk_reasons r WHERE r.node = a.node AND (
          r.received_at >= ${before} OR (r.level > 0 AND (r.expires_at IS NULL OR r.expires_at >= ${before}))))
      AND NOT ${keeps('revocations')} AND NOT ${keeps('claim_identifiers')} AND NOT ${keeps('memberships')}
    ORDER BY a.node LIMIT ${deletedMax}`.execute(tx)
  const found = rows.map(({ node }) => node)
  if (found.length === 0) return { revocations, forgotten: 0, next: last }
  // All at once: one by one, each part of the history would be searched for each of them.
  const { rows: kept } = await sql<{ node: number }>`
    SELECT DISTINCT node FROM risk_history WHERE ${variant.isAmong(sql`node`, found)}`.execute(tx)
  const withHistory = new Set(kept.map(({ node }) => node))
  const forgotten = found.filter((node) => !withHistory.has(node))
  const nodes = variant.numbers(forgotten)
  await sql`DELETE FROM identifiers WHERE node IN ${nodes}`.execute(tx)
  await sql`DELETE FROM risk_reasons WHERE node IN ${nodes}`.execute(tx)
  return { revocations, forgotten: forgotten.length, next: found.length === deletedMax ? found.at(-1) : last }
}
