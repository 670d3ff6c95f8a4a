import { hash } from 'node:crypto'
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { SecurityEvent } from '../events/security-event.ts'
import { keyOfSignalId, signalIdOfKey, signalKey } from '../signals/signal-id.ts'
import type { Acceptance, Refusal, Signal, SignalOutcome } from '../signals/signal.ts'
import type { RefusalBatch, SignalQuery, SignalStore } from '../signals/signal-store.ts'
import { signalTerm, termsOf } from '../signals/signal-terms.ts'
import type { RefusalRow, Schema, SignalRow } from './schema.ts'
import type { NewRefusals, NewSignalRow } from './sqlite/signal-procedures.ts'

/** What is too frequent to be done statement by statement; runs whole, in one transaction, beside the data. */
export interface SignalProcedures {
  appendSignals(rows: readonly NewSignalRow[]): Promise<readonly Acceptance[]>
  recordRefusals(refusals: NewRefusals): Promise<void>
}

/** How many of the waiting signals a filtered page looks through; handling takes them off within moments. */
const waitingLookMax = 1_000

export function createSignalStore(db: Kysely<Schema>, procedures: SignalProcedures): SignalStore {
  const store: SignalStore = {
    async append(sets) {
      return procedures.appendSignals(
        sets.map((set) => ({
          key: signalKey(set.provider.issuer, set.jti),
          provider_id: set.provider.id,
          iss: set.provider.issuer,
          jti: set.jti,
          issued_at: set.issuedAt.getTime(),
          received_at: set.receivedAt.getTime(),
          events: JSON.stringify(set.events),
          token: set.token,
          via: set.via,
          source: set.source ?? null,
        })),
      )
    },

    async recordRefusals({ kept, counts, ringMax }: RefusalBatch) {
      await procedures.recordRefusals({
        rows: kept.map(refusalRow),
        counts: counts.map(({ providerId, code, count }) => ({
          name: refusalCounter(providerId, code),
          count,
        })),
        ringMax,
      })
    },

    async claimOldest(max) {
      const rows = await db
        .selectFrom('inbox')
        .innerJoin('signals', 'signals.sequence', 'inbox.sequence')
        .select([
          'signals.sequence',
          'provider_id',
          'key',
          'iss',
          'jti',
          'issued_at',
          'received_at',
          'events',
        ])
        .orderBy('inbox.sequence')
        .limit(max)
        .execute()
      return rows.map((row) => ({
        id: signalIdOfKey(row.key),
        sequence: row.sequence,
        provider: { id: row.provider_id, issuer: row.iss },
        jti: row.jti,
        issuedAt: new Date(row.issued_at),
        receivedAt: new Date(row.received_at),
        events: readEventsColumn(row.events),
      }))
    },

    async settle({ handled, failed }) {
      const terms = handled.flatMap(({ sequence, terms }) => terms.map((term) => [termKey(term), sequence]))
      const settled = [...handled, ...failed].map(({ sequence }) => sequence)
      await sql`INSERT INTO signal_terms (term, sequence)
        SELECT value ->> 0, value ->> 1 FROM json_each(${JSON.stringify(terms)}) WHERE true ON CONFLICT DO NOTHING`.execute(
        db,
      )
      await sql`DELETE FROM inbox WHERE sequence IN (SELECT value FROM json_each(${JSON.stringify(settled)}))`.execute(
        db,
      )
      const unmatched = handled.flatMap(({ sequence, unmatched = [] }) =>
        unmatched.map(({ event, reason }) => [sequence, event, reason]),
      )
      if (unmatched.length > 0) {
        await sql`INSERT OR REPLACE INTO signal_unmatched (sequence, event, reason)
          SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(unmatched)})`.execute(
          db,
        )
      }
      for (const { sequence, error, at } of failed) {
        await db.insertInto('signal_failures').values({ sequence, error, failed_at: at.getTime() }).execute()
      }
    },

    async find(id) {
      const key = keyOfSignalId(id)
      if (key === undefined) {
        const row = await db.selectFrom('refusals').selectAll().where('id', '=', id).executeTakeFirst()
        return row === undefined ? undefined : refusedSignal(row)
      }
      const [signal] = await select([keyIs([key])], 1)
      return signal
    },

    async list(query) {
      const [accepted, refused] = await Promise.all([listAccepted(query), listRefused(query)])
      const merged = [...accepted, ...refused].toSorted((a, b) => b.sequence - a.sequence)
      const signals = merged.slice(0, query.limit)
      return { signals, next: merged.length > query.limit ? signals.at(-1)?.sequence : undefined }
    },

    async counts() {
      const [counters, pending, failed] = await Promise.all([
        db.selectFrom('counters').selectAll().execute(),
        db
          .selectFrom('inbox')
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow(),
        db
          .selectFrom('signal_failures')
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow(),
      ])
      const value = (name: string): number => counters.find((counter) => counter.name === name)?.value ?? 0
      return {
        accepted: value('accepted'),
        repeated: value('repeated'),
        pending: pending.count,
        failed: failed.count,
        refused: counters.flatMap(({ name, value: count }) => {
          const [kind, ring, code] = name.split('/')
          if (kind !== 'refused' || ring === undefined || code === undefined) return []
          return [{ providerId: ring === '' ? undefined : ring, code, count }]
        }),
      }
    },
  }

  /** Accepted signals, newest first. The first of `terms` leads, so it should be the rarest. */
  async function select(
    conditions: readonly Condition[],
    limit: number,
    terms: readonly string[] = [],
  ): Promise<Signal[]> {
    const [lead, ...others] = terms.map(termKey)
    const from =
      lead === undefined ? sql`signals s` : sql`signal_terms t JOIN signals s ON s.sequence = t.sequence`
    const where = [
      ...(lead === undefined ? [] : [sql`t.term = ${lead}`]),
      ...others.map(
        (term) =>
          sql`EXISTS (SELECT 1 FROM signal_terms o WHERE o.term = ${term} AND o.sequence = s.sequence)`,
      ),
      ...conditions,
      sql`true`,
    ]
    const { rows } = await sql<AcceptedRow>`
      SELECT s.*, k.repeats, k.repeated_at, i.sequence AS waiting, f.error AS failure,
        (SELECT json_group_array(json_object('event', u.event, 'reason', u.reason))
          FROM signal_unmatched u WHERE u.sequence = s.sequence) AS unmatched
      FROM ${from}
        LEFT JOIN inbox i ON i.sequence = s.sequence
        LEFT JOIN signal_failures f ON f.sequence = s.sequence
        LEFT JOIN signal_keys k ON k.key = s.key
      WHERE ${sql.join(where, sql` AND `)}
      ORDER BY ${lead === undefined ? sql`s.sequence` : sql`t.sequence`} DESC
      LIMIT ${limit}`.execute(db)
    return rows.map(acceptedSignal)
  }

  async function listAccepted(query: SignalQuery): Promise<Signal[]> {
    if (query.outcome === 'refused') return []
    const terms = termsAsked(query)
    const conditions: Condition[] = []
    if (query.before !== undefined) conditions.push(sql`s.sequence < ${query.before}`)
    if (query.since !== undefined) conditions.push(sql`s.received_at >= ${query.since.getTime()}`)
    if (query.until !== undefined) conditions.push(sql`s.received_at < ${query.until.getTime()}`)
    if (query.outcome !== undefined) conditions.push(outcomeIs[query.outcome])
    if (query.jti !== undefined) {
      const issuers = await db.selectFrom('issuers').select('iss').execute()
      const { jti } = query
      conditions.push(keyIs(issuers.map(({ iss }) => signalKey(iss, jti))))
    }
    const found = await select(conditions, query.limit + 1, terms)
    if (terms.length === 0 || (query.outcome !== undefined && query.outcome !== 'pending')) return found
    // Terms are handling's work: what still waits for it has none, and is looked at itself.
    const waiting = await select([...conditions, outcomeIs.pending], waitingLookMax)
    return [
      ...found,
      ...waiting.filter(({ providerId = '', iss = '', events }) => {
        const has = termsOf({ provider: { id: providerId, issuer: iss }, events })
        return terms.every((term) => has.includes(term))
      }),
    ]
  }

  async function listRefused(query: SignalQuery): Promise<Signal[]> {
    const { outcome, type, subject } = query
    if ((outcome !== undefined && outcome !== 'refused') || type !== undefined || subject !== undefined)
      return []
    let rows = db
      .selectFrom('refusals')
      .selectAll()
      .orderBy('sequence', 'desc')
      .limit(query.limit + 1)
    if (query.before !== undefined) rows = rows.where('sequence', '<', query.before)
    if (query.since !== undefined) rows = rows.where('received_at', '>=', query.since.getTime())
    if (query.until !== undefined) rows = rows.where('received_at', '<', query.until.getTime())
    if (query.providerId !== undefined) rows = rows.where('ring', '=', query.providerId)
    if (query.iss !== undefined) rows = rows.where('iss', '=', query.iss)
    if (query.jti !== undefined) rows = rows.where('jti', '=', query.jti)
    return (await rows.execute()).map(refusedSignal)
  }

  return store
}

type Condition = RawBuilder<unknown>

interface AcceptedRow extends SignalRow {
  waiting: number | null
  failure: string | null
  /** JSON array of UnmatchedEvent. */
  unmatched: string
  repeats: number | null
  repeated_at: number | null
}

const outcomeIs: Readonly<Record<Exclude<SignalOutcome, 'refused'> | 'refused', Condition>> = {
  pending: sql`i.sequence IS NOT NULL`,
  handled: sql`i.sequence IS NULL AND f.error IS NULL`,
  failed: sql`f.error IS NOT NULL`,
  refused: sql`false`,
}

function keyIs(keys: readonly string[]): Condition {
  return sql`s.sequence IN (SELECT sequence FROM signal_keys WHERE key IN (SELECT unhex(value) FROM json_each(${JSON.stringify(keys)})))`
}

/** The rarest kind first. */
function termsAsked({ subject, type, iss, providerId }: SignalQuery): readonly string[] {
  return [
    ...(subject === undefined ? [] : [signalTerm.subject(subject)]),
    ...(type === undefined ? [] : [signalTerm.type(type)]),
    ...(iss === undefined ? [] : [signalTerm.issuer(iss)]),
    ...(providerId === undefined ? [] : [signalTerm.provider(providerId)]),
  ]
}

/** 52 bits of the term's hash: a narrow key that a number holds exactly. */
export function termKey(term: string): number {
  return Number.parseInt(hash('sha256', term, 'hex').slice(0, 13), 16)
}

function refusalCounter(providerId: string | undefined, code: string): string {
  return `refused/${providerId ?? ''}/${code}`
}

function readEventsColumn(text: string): readonly SecurityEvent[] {
  return JSON.parse(text) as readonly SecurityEvent[] // written by `append` from the same type
}

function acceptedSignal(row: AcceptedRow): Signal {
  return {
    id: signalIdOfKey(row.key),
    sequence: row.sequence,
    outcome: row.waiting !== null ? 'pending' : row.failure !== null ? 'failed' : 'handled',
    receivedAt: new Date(row.received_at),
    providerId: row.provider_id,
    iss: row.iss,
    jti: row.jti,
    issuedAt: new Date(row.issued_at),
    events: readEventsColumn(row.events),
    unmatched: JSON.parse(row.unmatched) as Signal['unmatched'], // made by `select`
    repeats: row.repeats ?? 0,
    repeatedAt: row.repeated_at === null ? undefined : new Date(row.repeated_at),
    code: row.failure === null ? undefined : 'handling_failed',
    reason: row.failure ?? undefined,
    via: row.via,
    source: row.source ?? undefined,
    token: row.token === '' ? undefined : row.token, // '' when it was erased
  }
}

function refusalRow(refusal: Refusal): Omit<RefusalRow, 'sequence'> {
  return {
    id: refusal.id,
    ring: refusal.providerId ?? '',
    iss: refusal.iss ?? null,
    jti: refusal.jti ?? null,
    received_at: refusal.receivedAt.getTime(),
    code: refusal.code,
    reason: refusal.reason,
    via: refusal.via,
    source: refusal.source ?? null,
  }
}

function refusedSignal(row: RefusalRow): Signal {
  return {
    id: row.id,
    sequence: row.sequence,
    outcome: 'refused',
    receivedAt: new Date(row.received_at),
    providerId: row.ring === '' ? undefined : row.ring,
    iss: row.iss ?? undefined,
    jti: row.jti ?? undefined,
    issuedAt: undefined,
    events: [],
    unmatched: [],
    repeats: 0,
    repeatedAt: undefined,
    code: row.code,
    reason: row.reason,
    via: row.via,
    source: row.source ?? undefined,
    token: undefined,
  }
}
