import type { Acceptance } from '../../signals/signal.ts'
import type { NewRefusals, NewSignalRow } from '../stores/signal-procedures.ts'
import type { SqliteConnection } from './connection.ts'

/** Runs inside a transaction. @see SignalStore.append */
export function appendSignals(
  connection: SqliteConnection,
  rows: readonly NewSignalRow[],
): readonly Acceptance[] {
  const insertKey = connection.prepare(
    'INSERT INTO signal_keys (key, sequence) VALUES (unhex(?), ?) ON CONFLICT DO NOTHING',
  )
  const insertSignal = connection.prepare(
    `INSERT INTO signals (sequence, key, provider_id, iss, jti, issued_at, received_at, events, via, source)
     VALUES (?, unhex(?), ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const insertToken = connection.prepare('INSERT INTO signal_tokens (sequence, token) VALUES (?, ?)')
  const insertInbox = connection.prepare('INSERT INTO inbox (sequence) VALUES (?)')
  const countRepeat = connection.prepare(
    `INSERT INTO signal_repeats (sequence, repeats, repeated_at)
     SELECT sequence, 1, ? FROM signal_keys WHERE key = unhex(?)
     ON CONFLICT DO UPDATE SET repeats = repeats + 1, repeated_at = excluded.repeated_at`,
  )

  const isActive = activeProviders(connection)
  const before = readCounter(connection, 'sequence')
  let sequence = before
  let repeated = 0
  const acceptances = rows.map((row): Acceptance => {
    if (!isActive(row.provider_id, row.iss)) return 'provider_inactive'
    if (insertKey.run(row.key, sequence + 1).changes === 0) {
      countRepeat.run(row.received_at, row.key)
      repeated += 1
      return 'repeated'
    }
    sequence += 1
    insertSignal.run(
      sequence,
      row.key,
      row.provider_id,
      row.iss,
      row.jti,
      row.issued_at,
      row.received_at,
      row.events,
      row.via,
      row.source,
    )
    insertToken.run(sequence, row.token)
    insertInbox.run(sequence)
    return 'stored'
  })
  addToCounter(connection, 'sequence', sequence - before)
  addToCounter(connection, 'accepted', sequence - before)
  addToCounter(connection, 'repeated', repeated)
  return acceptances
}

/** Runs inside a transaction. @see SignalStore.recordRefusals */
export function recordRefusals(connection: SqliteConnection, { rows, counts, ringMax }: NewRefusals): void {
  const insert = connection.prepare(
    `INSERT INTO refusals (sequence, id, ring, proven, iss, jti, received_at, code, reason, via, source)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  let sequence = readCounter(connection, 'sequence')
  for (const row of rows) {
    sequence += 1
    insert.run(
      sequence,
      row.id,
      row.ring,
      row.proven,
      row.iss,
      row.jti,
      row.received_at,
      row.code,
      row.reason,
      row.via,
      row.source,
    )
  }
  addToCounter(connection, 'sequence', rows.length)
  for (const { name, count } of counts) addToCounter(connection, name, count)
  const trim = connection.prepare(
    `DELETE FROM refusals WHERE ring = ? AND proven = ?
       AND sequence <= (SELECT sequence FROM refusals WHERE ring = ? AND proven = ?
         ORDER BY sequence DESC LIMIT 1 OFFSET ?)`,
  )
  for (const { ring, proven } of new Map(rows.map((row) => [`${row.ring} ${row.proven}`, row])).values()) {
    trim.run(ring, proven, ring, proven, ringMax)
  }
}

/** Checks each provider and issuer once per call: whether the provider is active and has this issuer. */
function activeProviders(connection: SqliteConnection): (id: string, issuer: string) => boolean {
  const select = connection.prepare(
    `SELECT 1 FROM providers WHERE id = ? AND issuer = ? AND status = 'ACTIVE'`,
  )
  const known = new Map<string, boolean>()
  return (id, issuer) => {
    const key = `${id} ${issuer}` // ids contain no space
    let active = known.get(key)
    if (active === undefined) known.set(key, (active = select.get(id, issuer) !== undefined))
    return active
  }
}

function readCounter(connection: SqliteConnection, name: string): number {
  const row = connection.prepare('SELECT value FROM counters WHERE name = ?').get(name)
  return (row as { value: number } | undefined)?.value ?? 0 // the columns of the table
}

function addToCounter(connection: SqliteConnection, name: string, count: number): void {
  if (count === 0) return
  connection
    .prepare(
      'INSERT INTO counters (name, shard, value) VALUES (?, 0, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value',
    )
    .run(name, count)
}
