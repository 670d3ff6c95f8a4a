import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import { bareOf, kindOf, type Anchor } from '../subjects/anchor.ts'
import type { AnchorNode, KnownClaim, Subject, SubjectStore } from '../subjects/subject-store.ts'
import type { AnchorRow, ClaimRow, LoadedUserRow, Schema } from './schema.ts'

/** How many anchors one page of a search for text looks through. */
const anchorsLookedAtMax = 50_000
const bareFoundMax = 20

/** A list as rows, whatever its length: the statement stays the same and prepared. */
export const each = (values: readonly unknown[]): RawBuilder<unknown> =>
  sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`

/** Every anchor of the entities. */
export const ofEntities = (entities: readonly number[]): RawBuilder<unknown> => sql`(
  SELECT node FROM anchors WHERE node IN ${each(entities)} AND entity = node
  UNION ALL SELECT node FROM anchors WHERE entity IN ${each(entities)} AND entity <> node)`

export function createSubjectStore(db: Kysely<Schema>): SubjectStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  const store: SubjectStore = {
    async resolve(anchors) {
      if (anchors.length === 0) return []
      return (
        await rows(sql<NodeRow>`SELECT ${nodeColumns} FROM anchors WHERE anchor IN ${each(anchors)}`)
      ).map(nodeOf)
    },

    async loadedAmong(entities) {
      const found = await rows(sql<{ entity: number }>`
        SELECT DISTINCT entity FROM anchors JOIN loaded_users USING (node) WHERE node IN ${ofEntities(entities)}`)
      return found.map(({ entity }) => entity)
    },

    async add(anchors) {
      const values = anchors.map(({ anchor, id, seenAt }) => [
        anchor,
        bareOf(anchor) ?? null,
        id,
        seenAt.getTime(),
      ])
      // An entity of its own is known by its own number, which SQLite gives out only now.
      await sql`
        INSERT INTO anchors (anchor, bare, id, entity, seen_at)
        SELECT value ->> 0, value ->> 1, value ->> 2, 0, value ->> 3 FROM json_each(${JSON.stringify(values)})`.execute(
        db,
      )
      await sql`UPDATE anchors SET entity = node WHERE anchor IN ${each(anchors.map(({ anchor }) => anchor))}`.execute(
        db,
      )
      return store.resolve(anchors.map(({ anchor }) => anchor))
    },

    async claims(keys) {
      return (await rows(sql<ClaimRow>`SELECT * FROM claims WHERE key IN ${each(keys)}`)).map(claimOf)
    },

    async putClaims(claims) {
      const values = claims.map(({ key, anchors, first, last }) => [
        key,
        anchors,
        first.at,
        first.id,
        last.at,
        last.id,
      ])
      await sql`
        INSERT INTO claims (key, anchors, first_at, first_id, last_at, last_id)
        SELECT value ->> 0, value -> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
        FROM json_each(${JSON.stringify(values)}) WHERE true
        ON CONFLICT (key) DO UPDATE SET first_at = excluded.first_at, first_id = excluded.first_id,
          last_at = excluded.last_at, last_id = excluded.last_id`.execute(db)
      await sql`
        INSERT INTO claim_anchors (node, claim)
        SELECT a.node, c.value ->> 0
        FROM json_each(${JSON.stringify(values)}) c, json_each(c.value -> 1) n JOIN anchors a ON a.anchor = n.value
        WHERE true ON CONFLICT DO NOTHING`.execute(db)
    },

    async dropClaims(keys) {
      await sql`DELETE FROM claims WHERE key IN ${each(keys)}`.execute(db)
      await sql`DELETE FROM claim_anchors WHERE claim IN ${each(keys)}`.execute(db)
    },

    async component(nodes) {
      const found = await rows(sql<NodeRow>`
        WITH RECURSIVE reached (node) AS (
          SELECT value FROM json_each(${JSON.stringify([...new Set(nodes)])})
          UNION SELECT o.node FROM reached JOIN claim_anchors c USING (node) JOIN claim_anchors o ON o.claim = c.claim)
        SELECT ${nodeColumns} FROM reached JOIN anchors USING (node)`)
      const claims = await rows(sql<ClaimRow>`
        SELECT * FROM claims WHERE key IN (
          SELECT claim FROM claim_anchors WHERE node IN ${each(found.map(({ node }) => node))})`)
      return {
        nodes: found.map(nodeOf),
        claims: claims.map(claimOf),
        endedAt: new Map(
          found.flatMap(({ anchor, ended_at }) => (ended_at === null ? [] : [[anchor, ended_at] as const])),
        ),
      }
    },

    async rejoin({ entities, claims }) {
      if (entities.length > 0) {
        // Whoever is joined to an older one keeps no level of its own.
        const values = entities.map(({ node, entity }) => [node, entity])
        await sql`
          UPDATE anchors SET entity = c.value ->> 1,
            level = iif(node = c.value ->> 1, level, 0), changes_at = iif(node = c.value ->> 1, changes_at, NULL)
          FROM json_each(${JSON.stringify(values)}) c WHERE node = c.value ->> 0`.execute(db)
      }
      if (claims.length > 0) {
        const values = claims.map(({ key, refused }) => [key, refused ?? null])
        await sql`
          UPDATE claims SET refused = c.value ->> 1
          FROM json_each(${JSON.stringify(values)}) c WHERE claims.key = c.value ->> 0`.execute(db)
      }
    },

    async end(endings) {
      for (const { anchor, at, recycledAs } of endings) {
        const time = at.getTime()
        await sql`
          UPDATE anchors SET ended_at = max(coalesce(ended_at, 0), ${time}) WHERE anchor = ${anchor}`.execute(
          db,
        )
        if (recycledAs === undefined) continue
        await sql`
          UPDATE anchors SET recycled_at = ${time}, id = ${recycledAs}
          WHERE anchor = ${anchor} AND coalesce(recycled_at, -1) < ${time}`.execute(db)
      }
    },

    async find(id) {
      const [found] = await rows(sql<{ entity: number }>`SELECT entity FROM anchors WHERE id = ${id}`)
      if (found === undefined) return undefined
      return (await store.ofEntities([found.entity]))[0]
    },

    async ofEntities(entities) {
      const found = await rows(sql<SubjectRow>`
        SELECT ${nodeColumns}, level, seen_at, login, display_name, loaded_at
        FROM anchors LEFT JOIN loaded_users USING (node) WHERE node IN ${ofEntities(entities)} ORDER BY node`)
      const byEntity = Map.groupBy(found, ({ entity }) => entity)
      return entities.flatMap((entity) => {
        const members = byEntity.get(entity)
        return members === undefined ? [] : [subjectOf(entity, members)]
      })
    },

    async findBare(bare) {
      const found = await rows(sql<{ entity: number }>`
        SELECT DISTINCT entity FROM anchors WHERE bare = ${bare} LIMIT ${bareFoundMax}`)
      return found.map(({ entity }) => entity)
    },

    async list({ kind, level, text, before = Number.MAX_SAFE_INTEGER, limit }) {
      const conditions = [sql`a.node < ${before}`]
      // A range, and not a prefix of `id`: it says nothing about where in the order of nodes they are.
      if (kind !== undefined) conditions.push(sql`a.anchor >= ${`${kind}:`} AND a.anchor < ${`${kind};`}`)
      if (level !== undefined) conditions.push(sql`e.level = ${level} AND e.level > 0`)
      const lowest = text === undefined ? undefined : await lookedAtTo(before)
      if (text === undefined) conditions.push(sql`a.entity = a.node`)
      else conditions.push(sql`a.node >= ${lowest} AND instr(lower(a.anchor), ${text}) > 0`)
      const indexed = level === undefined || text !== undefined ? sql`NOT INDEXED` : sql``
      const found = await rows(sql<{ node: number; entity: number }>`
        SELECT a.node, a.entity FROM anchors a ${indexed} JOIN anchors e ON e.node = a.entity
        WHERE ${sql.join(conditions, sql` AND `)} ORDER BY a.node DESC LIMIT ${limit + 1}`)
      const page = found.slice(0, limit)
      const further = lowest !== undefined && lowest > 1 ? lowest : undefined
      return {
        subjects: await store.ofEntities([...new Set(page.map(({ entity }) => entity))]),
        next: found.length > limit ? page.at(-1)?.node : further,
      }
    },

    async loadedBefore(login) {
      const [before] = await rows(sql<{ claim: string | null }>`
        SELECT claim FROM loaded_users JOIN anchors USING (node) WHERE anchor = ${login}`)
      return before && { claim: before.claim ?? undefined }
    },

    async putLoaded(login, user) {
      await sql`
        INSERT OR REPLACE INTO loaded_users (node, login, display_name, loaded_at, claim)
        SELECT node, ${user.login}, ${user.displayName ?? null}, ${user.loadedAt.getTime()}, ${user.claim ?? null}
        FROM anchors WHERE anchor = ${login}`.execute(db)
    },
  }
  /** Text is looked for in a stretch of anchors, so that no search holds anybody up: where this one ends. */
  async function lookedAtTo(before: number): Promise<number> {
    const [lowest] = await rows(sql<{ node: number | null }>`
      SELECT min(node) AS node FROM (
        SELECT node FROM anchors NOT INDEXED WHERE node < ${before} ORDER BY node DESC LIMIT ${anchorsLookedAtMax})`)
    return lowest?.node ?? 0
  }

  return store
}

const nodeColumns = sql`node, anchor, id, entity, ended_at, recycled_at`
type NodeRow = Pick<Selectable<AnchorRow>, 'node' | 'anchor' | 'id' | 'entity' | 'ended_at' | 'recycled_at'>
type SubjectRow = NodeRow &
  Pick<AnchorRow, 'level' | 'seen_at'> & {
    [Column in 'login' | 'display_name' | 'loaded_at']: LoadedUserRow[Column] | null
  }

function nodeOf({ node, anchor, id, entity, ended_at, recycled_at }: NodeRow): AnchorNode {
  return {
    node,
    anchor,
    id,
    entity,
    ended: ended_at !== null,
    recycledAt: recycled_at === null ? undefined : new Date(recycled_at),
  }
}

function claimOf(row: ClaimRow): KnownClaim {
  return {
    key: row.key,
    anchors: JSON.parse(row.anchors) as readonly Anchor[], // written by putClaims
    first: { at: row.first_at, id: row.first_id },
    last: { at: row.last_at, id: row.last_id },
    refused: row.refused ?? undefined,
  }
}

function subjectOf(entity: number, members: readonly SubjectRow[]): Subject {
  const [oldest] = members
  if (oldest === undefined) throw new Error('An entity has at least one anchor.')
  const loaded = members.find(({ login }) => login !== null)
  return {
    id: oldest.id,
    entity,
    kind: kindOf(oldest.anchor),
    anchors: members.map(nodeOf),
    level: oldest.level,
    firstSeenAt: new Date(oldest.seen_at),
    loaded:
      loaded === undefined
        ? undefined
        : {
            login: loaded.login ?? '',
            displayName: loaded.display_name ?? undefined,
            loadedAt: new Date(loaded.loaded_at ?? 0),
          },
  }
}
