import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Erasure, ErasurePlace, ErasureStore } from '../../subjects/erasure-store.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import { unpackLogEvent } from './log-row.ts'
import type { ErasureRow, Schema } from '../sql/schema.ts'
import { ofEntities } from './subject-store.ts'
import { termKey } from './term-key.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

interface Columns {
  readonly table: string
  readonly json: readonly string[]
  readonly plain: readonly string[]
  readonly issuer?: RawBuilder<unknown>
  /** The JSON of a column that holds it in another form, with what stands in a second column. */
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

/** Tables whose keys have several columns: rows with the same first one are looked at together, and told apart by the rest. */
type KeyedPlace = 'unmatched' | 'reasons' | 'revocations'

interface Keyed {
  readonly table: string
  readonly first: string
  readonly rest: readonly string[]
  /** The one with the text. */
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

export function createErasureStore(db: Kysely<Schema>, variant: SqlVariant): ErasureStore {
  const run = (query: RawBuilder<unknown>): Promise<unknown> => query.execute(db)

  const bumpEpoch = (): Promise<unknown> =>
    run(sql`
      INSERT INTO counters (name, shard, value) VALUES (${epochCounter}, 0, 1)
      ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + 1`)

  return {
    async epoch() {
      const [row] = await readEpoch(db, variant, {})
      return row?.value ?? 0
    },

    async begin(entity, erasure) {
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
      await run(sql`DELETE FROM risk_reasons WHERE node IN ${nodes}`)
      await run(sql`DELETE FROM risk_history WHERE node IN ${nodes}`)
      await run(
        sql`DELETE FROM revocations WHERE node IN ${nodes} OR user_node IN ${nodes} OR device_node IN ${nodes}`,
      )
      await run(sql`DELETE FROM loaded_users WHERE node IN ${nodes}`)
      await run(sql`DELETE FROM identifiers WHERE node IN ${nodes}`)
      await db
        .insertInto('erasures')
        .values({ id: erasure.id, names: JSON.stringify(erasure.names), place: placeText(erasure) })
        .execute()
      await bumpEpoch()
    },

    async next() {
      const row = await db
        .selectFrom('erasures')
        .select(['id', 'names', 'place'])
        .orderBy('number')
        .limit(1)
        .executeTakeFirst()
      return row && erasureOf(row)
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
      const { table, json, plain, issuer = sql`''`, unpacked } = columnsOf[place]
      const read = [...json, ...plain, ...(unpacked === undefined ? [] : [unpacked.with])]
      const { rows } = await sql<Record<string, string | number | null>>`
        SELECT sequence, ${issuer} AS issuer, ${sql.join(read.map((column) => sql.ref(column)))} FROM ${sql.table(table)}
        WHERE sequence > ${after} ORDER BY sequence LIMIT ${max}`.execute(db)
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
      const { table } = columnsOf[place]
      for (const { sequence, texts } of erased) {
        const sets = Object.entries(texts).map(([column, text]) => sql`${sql.ref(column)} = ${text}`)
        await run(sql`UPDATE ${sql.table(table)} SET ${sql.join(sets)} WHERE sequence = ${sequence}`)
      }
      if (place !== 'signals' || erased.length === 0) return
      const sequences = erased.map(({ sequence }) => sequence)
      const theirs = sql`sequence BETWEEN ${Math.min(...sequences)} AND ${Math.max(...sequences)}
        AND sequence IN ${variant.numbers(sequences)}` // the bounds name the parts of tables that have such
      await run(sql`DELETE FROM signal_tokens WHERE ${theirs}`)
      const terms = erased.flatMap(({ sequence, terms }) => terms.map((term) => [termKey(term), sequence]))
      await run(sql`
        DELETE FROM signal_terms WHERE ${theirs} AND (term, sequence) IN (
          SELECT term, sequence FROM ${variant.rows({ term: 'integer', sequence: 'integer' }, terms)} AS given)`)
    },

    async advance(erasure) {
      await db
        .updateTable('erasures')
        .set({ place: placeText(erasure) })
        .where('id', '=', erasure.id)
        .execute()
    },

    async forgetNames(id) {
      const nobody: Erasure['names'] = { pseudonym: '', identifiers: [], displayName: undefined }
      const place = placeText({ place: 'files', after: 0 })
      await db
        .updateTable('erasures')
        .set({ names: JSON.stringify(nobody), place })
        .where('id', '=', id)
        .execute()
      await bumpEpoch()
    },

    async finish(id) {
      await db.deleteFrom('erasures').where('id', '=', id).execute()
      await bumpEpoch()
    },
  }
}

/** A text, and the columns of its key. */
type KeyedRow = { readonly first: number; readonly text: string } & Readonly<Record<string, string | number>>

function placeText({ place, after }: Pick<Erasure, 'place' | 'after'>): string {
  return JSON.stringify({ place, after })
}

function erasureOf({ id, names, place }: Omit<ErasureRow, 'number'>): Erasure {
  return {
    id,
    names: JSON.parse(names) as Erasure['names'], // both were written by `begin` and `advance`
    ...(JSON.parse(place) as Pick<Erasure, 'place' | 'after'>),
  }
}
