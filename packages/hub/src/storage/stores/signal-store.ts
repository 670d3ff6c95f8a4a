import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { keyOfSignalId, signalIdOfKey, signalKey } from '../../signals/signal-id.ts'
import type { Refusal, Signal, SignalOutcome } from '../../signals/signal.ts'
import type { RefusalBatch, SignalQuery, SignalStore } from '../../signals/signal-store.ts'
import { signalTerm, termsOf } from '../../signals/signal-terms.ts'
import { deletionStep, goneFailures, type SignalDeletions } from './deletions.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import type { RefusalRow, DatabaseSchema, SignalRow } from '../sql/schema.ts'
import type { SignalProcedures } from './signal-procedures.ts'
import { termKey } from './term-key.ts'
import type { RowStatement, SqlVariant } from '../sql/sql-variant.ts'

/** How many waiting signals a filtered page looks through; handling removes them within moments. */
const waitingLookMax = 1_000
/** By how much clocks may differ where sequences grow with time. */
const disorderMs = 3_600_000

export function createSignalStore(
  db: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  procedures: SignalProcedures & SignalDeletions,
): SignalStore {
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

    deleteBefore: (received, max, now) => procedures.deleteSignals(deletionStep(received, max, now)),
    deleteTokensBefore: (received, max, now) => procedures.deleteTokens(deletionStep(received, max, now)),

    async claimOldest(max) {
      return (await oldestWaiting(db, variant, { max })).map((row) => ({
        id: signalIdOfKey(row.key),
        sequence: row.sequence,
        provider: { id: row.provider_id, issuer: row.iss },
        jti: row.jti,
        issuedAt: new Date(row.issued_at),
        receivedAt: new Date(row.received_at),
        events: readEventsColumn(row.events),
      }))
    },

    async waitingAmong(sequences) {
      const waiting = await stillWaiting(db, variant, { sequences })
      return new Set(waiting.map(({ sequence }) => sequence))
    },

    async settle({ handled, failed }) {
      const all = [...handled, ...failed]
      // Each key once: two forged terms may have the same key.
      const terms = all.flatMap(({ sequence, terms }) =>
        [...new Set(terms.map(termKey))].map((key) => [key, sequence]),
      )
      const settled = all.map(({ sequence }) => sequence)
      await variant.each(db, addTerms, terms)
      await leaveInbox(db, variant, { settled })
      const unmatched = handled.flatMap(({ sequence, unmatched = [] }) =>
        unmatched.map(({ event, reason }) => [sequence, event, reason]),
      )
      if (unmatched.length > 0) await variant.each(db, putUnmatched, unmatched)
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
      const [signal] = await select({ lead: keyIs(variant, [key]), limit: 1, withTokens: true })
      return signal
    },

    async list(query) {
      const [accepted, refused] = await Promise.all([listAccepted(query), listRefused(query)])
      const merged = [...accepted, ...refused].toSorted((a, b) => b.sequence - a.sequence)
      const signals = merged.slice(0, query.limit)
      return { signals, next: merged.length > query.limit ? signals.at(-1)?.sequence : undefined }
    },

    async counts() {
      const [{ rows: counters }, pending, failed] = await Promise.all([
        sql<{ name: string; value: number }>`
          SELECT name, CAST(sum(value) AS BIGINT) AS value FROM counters GROUP BY name ORDER BY name`.execute(
          db,
        ),
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
        failed: failed.count + value(goneFailures),
        refused: counters.flatMap(({ name, value: count }) => {
          const [kind, ring, code] = name.split('/')
          if (kind !== 'refused' || ring === undefined || code === undefined) return []
          return [{ providerId: ring === '' ? undefined : ring, code, count }]
        }),
      }
    },
  }

  /** Accepted signals, newest first. */
  async function select({
    lead,
    terms = [],
    conditions = [],
    before,
    limit,
    withTokens,
  }: {
    /** Where to begin, if not with the newest. */
    readonly lead?: Lead
    readonly terms?: readonly string[]
    readonly conditions?: readonly Condition[]
    readonly before?: number | undefined
    readonly limit: number
    readonly withTokens: boolean
  }): Promise<Signal[]> {
    const sequence = lead === undefined ? sql`s.sequence` : sql`l.sequence`
    const from =
      lead === undefined
        ? sql`signals s`
        : sql`${sql.table(lead.table)} l ${variant.bySequence('signals', 's', sequence)}`
    const where = [
      lead?.where ?? sql`true`,
      before === undefined ? sql`true` : sql`${sequence} < ${before}`,
      ...terms.map(
        // The OFFSET keeps PostgreSQL from starting with the term.
        (term) => sql`EXISTS (
          SELECT 1 FROM signal_terms o WHERE o.term = ${termKey(term)} AND o.sequence = ${sequence} LIMIT 1 OFFSET 0)`,
      ),
      ...conditions,
    ]
    const token = withTokens
      ? sql`(SELECT e.token FROM signal_tokens e WHERE e.sequence = s.sequence)`
      : sql`NULL`
    const unmatchedObjects = variant.objects({ event: sql`u.event`, reason: sql`u.reason` })
    const { rows } = await sql<AcceptedRow>`
      SELECT s.*, r.repeats, r.repeated_at, i.sequence AS waiting, f.error AS failure,
        ${token} AS token,
        (SELECT ${unmatchedObjects} FROM signal_unmatched u WHERE u.sequence = s.sequence) AS unmatched
      FROM ${from}
        LEFT JOIN inbox i ON i.sequence = s.sequence
        LEFT JOIN signal_failures f ON f.sequence = s.sequence
        LEFT JOIN signal_repeats r ON r.sequence = s.sequence
      WHERE ${sql.join(where, sql` AND `)}
      ORDER BY ${sequence} DESC
      LIMIT ${limit}`.execute(db)
    return rows.map(acceptedSignal)
  }

  async function listAccepted(query: SignalQuery): Promise<Signal[]> {
    const { outcome, proven, since, until, withTokens = false } = query
    if (outcome === 'refused' || proven !== undefined) return []
    const terms = termsAsked(query)
    const conditions: Condition[] = []
    let { before } = query
    if (since !== undefined) {
      const first = await firstReceived(since.getTime() - disorderMs)
      conditions.push(sql`s.sequence >= ${first}`, sql`s.received_at >= ${since.getTime()}`)
    }
    if (until !== undefined) {
      before = Math.min(before ?? Infinity, await firstReceived(until.getTime() + disorderMs))
      conditions.push(sql`s.received_at < ${until.getTime()}`)
    }
    if (outcome !== undefined) conditions.push(outcomeIs[outcome])
    const keyed = query.jti === undefined ? undefined : keyIs(variant, await keysOf(query.jti))
    const found =
      terms.length > 0 && outcome === 'pending'
        ? []
        : await select({
            ...leadOf(query, keyed, terms),
            conditions,
            before,
            limit: query.limit + 1,
            withTokens,
          })
    if (terms.length === 0 || (outcome !== undefined && outcome !== 'pending')) return found
    // Handling writes terms: a waiting signal has none, so it is searched itself.
    const waiting = await select({
      lead: keyed ?? leads.pending,
      conditions: [...conditions, outcomeIs.pending],
      before,
      limit: waitingLookMax,
      withTokens,
    })
    return [
      ...found,
      ...waiting.filter(({ providerId = '', iss = '', events }) => {
        const has = termsOf({ provider: { id: providerId, issuer: iss }, events })
        return terms.every((term) => has.includes(term))
      }),
    ]
  }

  /** The first sequence received since a time: a time window must not search all signals. */
  async function firstReceived(received: number): Promise<number> {
    const newest = await db
      .selectFrom('signals')
      .select('sequence')
      .orderBy('sequence', 'desc')
      .limit(1)
      .executeTakeFirst()
    let [low, high] = [0, (newest?.sequence ?? 0) + 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const next = await db
        .selectFrom('signals')
        .select(['sequence', 'received_at'])
        .where('sequence', '>=', middle)
        .orderBy('sequence')
        .limit(1)
        .executeTakeFirst()
      if (next === undefined || next.received_at >= received) high = middle
      else low = next.sequence + 1
    }
    return low
  }

  /** The SETs with this `jti`, of any provider. */
  async function keysOf(jti: string): Promise<readonly string[]> {
    const issuers = await db.selectFrom('issuers').select('iss').execute()
    return issuers.map(({ iss }) => signalKey(iss, jti))
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
    if (query.proven !== undefined) rows = rows.where('proven', '=', query.proven ? 1 : 0)
    if (query.iss !== undefined) rows = rows.where('iss', '=', query.iss)
    if (query.jti !== undefined) rows = rows.where('jti', '=', query.jti)
    return (await rows.execute()).map(refusedSignal)
  }

  return store
}

const oldestWaiting = fixedStatement<{ max: number }, Omit<SignalRow, 'via' | 'source'>>(
  // The CAST is for SQLite, which plans a statement again for each value of a bare LIMIT parameter.
  (slot, variant) => sql`
    SELECT s.sequence, provider_id, key, iss, jti, issued_at, received_at, events
    FROM inbox l ${variant.bySequence('signals', 's', sql`l.sequence`)}
    ORDER BY l.sequence LIMIT CAST(${slot('max')} AS BIGINT)`,
)

const stillWaiting = fixedStatement<{ sequences: readonly number[] }, { sequence: number }>(
  (slot, variant) => sql`
    SELECT sequence FROM inbox WHERE ${variant.isAmong(sql`sequence`, slot('sequences'))}`,
)

const leaveInbox = fixedStatement<{ settled: readonly number[] }, unknown>(
  (slot, variant) => sql`DELETE FROM inbox WHERE ${variant.isAmong(sql`sequence`, slot('settled'))}`,
)

const addTerms: RowStatement = {
  columns: { term: 'integer', sequence: 'integer' },
  text: (given) => sql`
    INSERT INTO signal_terms (term, sequence) SELECT term, sequence FROM ${given} AS given`,
}

const putUnmatched: RowStatement = {
  columns: { sequence: 'integer', event: 'integer', reason: 'text' },
  text: (given) => sql`
    INSERT INTO signal_unmatched (sequence, event, reason)
    SELECT sequence, event, reason FROM ${given} AS given WHERE true
    ON CONFLICT (sequence, event) DO UPDATE SET reason = excluded.reason`,
}

type Condition = RawBuilder<unknown>

interface AcceptedRow extends SignalRow {
  token: string | null
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

/** A table with few of the sequences, with which a page begins (as `l`), and which of its rows. */
interface Lead {
  readonly table: string
  readonly where: Condition
}

const leads = {
  pending: { table: 'inbox', where: sql`true` },
  failed: { table: 'signal_failures', where: sql`true` },
} as const satisfies Partial<Record<SignalOutcome, Lead>>

/** The table with the fewest rows comes first. */
function leadOf(
  { outcome }: SignalQuery,
  keyed: Lead | undefined,
  terms: readonly string[],
): { readonly lead?: Lead; readonly terms: readonly string[] } {
  if (keyed !== undefined) return { lead: keyed, terms }
  const [rarest, ...others] = terms
  if (rarest !== undefined) {
    return { lead: { table: 'signal_terms', where: sql`l.term = ${termKey(rarest)}` }, terms: others }
  }
  return outcome === 'pending' || outcome === 'failed' ? { lead: leads[outcome], terms } : { terms }
}

function keyIs(variant: SqlVariant, keys: readonly string[]): Lead {
  return { table: 'signal_keys', where: sql`l.key IN ${variant.hexes(keys)}` }
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
    proven: undefined,
    code: row.failure === null ? undefined : 'handling_failed',
    reason: row.failure ?? undefined,
    via: row.via,
    source: row.source ?? undefined,
    token: row.token ?? undefined,
  }
}

function refusalRow(refusal: Refusal): Omit<RefusalRow, 'sequence'> {
  return {
    id: refusal.id,
    ring: refusal.providerId ?? '',
    proven: refusal.proven ? 1 : 0,
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
    proven: row.proven === 1,
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
