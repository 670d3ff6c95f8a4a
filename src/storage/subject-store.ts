import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import { bareOf, kindOf, type Anchor } from '../subjects/anchor.ts'
import type { AnchorNode, KnownClaim, Subject, SubjectStore } from '../subjects/subject-store.ts'
import type { Deletions } from './deletions.ts'
import { fixedStatement } from './fixed-statement.ts'
import type { AnchorRow, ClaimRow, LoadedUserRow, Schema } from './schema.ts'
import type { List, RowStatement, Words } from './words.ts'

/** How many anchors one page of a search for text looks through. */
const anchorsLookedAtMax = 50_000
const bareFoundMax = 20

/** Every anchor of the entities. */
export const ofEntities = (words: Words, entities: List<number>): RawBuilder<unknown> => sql`(
  SELECT node FROM anchors WHERE node IN ${words.numbers(entities)} AND entity = node
  UNION ALL SELECT node FROM anchors WHERE entity IN ${words.numbers(entities)} AND entity <> node)`

export function createSubjectStore(
  db: Kysely<Schema>,
  words: Words,
  deletions: Pick<Deletions, 'forgetSubjects'>,
): SubjectStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  const store: SubjectStore = {
    async resolve(anchors) {
      if (anchors.length === 0) return []
      return (await nodesOfAnchors(db, words, { anchors })).map(nodeOf)
    },

    async loadedAmong(entities) {
      const found = await rows(sql<{ entity: number }>`
        SELECT DISTINCT entity FROM anchors JOIN loaded_users USING (node)
        WHERE node IN ${ofEntities(words, entities)}`)
      return found.map(({ entity }) => entity)
    },

    async loadedAnchorsAmong(anchors) {
      const found = await rows(sql<{ anchor: Anchor }>`
        SELECT DISTINCT anchor FROM anchors JOIN claim_anchors USING (node) JOIN claims ON key = claim
        WHERE anchor IN ${words.texts(anchors)} AND standing = 0`)
      return found.map(({ anchor }) => anchor)
    },

    async add(anchors) {
      const added = await words.each(
        db,
        addAnchors,
        anchors.map(({ anchor, id, seenAt }) => [anchor, bareOf(anchor) ?? null, id, seenAt.getTime()]),
      )
      return added.map(nodeOf)
    },

    async claims(keys) {
      return (await claimsByKey(db, words, { keys })).map(claimOf)
    },

    async putClaims(claims) {
      await words.each(
        db,
        putClaims,
        claims.map(({ key, anchors, standing, first, last }) => [
          key,
          JSON.stringify(anchors),
          standing,
          first.at,
          first.id,
          last.at,
          last.id,
        ]),
      )
      await words.each(
        db,
        addMembers,
        claims.flatMap(({ key, anchors }) => anchors.map((anchor) => [key, anchor])),
      )
    },

    async dropClaims(keys) {
      await sql`DELETE FROM claims WHERE key IN ${words.texts(keys)}`.execute(db)
      await sql`DELETE FROM claim_anchors WHERE claim IN ${words.texts(keys)}`.execute(db)
    },

    async component(nodes) {
      const found = await rows(sql<NodeRow>`
        WITH RECURSIVE reached (node) AS (
          SELECT * FROM ${words.numbers([...new Set(nodes)])} g
          UNION SELECT o.node FROM reached JOIN claim_anchors c USING (node) JOIN claim_anchors o ON o.claim = c.claim)
        SELECT ${nodeColumns} FROM reached JOIN anchors USING (node)`)
      const claims = await rows(sql<ClaimRow>`
        SELECT ${claimColumns} FROM claims WHERE key IN (
          SELECT claim FROM claim_anchors WHERE node IN ${words.numbers(found.map(({ node }) => node))})`)
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
        const given = words.rows(
          { node: 'integer', entity: 'integer' },
          entities.map(({ node, entity }) => [node, entity]),
        )
        // Whoever is joined to an older one keeps no level of its own.
        await sql`
          UPDATE anchors SET entity = g.entity,
            level = CASE WHEN g.node = g.entity THEN level ELSE 0 END,
            changes_at = CASE WHEN g.node = g.entity THEN changes_at END
          FROM ${given} g WHERE anchors.node = g.node`.execute(db)
      }
      if (claims.length > 0) {
        const given = words.rows(
          { key: 'text', refused: 'text' },
          claims.map(({ key, refused }) => [key, refused ?? null]),
        )
        await sql`UPDATE claims SET refused = g.refused FROM ${given} g WHERE claims.key = g.key`.execute(db)
      }
    },

    async end(endings) {
      for (const { anchor, at, recycledAs } of endings) {
        const time = at.getTime()
        await sql`
          UPDATE anchors SET ended_at = ${time}
          WHERE anchor = ${anchor} AND (ended_at IS NULL OR ended_at < ${time})`.execute(db)
        if (recycledAs === undefined) continue
        await sql`
          UPDATE anchors SET recycled_at = ${time}, id = ${recycledAs}
          WHERE anchor = ${anchor} AND (recycled_at IS NULL OR recycled_at < ${time})`.execute(db)
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
        FROM anchors LEFT JOIN loaded_users USING (node) WHERE node IN ${ofEntities(words, entities)} ORDER BY node`)
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
      // Not so that an index of names is used: it says nothing about where in the order of nodes they are.
      if (kind !== undefined)
        conditions.push(sql`substr(a.anchor, 1, ${sql.lit(kind.length + 1)}) = ${`${kind}:`}`)
      const lowest = text === undefined ? undefined : await lookedAtTo(before)
      if (text === undefined) {
        conditions.push(sql`a.entity = a.node`)
        if (level !== undefined) conditions.push(sql`a.level = ${level} AND a.level > 0`)
      } else {
        conditions.push(sql`a.node >= ${lowest} AND replace(lower(a.anchor), ${text}, '') <> lower(a.anchor)`)
        if (level !== undefined)
          conditions.push(sql`(SELECT e.level FROM anchors e WHERE e.node = a.entity) = ${level}`)
      }
      const found = await rows(sql<{ node: number; entity: number }>`
        SELECT a.node, a.entity FROM anchors a WHERE ${sql.join(conditions, sql` AND `)}
        ORDER BY a.node DESC LIMIT ${limit + 1}`)
      const page = found.slice(0, limit)
      const further = lowest !== undefined && lowest > 1 ? lowest : undefined
      return {
        subjects: await store.ofEntities([...new Set(page.map(({ entity }) => entity))]),
        next: found.length > limit ? page.at(-1)?.node : further,
      }
    },

    forget: (step) => deletions.forgetSubjects({ ...step, before: step.before.getTime() }),

    async loadedBefore(login) {
      const [before] = await rows(sql<{ claim: string | null }>`
        SELECT claim FROM loaded_users JOIN anchors USING (node) WHERE anchor = ${login}`)
      return before && { claim: before.claim ?? undefined }
    },

    async putLoaded(login, user) {
      const given = words.rows(
        { anchor: 'text', login: 'text', display_name: 'text', loaded_at: 'integer', claim: 'text' },
        [[login, user.login, user.displayName ?? null, user.loadedAt.getTime(), user.claim ?? null]],
      )
      await sql`
        INSERT INTO loaded_users (node, login, display_name, loaded_at, claim)
        SELECT a.node, g.login, g.display_name, g.loaded_at, g.claim
        FROM ${given} g JOIN anchors a ON a.anchor = g.anchor WHERE true
        ON CONFLICT (node) DO UPDATE SET login = excluded.login, display_name = excluded.display_name,
          loaded_at = excluded.loaded_at, claim = excluded.claim`.execute(db)
    },
  }
  /** Text is looked for in a stretch of anchors, so that no search holds anybody up: where this one ends. */
  async function lookedAtTo(before: number): Promise<number> {
    const [lowest] = await rows(sql<{ node: number | null }>`
      SELECT min(node) AS node FROM (
        SELECT node FROM anchors WHERE node < ${before} ORDER BY node DESC LIMIT ${anchorsLookedAtMax}) looked_at`)
    return lowest?.node ?? 0
  }

  return store
}

const claimColumns = sql`key, anchors, standing, first_at, first_id, last_at, last_id, refused`
const nodeColumns = sql`node, anchor, id, entity, ended_at, recycled_at`

const nodesOfAnchors = fixedStatement<{ anchors: readonly Anchor[] }, NodeRow>(
  (slot, words) => sql`SELECT ${nodeColumns} FROM anchors WHERE anchor IN ${words.texts(slot('anchors'))}`,
)

const claimsByKey = fixedStatement<{ keys: readonly string[] }, ClaimRow>(
  (slot, words) => sql`SELECT ${claimColumns} FROM claims WHERE key IN ${words.texts(slot('keys'))}`,
)

const addAnchors: RowStatement<NodeRow> = {
  columns: { anchor: 'text', bare: 'text', id: 'text', seen_at: 'integer' },
  // An entity of its own is known by its own number.
  text: (given, words) => sql`
    INSERT INTO anchors (node, anchor, bare, id, entity, seen_at)
    SELECT n.node, n.anchor, n.bare, n.id, n.node, n.seen_at
    FROM (SELECT ${words.nextNumber('anchors', 'node')} AS node, g.anchor, g.bare, g.id, g.seen_at FROM ${given} g) n
    RETURNING ${nodeColumns}`,
}

const putClaims: RowStatement = {
  columns: {
    key: 'text',
    anchors: 'text',
    standing: 'integer',
    first_at: 'integer',
    first_id: 'text',
    last_at: 'integer',
    last_id: 'text',
  },
  text: (given) => sql`
    INSERT INTO claims (key, anchors, standing, first_at, first_id, last_at, last_id)
    SELECT key, anchors, standing, first_at, first_id, last_at, last_id FROM ${given} g WHERE true
    ON CONFLICT (key) DO UPDATE SET anchors = excluded.anchors, standing = excluded.standing,
      first_at = excluded.first_at, first_id = excluded.first_id, last_at = excluded.last_at, last_id = excluded.last_id`,
}

const addMembers: RowStatement = {
  columns: { claim: 'text', anchor: 'text' },
  text: (given) => sql`
    INSERT INTO claim_anchors (node, claim)
    SELECT a.node, m.claim FROM ${given} m JOIN anchors a ON a.anchor = m.anchor
    WHERE true ON CONFLICT DO NOTHING`,
}

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
    standing: row.standing,
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
