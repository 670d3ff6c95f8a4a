import type { Acceptance } from '../../signals/signal.ts'
import type { NewRefusals, NewSignalRow, SignalProcedures } from '../stores/signal-procedures.ts'
import { endingIdleHolders } from './idle-holders.ts'
import type { PostgresConnection, PostgresPool } from './pool.ts'
import { isWithoutPart, makeWeekOf, weekOf } from './weeks.ts'

/** A SET of a batch, with its repeats in the batch merged into it. */
interface MergedSet {
  readonly row: NewSignalRow
  times: number
  lastAt: number
}

/**
 * One statement stores a batch. Sequences are given in the order of arrival; keys are inserted in key order, so that nodes
 * that store the same SETs do not deadlock. The holder of a key's row may count its repeats; `xmax` is 0 for a new key.
 * Counters have shards, so that nodes do not wait for each other there either. The first batch of a week makes the
 * sequence start with that week before it takes a number: see migrations/weeks.ts.
 */
const append = `
  WITH week AS MATERIALIZED (SELECT reach_week('arrivals', $13) AS is_reached), given AS (
    SELECT decode(hex, 'hex') AS key, * FROM unnest(
      $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
      $10::text[], $11::bigint[], $12::bigint[]
    ) WITH ORDINALITY AS sets (
      hex, provider_id, iss, jti, issued_at, received_at, events, token, via, source, times, last_at, place)
  ), welcome AS (
    SELECT nextval('arrivals') AS sequence, arrived.* FROM (
      SELECT given.* FROM given
        JOIN providers ON providers.id = provider_id AND issuer = iss AND status = 'ACTIVE'
        JOIN week ON is_reached
      ORDER BY place
    ) AS arrived
  ), keys AS (
    INSERT INTO signal_keys AS known (key, sequence) SELECT key, sequence FROM welcome ORDER BY key
      ON CONFLICT (key) DO UPDATE SET sequence = known.sequence
      RETURNING key, sequence AS kept, xmax = 0 AS fresh
  ), again AS (
    INSERT INTO signal_repeats AS known (sequence, repeats, repeated_at)
      SELECT kept, times - fresh::int, last_at FROM keys JOIN welcome USING (key) WHERE times > fresh::int
      ON CONFLICT (sequence) DO UPDATE SET repeats = known.repeats + excluded.repeats,
        repeated_at = excluded.repeated_at
  ), stored AS (
    INSERT INTO signals (sequence, key, provider_id, iss, jti, issued_at, received_at, events, via, source)
      SELECT sequence, key, provider_id, iss, jti, issued_at, received_at, events, via, source
      FROM keys JOIN welcome USING (key) WHERE fresh
  ), evidence AS (
    INSERT INTO signal_tokens (sequence, token) SELECT sequence, token FROM keys JOIN welcome USING (key) WHERE fresh
  ), waiting AS (
    INSERT INTO inbox (sequence) SELECT sequence FROM keys JOIN welcome USING (key) WHERE fresh
  ), tallies AS (
    SELECT count(*) FILTER (WHERE fresh) AS accepted, sum(times) - count(*) FILTER (WHERE fresh) AS repeated
    FROM keys JOIN welcome USING (key)
  ), counted AS (
    INSERT INTO counters (name, shard, value)
      SELECT name, pg_backend_pid() % 16, value
      FROM tallies, LATERAL (VALUES ('accepted', accepted), ('repeated', repeated)) AS tally (name, value)
      WHERE value > 0 ORDER BY name
      ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value
  )
  SELECT place, fresh FROM welcome JOIN keys USING (key)`

async function appendSignals(
  connection: PostgresConnection,
  rows: readonly NewSignalRow[],
): Promise<readonly Acceptance[]> {
  const sets = new Map<string, MergedSet>()
  const setOf = rows.map((row) => {
    const name = `${row.key} ${row.provider_id}`
    const set = sets.get(name) ?? { row, times: 0, lastAt: 0 }
    sets.set(name, set)
    set.times += 1
    set.lastAt = row.received_at
    return set
  })
  const merged = [...sets.values()]
  const column = (cellOf: (row: NewSignalRow) => unknown): unknown[] => merged.map(({ row }) => cellOf(row))
  const week = weekOf(rows.reduce((latest, row) => Math.max(latest, row.received_at), 0))
  const parameters = [
    column(({ key }) => key),
    column((row) => row.provider_id),
    column(({ iss }) => iss),
    column(({ jti }) => jti),
    column((row) => row.issued_at),
    column((row) => row.received_at),
    column(({ events }) => events),
    column(({ token }) => token),
    column(({ via }) => via),
    column(({ source }) => source),
    merged.map(({ times }) => times),
    merged.map(({ lastAt }) => lastAt),
    week,
  ]
  const { rows: welcomed } = await connection.run(append, parameters).catch(async (error: unknown) => {
    if (!isWithoutPart(error)) throw error
    await makeWeekOf(connection, 'arrivals', week)
    return connection.run(append, parameters)
  })
  const next = new Map<MergedSet, Acceptance>()
  for (const { place, fresh } of welcomed as { place: number; fresh: boolean }[]) {
    const set = merged[place - 1]
    if (set !== undefined) next.set(set, fresh ? 'stored' : 'repeated')
  }
  return setOf.map((set) => {
    const acceptance = next.get(set) ?? 'provider_inactive'
    if (acceptance === 'stored') next.set(set, 'repeated') // its repeats in the batch
    return acceptance
  })
}

const insertRefusals = `
  INSERT INTO refusals (sequence, id, ring, proven, iss, jti, received_at, code, reason, via, source)
    SELECT nextval('arrivals'), id, ring, proven, iss, jti, received_at, code, reason, via, source FROM unnest(
      $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
      $10::text[]
    ) WITH ORDINALITY AS given (id, ring, proven, iss, jti, received_at, code, reason, via, source, place)
    ORDER BY place`

const addToCounters = `
  INSERT INTO counters (name, shard, value)
    SELECT name, pg_backend_pid() % 16, sum(count) FROM unnest($1::text[], $2::bigint[]) AS given (name, count)
      GROUP BY name ORDER BY name
    ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value`

const trimRings = `
  DELETE FROM refusals USING unnest($1::text[], $2::bigint[]) AS given (ring, proven)
    WHERE refusals.ring = given.ring AND refusals.proven = given.proven AND sequence <= (
      SELECT sequence FROM refusals kept WHERE kept.ring = given.ring AND kept.proven = given.proven
        ORDER BY sequence DESC LIMIT 1 OFFSET $3)`

async function recordRefusals(
  connection: PostgresConnection,
  { rows, counts, ringMax }: NewRefusals,
): Promise<void> {
  await connection.run(insertRefusals, [
    rows.map(({ id }) => id),
    rows.map(({ ring }) => ring),
    rows.map(({ proven }) => proven),
    rows.map(({ iss }) => iss),
    rows.map(({ jti }) => jti),
    rows.map((row) => row.received_at),
    rows.map(({ code }) => code),
    rows.map(({ reason }) => reason),
    rows.map(({ via }) => via),
    rows.map(({ source }) => source),
  ])
  await connection.run(addToCounters, [counts.map(({ name }) => name), counts.map(({ count }) => count)])
  const rings = [...new Map(rows.map((row) => [`${row.ring} ${row.proven}`, row]))].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  await connection.run(trimRings, [
    rings.map(([, { ring }]) => ring),
    rings.map(([, { proven }]) => proven),
    ringMax,
  ])
}

/**
 * @param appending - a pool with plans for joining batches
 * @param onEnded - called with idle sessions that blocked an append and were ended: see idle-holders.ts
 */
export function signalProcedures(
  pool: PostgresPool,
  appending: PostgresPool,
  onEnded?: (pids: readonly number[]) => void,
): SignalProcedures {
  return {
    appendSignals: (rows) =>
      rows.length === 0
        ? Promise.resolve([])
        : appending.run((connection) =>
            endingIdleHolders(connection, pool, () => appendSignals(connection, rows), onEnded),
          ),
    recordRefusals: (refusals) => pool.transaction((connection) => recordRefusals(connection, refusals)),
  }
}
