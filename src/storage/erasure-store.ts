import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Erasure, ErasurePlace, ErasureStore } from '../subjects/erasure-store.ts'
import type { ErasureRow, Schema } from './schema.ts'
import { termKey } from './signal-store.ts'
import { each, ofEntities } from './subject-store.ts'

interface Columns {
  readonly table: string
  readonly json: readonly string[]
  readonly plain: readonly string[]
  readonly issuer?: RawBuilder<unknown>
}

type SequencedPlace = Exclude<ErasurePlace, KeyedPlace>

const columnsOf: Readonly<Record<SequencedPlace, Columns>> = {
  signals: { table: 'signals', json: ['events'], plain: ['jti'], issuer: sql`iss` },
  failures: { table: 'signal_failures', json: [], plain: ['error'] },
  refusals: { table: 'refusals', json: [], plain: ['iss', 'jti', 'reason'] },
  history: { table: 'risk_history', json: ['reason'], plain: [] },
  log: { table: 'log_events', json: ['event'], plain: [] },
}

/** Tables without a sequence: messages of one node are looked at together, and told apart by the rest of the key. */
type KeyedPlace = 'reasons' | 'revocations'
const keysOf: Readonly<
  Record<KeyedPlace, { readonly table: RawBuilder<unknown>; readonly key: RawBuilder<unknown> }>
> = {
  reasons: { table: sql`risk_reasons`, key: sql`json_array(source, slot, claims)` },
  revocations: {
    table: sql`revocations`,
    key: sql`json_array(provider_id, user_node, device_node, session_node, claims)`,
  },
}

function isKeyed(place: ErasurePlace): place is KeyedPlace {
  return Object.hasOwn(keysOf, place)
}

export function createErasureStore(db: Kysely<Schema>): ErasureStore {
  const run = (query: RawBuilder<unknown>): Promise<unknown> => query.execute(db)

  return {
    async begin(entity, erasure) {
      const { rows } = await sql<{ node: number }>`SELECT node FROM ${ofEntities([entity])}`.execute(db)
      const nodes = each(rows.map(({ node }) => node))
      const claims = sql`(SELECT claim FROM claim_anchors WHERE node IN ${nodes})`
      await run(sql`DELETE FROM claims WHERE key IN ${claims}`)
      await run(
        sql`DELETE FROM claim_anchors WHERE claim IN (SELECT claim FROM claim_anchors WHERE node IN ${nodes})`,
      )
      await run(sql`DELETE FROM risk_reasons WHERE node IN ${nodes}`)
      await run(sql`DELETE FROM risk_history WHERE node IN ${nodes}`)
      await run(sql`DELETE FROM revocations WHERE node IN ${nodes} OR user_node IN ${nodes}`)
      await run(sql`DELETE FROM loaded_users WHERE node IN ${nodes}`)
      await run(sql`DELETE FROM anchors WHERE node IN ${nodes}`)
      await db
        .insertInto('erasures')
        .values({ id: erasure.id, names: JSON.stringify(erasure.names), place: placeText(erasure) })
        .execute()
    },

    async next() {
      const row = await db
        .selectFrom('erasures')
        .selectAll()
        .orderBy(sql`rowid`)
        .limit(1)
        .executeTakeFirst()
      return row && erasureOf(row)
    },

    async page(place, after, max) {
      if (isKeyed(place)) {
        const { table, key } = keysOf[place]
        const { rows } = await sql<{ node: number; messages: string }>`
          SELECT node, json_group_object(${key}, message) AS messages FROM ${table}
          WHERE node > ${after} AND message IS NOT NULL GROUP BY node ORDER BY node LIMIT ${max}`.execute(db)
        return rows.map(({ node, messages }) => ({
          sequence: node,
          json: {},
          issuer: '',
          plain: JSON.parse(messages) as Record<string, string>, // made by the statement
        }))
      }
      const { table, json, plain, issuer = sql`''` } = columnsOf[place]
      const { rows } = await sql<Record<string, string | number | null>>`
        SELECT sequence, ${issuer} AS issuer, ${sql.join([...json, ...plain].map((column) => sql.ref(column)))} FROM ${sql.table(table)}
        WHERE sequence > ${after} ORDER BY sequence LIMIT ${max}`.execute(db)
      const texts = (row: (typeof rows)[number], columns: readonly string[]) =>
        Object.fromEntries(
          columns.flatMap((column) =>
            typeof row[column] === 'string' ? [[column, row[column]] as const] : [],
          ),
        )
      return rows.map((row) => ({
        sequence: Number(row['sequence']),
        issuer: String(row['issuer']),
        json: texts(row, json),
        plain: texts(row, plain),
      }))
    },

    async rewrite(place, erased, terms) {
      if (isKeyed(place)) {
        const { table, key } = keysOf[place]
        for (const { sequence, texts } of erased) {
          for (const [name, text] of Object.entries(texts)) {
            await run(
              sql`UPDATE ${table} SET message = ${text} WHERE node = ${sequence} AND ${key} = ${name}`,
            )
          }
        }
        return
      }
      const { table } = columnsOf[place]
      for (const { sequence, texts } of erased) {
        const changes = place === 'signals' ? { ...texts, token: '' } : texts
        const sets = Object.entries(changes).map(([column, text]) => sql`${sql.ref(column)} = ${text}`)
        await run(sql`UPDATE ${sql.table(table)} SET ${sql.join(sets)} WHERE sequence = ${sequence}`)
      }
      if (place !== 'signals' || erased.length === 0) return
      await run(sql`DELETE FROM signal_terms WHERE term IN ${each(terms.map(termKey))}
        AND sequence IN ${each(erased.map(({ sequence }) => sequence))}`)
    },

    async advance(erasure) {
      await db
        .updateTable('erasures')
        .set({ place: placeText(erasure) })
        .where('id', '=', erasure.id)
        .execute()
    },

    async finish(id) {
      await db.deleteFrom('erasures').where('id', '=', id).execute()
    },
  }
}

function placeText({ place, after }: Erasure): string {
  return JSON.stringify({ place, after })
}

function erasureOf({ id, names, place }: ErasureRow): Erasure {
  return {
    id,
    names: JSON.parse(names) as Erasure['names'], // both were written by `begin` and `advance`
    ...(JSON.parse(place) as Pick<Erasure, 'place' | 'after'>),
  }
}
