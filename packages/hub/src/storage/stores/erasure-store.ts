import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import {
  erasurePlaces,
  type Erasure,
  type ErasureActor,
  type ErasureNaming,
  type ErasurePlace,
  type ErasureState,
  type ErasureStore,
  type RewrittenRows,
  type WalkPosition,
} from '../../subjects/erasure-store.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import { unpackLogEvent } from './log-row.ts'
import type { ErasureRow, DatabaseSchema } from '../sql/schema.ts'
import { ofEntities } from './subject-store.ts'
import { termKey } from './term-key.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

interface Columns {
  readonly table: string
  /** Its numbering column, `sequence` unless given. */
  readonly key?: string
  readonly json: readonly string[]
  readonly plain: readonly string[]
  readonly issuer?: RawBuilder<unknown>
  /** The JSON of a column with another format, and of a second column. */
  readonly unpacked?: {
    readonly with: string
    readonly json: (text: string, beside: string) => string
  }
}

type SequencedPlace = Exclude<ErasurePlace, KeyedPlace>

const columnsOf: Readonly<Record<SequencedPlace, Columns>> = {
  signals: { table: 'signals', json: ['events'], plain: ['jti'], issuer: sql`iss` },
  failures: { table: 'signal_failures', json: [], plain: ['error'] },
  refusals: { table: 'refusals', json: [], plain: ['iss', 'jti', 'reason'] },
  history: { table: 'risk_history', json: ['reason'], plain: [] },
  erasures: { table: 'erasures', key: 'number', json: ['requested_by'], plain: [] },
  log: {
    table: 'log_events',
    json: ['event'],
    plain: [],
    unpacked: {
      with: 'event_type',
      json: (text, eventType) => JSON.stringify(unpackLogEvent(text, eventType)),
    },
  },
}

/** Tables with keys of several columns: rows with the same first column are read together; the other columns identify each. */
type KeyedPlace = 'unmatched' | 'reasons' | 'revocations'

interface Keyed {
  readonly table: string
  readonly first: string
  readonly rest: readonly string[]
  /** The column with the text. */
  readonly text: string
}

const keysOf: Readonly<Record<KeyedPlace, Keyed>> = {
  unmatched: { table: 'signal_unmatched', first: 'sequence', rest: ['event'], text: 'reason' },
  reasons: { table: 'risk_reasons', first: 'node', rest: ['source', 'slot'], text: 'message' },
  revocations: {
    table: 'revocations',
    first: 'node',
    rest: ['user_node', 'device_node', 'session_node', 'provider_id'],
    text: 'message',
  },
}

function isKeyed(place: ErasurePlace): place is KeyedPlace {
  return Object.hasOwn(keysOf, place)
}

const epochCounter = 'erasures'
const readEpoch = fixedStatement<{}, { value: number }>(
  () => sql`SELECT value FROM counters WHERE name = ${sql.lit(epochCounter)}`,
)

export function createErasureStore(db: Kysely<DatabaseSchema>, variant: SqlVariant): ErasureStore {
  /** @returns how many rows it changed */
  const run = async (query: RawBuilder<unknown>): Promise<number> =>
    Number((await query.execute(db)).numAffectedRows ?? 0n)

  const bumpEpoch = (): Promise<unknown> =>
    run(sql`
      INSERT INTO counters (name, shard, value) VALUES (${epochCounter}, 0, 1)
      ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + 1`)

  return {
    async epoch() {
      const [row] = await readEpoch(db, variant, {})
      return row?.value ?? 0
    },

    async begin(entity, { id, subject, requestedAt, requestedBy, names }) {
      const { rows } = await sql<{
        node: number
      }>`SELECT node FROM ${ofEntities(variant, [entity])} n`.execute(db)
      const nodes = variant.numbers(rows.map(({ node }) => node))
      const claims = sql`(SELECT claim FROM claim_identifiers WHERE node IN ${nodes})`
      await run(sql`DELETE FROM claims WHERE key IN ${claims}`)
      await run(
        sql`DELETE FROM claim_identifiers WHERE claim IN (SELECT claim FROM claim_identifiers WHERE node IN ${nodes})`,
      )
      await run(sql`DELETE FROM endings WHERE node IN ${nodes} OR successor IN ${nodes}`)
      await run(sql`DELETE FROM memberships WHERE node IN ${nodes}`)
      const reasons = await run(sql`DELETE FROM risk_reasons WHERE node IN ${nodes}`)
      const history = await run(sql`DELETE FROM risk_history WHERE node IN ${nodes}`)
      const revocations = await run(
        sql`DELETE FROM revocations WHERE node IN ${nodes} OR user_node IN ${nodes} OR device_node IN ${nodes}`,
      )
      await run(sql`DELETE FROM loaded_users WHERE node IN ${nodes}`)
      const identifiers = await run(sql`DELETE FROM identifiers WHERE node IN ${nodes}`)
      const by: ErasureActor = {
        id: requestedBy.id,
        type: requestedBy.type,
        displayName: requestedBy.displayName,
        alternateId: requestedBy.alternateId,
      }
      await db
        .insertInto('erasures')
        .values({
          id,
          subject_id: subject.id,
          subject_kind: subject.kind,
          requested_at: requestedAt.getTime(),
          requested_by: JSON.stringify(by),
          started_at: null,
          finished_at: null,
          names: JSON.stringify(names),
          place: null,
          deleted: JSON.stringify({ identifiers, reasons, revocations, history }),
          rewritten: JSON.stringify(nothingRewritten),
        })
        .execute()
      await bumpEpoch()
    },

    async find(id) {
      const row = await db.selectFrom('erasures').select(shown).where('id', '=', id).executeTakeFirst()
      return row && erasureOf(row)
    },

    async ofSubject(subjectId) {
      const row = await db
        .selectFrom('erasures')
        .select(shown)
        .where('subject_id', '=', subjectId)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row && erasureOf(row)
    },

    async list({ limit, state, before = Number.MAX_SAFE_INTEGER }) {
      const { rows } = await sql<ShownRow>`
        SELECT ${sql.join(shown.map((column) => sql.ref(column)))} FROM erasures
        WHERE number < ${before} ${state === undefined ? sql`` : sql`AND ${isIn[state]}`}
        ORDER BY number DESC LIMIT ${limit + 1}`.execute(db)
      const erasures = rows.slice(0, limit).map(erasureOf)
      return { erasures, next: rows.length > limit ? erasures.at(-1)?.number : undefined }
    },

    async backlog() {
      const { rows } = await sql<{ count: number; since: number | null }>`
        SELECT count(*) AS count, min(requested_at) AS since FROM erasures WHERE finished_at IS NULL`.execute(
        db,
      )
      const { count = 0, since = null } = rows[0] ?? {}
      return { count, since: since === null ? undefined : new Date(since) }
    },

    async names(max, only) {
      const condition =
        only === undefined
          ? sql``
          : only === 'waiting'
            ? sql`AND place IS NULL`
            : sql`AND id IN ${variant.texts(only)}`
      const { rows } = await sql<{ id: string; names: string }>`
        SELECT id, names FROM erasures WHERE finished_at IS NULL AND names IS NOT NULL ${condition}
        ORDER BY number LIMIT ${max}`.execute(db)
      return rows.map(({ id, names }) => ({ id, names: JSON.parse(names) as ErasureNaming['names'] })) // by `begin`
    },

    async startWalk(ids, at) {
      await run(sql`
        UPDATE erasures SET place = ${placeText({ place: erasurePlaces[0], after: 0, rows: 0 })}, started_at = ${at.getTime()}
        WHERE finished_at IS NULL AND place IS NULL AND id IN ${variant.texts(ids)}`)
    },

    async walk() {
      const { rows } = await sql<{ id: string; place: string; rewritten: string }>`
        SELECT id, place, rewritten FROM erasures WHERE ${inWalk} ORDER BY number`.execute(db)
      const [first] = rows
      if (first === undefined) return undefined
      return {
        ...positionOf(first.place), // all walks go on from one position
        erasures: rows.map(({ id, rewritten }) => ({
          id,
          rewritten: JSON.parse(rewritten) as RewrittenRows,
        })), // written by `begin`
      }
    },

    async page(place, after, max) {
      if (isKeyed(place)) {
        const { table, rest } = keysOf[place]
        const [first, text] = [sql.ref(keysOf[place].first), sql.ref(keysOf[place].text)]
        const { rows } = await sql<KeyedRow>`
          SELECT ${first} AS first, ${text} AS text, ${sql.join(rest.map((column) => sql.ref(column)))}
          FROM ${sql.table(table)}
          WHERE ${text} IS NOT NULL AND ${first} IN (
            SELECT DISTINCT ${first} FROM ${sql.table(table)} WHERE ${first} > ${after} AND ${text} IS NOT NULL
            ORDER BY ${first} LIMIT ${max})
          ORDER BY ${first}`.execute(db)
        return [...Map.groupBy(rows, (row) => row.first)].map(([sequence, together]) => ({
          sequence,
          json: {},
          issuer: '',
          plain: Object.fromEntries(
            together.map((row) => [JSON.stringify(rest.map((column) => row[column])), row.text]),
          ),
        }))
      }
      const { table, key = 'sequence', json, plain, issuer = sql`''`, unpacked } = columnsOf[place]
      const read = [...json, ...plain, ...(unpacked === undefined ? [] : [unpacked.with])]
      const { rows } = await sql<Record<string, string | number | null>>`
        SELECT ${sql.ref(key)} AS sequence, ${issuer} AS issuer, ${sql.join(read.map((column) => sql.ref(column)))}
        FROM ${sql.table(table)} WHERE ${sql.ref(key)} > ${after} ORDER BY ${sql.ref(key)} LIMIT ${max}`.execute(
        db,
      )
      const texts = (row: (typeof rows)[number], columns: readonly string[]) =>
        Object.fromEntries(
          columns.flatMap((column) =>
            typeof row[column] === 'string' ? [[column, row[column]] as const] : [],
          ),
        )
      const jsonOf = (row: (typeof rows)[number]): Readonly<Record<string, string>> => {
        const found = texts(row, json)
        if (unpacked === undefined) return found
        const beside = String(row[unpacked.with])
        return Object.fromEntries(
          Object.entries(found).map(([column, text]) => [column, unpacked.json(text, beside)]),
        )
      }
      return rows.map((row) => ({
        sequence: Number(row['sequence']),
        issuer: String(row['issuer']),
        json: jsonOf(row),
        plain: texts(row, plain),
      }))
    },

    async rewrite(place, erased) {
      if (isKeyed(place)) {
        const { table, first, rest, text: column } = keysOf[place]
        for (const { sequence, texts } of erased) {
          for (const [name, text] of Object.entries(texts)) {
            const values = JSON.parse(name) as readonly (string | number)[] // made by `page`
            const isRow = rest.map((column, at) => sql`${sql.ref(column)} = ${values[at]}`)
            await run(
              sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${text}
                WHERE ${sql.ref(first)} = ${sequence} AND ${sql.join(isRow, sql` AND `)}`,
            )
          }
        }
        return
      }
      const { table, key = 'sequence' } = columnsOf[place]
      for (const { sequence, texts } of erased) {
        const sets = Object.entries(texts).map(([column, text]) => sql`${sql.ref(column)} = ${text}`)
        await run(sql`UPDATE ${sql.table(table)} SET ${sql.join(sets)} WHERE ${sql.ref(key)} = ${sequence}`)
      }
      if (place !== 'signals' || erased.length === 0) return
      const sequences = erased.map(({ sequence }) => sequence)
      const theirs = sql`sequence BETWEEN ${Math.min(...sequences)} AND ${Math.max(...sequences)}
        AND sequence IN ${variant.numbers(sequences)}` // the bounds limit the parts to search
      await run(sql`DELETE FROM signal_tokens WHERE ${theirs}`)
      const terms = erased.flatMap(({ sequence, terms }) => terms.map((term) => [termKey(term), sequence]))
      await run(sql`
        DELETE FROM signal_terms WHERE ${theirs} AND (term, sequence) IN (
          SELECT term, sequence FROM ${variant.rows({ term: 'integer', sequence: 'integer' }, terms)} AS given)`)
      await bumpEpoch() // a batch that the handler has prepared would store these terms again
    },

    async count(id, rewritten) {
      await run(sql`UPDATE erasures SET rewritten = ${JSON.stringify(rewritten)} WHERE id = ${id}`)
    },

    async advance(position) {
      await run(sql`UPDATE erasures SET place = ${placeText(position)} WHERE ${inWalk}`)
    },

    async endWalk(rows) {
      await run(
        sql`UPDATE erasures SET names = NULL, place = ${placeText({ place: 'files', after: 0, rows })} WHERE ${inWalk}`,
      )
      await bumpEpoch()
    },

    async inFiles() {
      const { rows } = await sql<{ id: string }>`
        SELECT id FROM erasures WHERE finished_at IS NULL AND names IS NULL ORDER BY number`.execute(db)
      return rows.map(({ id }) => id)
    },

    async finish(ids, at) {
      await run(sql`
        UPDATE erasures SET finished_at = ${at.getTime()}, place = NULL
        WHERE finished_at IS NULL AND id IN ${variant.texts(ids)}`)
    },

    deleteBefore: (before, max) =>
      run(sql`
        DELETE FROM erasures WHERE number IN (
          SELECT number FROM erasures WHERE finished_at < ${before.getTime()} ORDER BY finished_at LIMIT ${max})`),
  }
}

const inWalk = sql`finished_at IS NULL AND names IS NOT NULL AND place IS NOT NULL`

const isIn: Readonly<Record<ErasureState, RawBuilder<unknown>>> = {
  waiting: sql`finished_at IS NULL AND place IS NULL`,
  running: sql`finished_at IS NULL AND place IS NOT NULL`,
  done: sql`finished_at IS NOT NULL`,
}

const shown = [
  'number',
  'id',
  'subject_id',
  'subject_kind',
  'requested_at',
  'requested_by',
  'started_at',
  'finished_at',
  'place',
  'deleted',
  'rewritten',
] as const
type ShownRow = Pick<Selectable<ErasureRow>, (typeof shown)[number]>

const nothingRewritten = Object.fromEntries(erasurePlaces.map((place) => [place, 0]))

/** A text, and the columns of its key. */
type KeyedRow = { readonly first: number; readonly text: string } & Readonly<Record<string, string | number>>

function placeText(position: WalkPosition): string {
  return JSON.stringify(position)
}

/** @param place - by `placeText` */
function positionOf(place: string): WalkPosition {
  return JSON.parse(place) as WalkPosition
}

function erasureOf(row: ShownRow): Erasure {
  const date = (ms: number | null): Date | undefined => (ms === null ? undefined : new Date(ms))
  return {
    number: row.number,
    id: row.id,
    subject: { id: row.subject_id, kind: row.subject_kind },
    state: row.finished_at !== null ? 'done' : row.place === null ? 'waiting' : 'running',
    requestedAt: new Date(row.requested_at),
    requestedBy: JSON.parse(row.requested_by) as ErasureActor, // `begin` and `count` wrote this and the other JSON
    startedAt: date(row.started_at),
    finishedAt: date(row.finished_at),
    walk: row.place === null ? undefined : positionOf(row.place),
    deleted: JSON.parse(row.deleted) as Erasure['deleted'],
    rewritten: JSON.parse(row.rewritten) as RewrittenRows,
  }
}
