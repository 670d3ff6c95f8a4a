import { sql, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import { bareOf, kindOf, scopeOf, type Identifier } from '../../subjects/identifier.ts'
import type { IdentifierNode, KnownClaim, Subject, SubjectStore } from '../../subjects/subject-store.ts'
import type { Deletions } from './deletions.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import { membershipOf } from './risk-rows.ts'
import type {
  IdentifierRow,
  ClaimRow,
  EndingRow,
  LoadedUserRow,
  MembershipRow,
  DatabaseSchema,
} from '../sql/schema.ts'
import type { List, RowStatement, SqlVariant } from '../sql/sql-variant.ts'

/** How many identifiers one page of a text search looks through. */
const identifiersLookedAtMax = 50_000
/** How many endings of one source and identifier are kept, the latest ones: see SubjectStore. */
const endingsMax = 16

/** The key of an ending among those of claims. */
function endingKey(source: string, node: number, at: number): string {
  return `~${source}/${node}/${at}`
}

/** Every identifier of the entities. */
export const ofEntities = (variant: SqlVariant, entities: List<number>): RawBuilder<unknown> => sql`(
  SELECT node FROM identifiers WHERE node IN ${variant.numbers(entities)} AND entity = node
  UNION ALL SELECT node FROM identifiers WHERE entity IN ${variant.numbers(entities)} AND entity <> node)`

export function createSubjectStore(
  db: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  deletions: Pick<Deletions, 'forgetSubjects'>,
): SubjectStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  const store: SubjectStore = {
    async resolve(identifiers) {
      if (identifiers.length === 0) return []
      return (await nodesOfIdentifiers(db, variant, { identifiers })).map(nodeOf)
    },

    async loadedAmong(entities) {
      const found = await rows(sql<{ entity: number }>`
        SELECT DISTINCT entity FROM identifiers JOIN loaded_users USING (node)
        WHERE node IN ${ofEntities(variant, entities)}`)
      return found.map(({ entity }) => entity)
    },

    withIds: (ids) =>
      rows(sql<{ id: string; identifier: Identifier }>`
      SELECT id, identifier FROM identifiers WHERE id IN ${variant.texts(ids)}`),

    async loadedUsersOf(identifiers) {
      const [any] = await rows(sql`SELECT 1 FROM loaded_users LIMIT 1`)
      if (any === undefined) return new Map()
      const nodes = await store.resolve(identifiers)
      const subjects = await store.ofEntities(await store.loadedAmong(nodes.map(({ entity }) => entity)))
      const byEntity = new Map(subjects.map((subject) => [subject.entity, subject]))
      return new Map(
        nodes.flatMap(({ identifier, entity }) => {
          const { id, loaded } = byEntity.get(entity) ?? {}
          return id === undefined || loaded === undefined ? [] : [[identifier, { id, ...loaded }] as const]
        }),
      )
    },

    async add(identifiers) {
      const added = await variant.each(
        db,
        addIdentifiers,
        identifiers.map(({ identifier, id, seenAt, vouchedBy }) => [
          identifier,
          bareOf(identifier) ?? null,
          id,
          seenAt.getTime(),
          vouchedBy ?? null,
        ]),
      )
      return added.map(nodeOf)
    },

    async claims(keys) {
      return (await claimsByKey(db, variant, { keys })).map(claimOf)
    },

    async refusedClaims(source) {
      const isRefused = sql`source = ${source} AND refused IS NOT NULL`
      const [counted] = await rows(sql<{ total: number }>`
        SELECT count(*) AS total FROM (SELECT 1 FROM claims WHERE ${isRefused} LIMIT 1000) found`)
      const newest = await rows(sql<ClaimRow>`
        SELECT ${claimColumns} FROM claims WHERE ${isRefused} ORDER BY last_at DESC, key LIMIT 10`)
      return { total: counted?.total ?? 0, newest: newest.map(claimOf) }
    },

    async putClaims(claims) {
      await variant.each(
        db,
        putClaims,
        claims.map(({ key, source, identifiers, standing, first, last }) => [
          key,
          source,
          JSON.stringify(identifiers),
          standing,
          first.at,
          first.id,
          last.at,
          last.id,
        ]),
      )
      await variant.each(
        db,
        addMembers,
        claims.flatMap(({ key, source, identifiers }) =>
          identifiers.map((identifier) => [key, identifier, source]),
        ),
      )
    },

    async dropClaims(keys) {
      await sql`DELETE FROM claims WHERE key IN ${variant.texts(keys)}`.execute(db)
      await sql`DELETE FROM claim_identifiers WHERE claim IN ${variant.texts(keys)}`.execute(db)
    },

    async component(nodes, sources) {
      const theirs = variant.texts(sources)
      const found = await rows(sql<NodeRow>`
        WITH RECURSIVE reached (node) AS (
          SELECT * FROM ${variant.numbers([...new Set(nodes)])} g
          UNION SELECT o.node FROM reached JOIN claim_identifiers c USING (node) JOIN claim_identifiers o ON o.claim = c.claim
          WHERE c.source IN ${theirs})
        SELECT ${nodeColumns} FROM reached JOIN identifiers USING (node)`)
      const numbers = variant.numbers(found.map(({ node }) => node))
      const claims = await rows(sql<ClaimRow>`
        SELECT ${claimColumns} FROM claims WHERE key IN (
          SELECT claim FROM claim_identifiers WHERE node IN ${numbers} AND source IN ${theirs})`)
      const endings = await rows(sql<EndingRow>`
        SELECT node, source, ended_at, recycled, successor, everybody FROM endings
        WHERE node IN ${numbers} AND (source IN ${theirs} OR everybody = 1)`)
      const memberships = await rows(sql<MembershipRow>`
        SELECT node, source, lasts_until, root FROM memberships WHERE node IN ${numbers} AND source IN ${theirs}`)
      const identifierOf = new Map(found.map(({ node, identifier }) => [node, identifier]))
      return {
        nodes: found.map(nodeOf),
        claims: claims.map(claimOf),
        endings: endings.map(({ node, source, ended_at, recycled, successor, everybody }) => ({
          source,
          identifier: identifierOf.get(node) ?? '',
          at: ended_at,
          recycled: recycled === 1,
          successor: successor === null ? undefined : identifierOf.get(successor),
          everybody: everybody === 1,
        })),
        memberships: memberships.map(membershipOf),
      }
    },

    async rejoin({ entities, claims, endings, memberships: { gone, made } }) {
      if (gone.length > 0) {
        const given = variant.rows(
          { node: 'integer', source: 'text', lasts_until: 'integer' },
          gone.map(({ node, source, until }) => [node, source, until]),
        )
        await sql`DELETE FROM memberships WHERE (node, source, lasts_until) IN (
          SELECT node, source, lasts_until FROM ${given} g)`.execute(db)
      }
      if (made.length > 0) {
        await variant.each(
          db,
          putMemberships,
          made.map(({ node, source, until, root }) => [node, source, until, root]),
        )
      }
      for (const { identifier, source, at, everybody } of endings) {
        await sql`
          UPDATE endings SET everybody = ${Number(everybody)}
          WHERE node = (SELECT node FROM identifiers WHERE identifier = ${identifier}) AND source = ${source}
            AND ended_at = ${at}`.execute(db)
      }
      if (entities.length > 0) {
        const given = variant.rows(
          { node: 'integer', entity: 'integer' },
          entities.map(({ node, entity }) => [node, entity]),
        )
        // An entity joined to an older one keeps no level of its own.
        await sql`
          UPDATE identifiers SET entity = g.entity,
            level = CASE WHEN g.node = g.entity THEN level ELSE 0 END,
            changes_at = CASE WHEN g.node = g.entity THEN changes_at END
          FROM ${given} g WHERE identifiers.node = g.node`.execute(db)
      }
      if (claims.length > 0) {
        const given = variant.rows(
          { key: 'text', refused: 'text' },
          claims.map(({ key, refused }) => [key, refused ?? null]),
        )
        await sql`UPDATE claims SET refused = g.refused FROM ${given} g WHERE claims.key = g.key`.execute(db)
      }
    },

    async end(endings) {
      const names = endings.flatMap(({ identifier, successor }) =>
        successor === undefined ? [identifier] : [identifier, successor],
      )
      const nodes = new Map(
        (await store.resolve([...new Set(names)])).map(({ identifier, node }) => [identifier, node]),
      )
      for (const { identifier, source, at, recycled, successor } of endings) {
        const node = nodes.get(identifier)
        if (node === undefined) throw new Error(`The identifier ${identifier} is not known.`)
        await sql`
          INSERT INTO endings (node, source, ended_at, recycled, successor)
          VALUES (${node}, ${source}, ${at}, ${Number(recycled)}, ${nodes.get(successor ?? '') ?? null})
          ON CONFLICT (node, source, ended_at) DO UPDATE SET
            recycled = CASE WHEN endings.recycled = 1 THEN 1 ELSE excluded.recycled END,
            successor = coalesce(endings.successor, excluded.successor)`.execute(db)
        await variant.each(
          db,
          addMembers,
          (successor === undefined ? [identifier] : [identifier, successor]).map((name) => [
            endingKey(source, node, at),
            name,
            source,
          ]),
        )
        const older = await rows(sql<{ ended_at: number }>`
          SELECT ended_at FROM endings WHERE node = ${node} AND source = ${source}
          ORDER BY ended_at DESC LIMIT 1000 OFFSET ${endingsMax}`)
        if (older.length === 0) continue
        const keys = variant.texts(older.map(({ ended_at }) => endingKey(source, node, ended_at)))
        await sql`DELETE FROM claim_identifiers WHERE claim IN ${keys}`.execute(db)
        await sql`DELETE FROM endings WHERE node = ${node} AND source = ${source}
          AND ended_at <= ${older[0]?.ended_at ?? 0}`.execute(db)
      }
    },

    async forgetSuccessors(endings) {
      const nodes = new Map(
        (await store.resolve(endings.map(({ identifier }) => identifier))).map(({ identifier, node }) => [
          identifier,
          node,
        ]),
      )
      for (const { identifier, source, at } of endings) {
        const node = nodes.get(identifier) ?? 0
        await sql`
          UPDATE endings SET successor = NULL
          WHERE node = ${node} AND source = ${source} AND ended_at = ${at}`.execute(db)
        await sql`
          DELETE FROM claim_identifiers WHERE claim = ${endingKey(source, node, at)} AND node <> ${node}`.execute(
          db,
        )
      }
    },

    async vouch(identifiers, provider) {
      await sql`UPDATE identifiers SET vouched_by = ${provider} WHERE identifier IN ${variant.texts(identifiers)}`.execute(
        db,
      )
    },

    async namedBy(source, after, max) {
      const found = await rows(sql<{ node: number; claim: string }>`
        SELECT node, claim FROM claim_identifiers WHERE source = ${source} AND claim > ${after}
        ORDER BY claim, node LIMIT ${max}`)
      const last = found.at(-1)?.claim
      if (last === undefined || found.length < max)
        return { nodes: found.map(({ node }) => node), next: undefined }
      const whole = found.filter(({ claim }) => claim !== last)
      return { nodes: whole.map(({ node }) => node), next: whole.at(-1)?.claim ?? last }
    },

    async entitiesSeeing(nodes) {
      const found = await seeing(db, variant, { nodes })
      return found.map(({ entity }) => entity)
    },

    async find(id) {
      const [found] = await rows(sql<{ entity: number }>`SELECT entity FROM identifiers WHERE id = ${id}`)
      if (found === undefined) return undefined
      return (await store.ofEntities([found.entity]))[0]
    },

    async ofEntities(entities) {
      const found = await rows(sql<SubjectRow>`
        SELECT ${nodeColumns}, level, seen_at, login, display_name, loaded_at
        FROM identifiers LEFT JOIN loaded_users USING (node) WHERE node IN ${ofEntities(variant, entities)} ORDER BY node`)
      const byEntity = Map.groupBy(found, ({ entity }) => entity)
      return entities.flatMap((entity) => {
        const members = byEntity.get(entity)
        return members === undefined ? [] : [subjectOf(entity, members)]
      })
    },

    async findBare(bare) {
      const found = await rows(sql<{
        entity: number
        identifier: Identifier
        vouched_by: string
        issuer: string | null
      }>`
        SELECT entity, identifier, vouched_by, issuer FROM identifiers LEFT JOIN providers ON providers.id = vouched_by
        WHERE bare = ${bare} AND vouched_by IS NOT NULL`)
      return found.flatMap(({ entity, identifier, vouched_by, issuer }) =>
        issuer === null || issuer === scopeOf(identifier) ? [{ entity, vouchedBy: vouched_by }] : [],
      )
    },

    async list({ kind, level, text, before = Number.MAX_SAFE_INTEGER, limit }) {
      const conditions = [sql`a.node < ${before}`]
      // The expression keeps PostgreSQL from an index of names, which says nothing about the order of nodes.
      if (kind !== undefined)
        conditions.push(sql`substr(a.identifier, 1, ${sql.lit(kind.length + 1)}) = ${`${kind}:`}`)
      const lowest = text === undefined ? undefined : await lookedAtTo(before)
      if (text === undefined) {
        conditions.push(sql`a.entity = a.node`)
        if (level !== undefined) conditions.push(sql`a.level = ${level} AND a.level > 0`)
      } else {
        conditions.push(
          sql`a.node >= ${lowest} AND replace(lower(a.identifier), ${text}, '') <> lower(a.identifier)`,
        )
        if (level !== undefined)
          conditions.push(sql`(SELECT e.level FROM identifiers e WHERE e.node = a.entity) = ${level}`)
      }
      const found = await rows(sql<{ node: number; entity: number }>`
        SELECT a.node, a.entity FROM identifiers a WHERE ${sql.join(conditions, sql` AND `)}
        ORDER BY a.node DESC LIMIT ${limit + 1}`)
      const page = found.slice(0, limit)
      const further = lowest !== undefined && lowest > 1 ? lowest : undefined
      return {
        subjects: await store.ofEntities([...new Set(page.map(({ entity }) => entity))]),
        next: found.length > limit ? page.at(-1)?.node : further,
      }
    },

    async countUsersOf(level, lookedAtMax) {
      // `level > 0` is literal, so that the index of risky entities is used.
      const [found] = await rows(sql<{ count: number }>`
        SELECT count(*) AS count FROM (
          SELECT a.identifier FROM identifiers a WHERE a.level = ${level} AND a.level > 0
          ORDER BY a.node DESC LIMIT ${lookedAtMax}
        ) AS risky WHERE substr(risky.identifier, 1, 5) = 'user:'`)
      return found?.count ?? 0
    },

    forget: (step) => deletions.forgetSubjects({ ...step, before: step.before.getTime() }),

    async loadedBefore(login) {
      const [before] = await rows(sql<{ claim: string | null }>`
        SELECT claim FROM loaded_users JOIN identifiers USING (node) WHERE identifier = ${login}`)
      return before && { claim: before.claim ?? undefined }
    },

    async putLoaded(login, user) {
      const given = variant.rows(
        { identifier: 'text', login: 'text', display_name: 'text', loaded_at: 'integer', claim: 'text' },
        [[login, user.login, user.displayName ?? null, user.loadedAt.getTime(), user.claim ?? null]],
      )
      await sql`
        INSERT INTO loaded_users (node, login, display_name, loaded_at, claim)
        SELECT a.node, g.login, g.display_name, g.loaded_at, g.claim
        FROM ${given} g JOIN identifiers a ON a.identifier = g.identifier WHERE true
        ON CONFLICT (node) DO UPDATE SET login = excluded.login, display_name = excluded.display_name,
          loaded_at = excluded.loaded_at, claim = excluded.claim`.execute(db)
    },
  }
  /** The end of the stretch of identifiers to search: a bounded search does not block others. */
  async function lookedAtTo(before: number): Promise<number> {
    const [lowest] = await rows(sql<{ node: number | null }>`
      SELECT min(node) AS node FROM (
        SELECT node FROM identifiers WHERE node < ${before} ORDER BY node DESC LIMIT ${identifiersLookedAtMax}) looked_at`)
    return lowest?.node ?? 0
  }

  return store
}

const claimColumns = sql`key, source, identifiers, standing, first_at, first_id, last_at, last_id, refused`
const nodeColumns = sql`node, identifier, id, entity, vouched_by`

/** The entities that share memberships with these nodes. */
const seeing = fixedStatement<{ nodes: readonly number[] }, { entity: number }>(
  (slot, variant) => sql`
    SELECT DISTINCT a.entity
    FROM memberships m JOIN memberships o ON o.root = m.root AND o.source = m.source JOIN identifiers a ON a.node = o.node
    WHERE m.node IN ${variant.numbers(slot('nodes'))}`,
)

const putMemberships: RowStatement = {
  columns: { node: 'integer', source: 'text', lasts_until: 'integer', root: 'integer' },
  text: (given) => sql`
    INSERT INTO memberships (node, source, lasts_until, root)
    SELECT node, source, lasts_until, root FROM ${given} g WHERE true
    ON CONFLICT (node, source, lasts_until) DO UPDATE SET root = excluded.root`,
}

const nodesOfIdentifiers = fixedStatement<{ identifiers: readonly Identifier[] }, NodeRow>(
  (slot, variant) =>
    sql`SELECT ${nodeColumns} FROM identifiers WHERE identifier IN ${variant.texts(slot('identifiers'))}`,
)

const claimsByKey = fixedStatement<{ keys: readonly string[] }, ClaimRow>(
  (slot, variant) => sql`SELECT ${claimColumns} FROM claims WHERE key IN ${variant.texts(slot('keys'))}`,
)

const addIdentifiers: RowStatement<NodeRow> = {
  columns: { identifier: 'text', bare: 'text', id: 'text', seen_at: 'integer', vouched_by: 'text' },
  // A single identifier is its own entity.
  text: (given, variant) => sql`
    INSERT INTO identifiers (node, identifier, bare, id, entity, seen_at, vouched_by)
    SELECT n.node, n.identifier, n.bare, n.id, n.node, n.seen_at, n.vouched_by
    FROM (
      SELECT ${variant.nextNumber('identifiers', 'node')} AS node, g.identifier, g.bare, g.id, g.seen_at, g.vouched_by
      FROM ${given} g) n
    RETURNING ${nodeColumns}`,
}

const putClaims: RowStatement = {
  columns: {
    key: 'text',
    source: 'text',
    identifiers: 'text',
    standing: 'integer',
    first_at: 'integer',
    first_id: 'text',
    last_at: 'integer',
    last_id: 'text',
  },
  text: (given) => sql`
    INSERT INTO claims (key, source, identifiers, standing, first_at, first_id, last_at, last_id)
    SELECT key, source, identifiers, standing, first_at, first_id, last_at, last_id FROM ${given} g WHERE true
    ON CONFLICT (key) DO UPDATE SET identifiers = excluded.identifiers, standing = excluded.standing,
      first_at = excluded.first_at, first_id = excluded.first_id, last_at = excluded.last_at, last_id = excluded.last_id`,
}

const addMembers: RowStatement = {
  columns: { claim: 'text', identifier: 'text', source: 'text' },
  text: (given) => sql`
    INSERT INTO claim_identifiers (node, claim, source)
    SELECT a.node, m.claim, m.source FROM ${given} m JOIN identifiers a ON a.identifier = m.identifier
    WHERE true ON CONFLICT DO NOTHING`,
}

type NodeRow = Pick<Selectable<IdentifierRow>, 'node' | 'identifier' | 'id' | 'entity' | 'vouched_by'>
type SubjectRow = NodeRow &
  Pick<IdentifierRow, 'level' | 'seen_at'> & {
    [Column in 'login' | 'display_name' | 'loaded_at']: LoadedUserRow[Column] | null
  }

function nodeOf({ node, identifier, id, entity, vouched_by }: NodeRow): IdentifierNode {
  return { node, identifier, id, entity, vouchedBy: vouched_by ?? undefined }
}

function claimOf(row: ClaimRow): KnownClaim {
  return {
    key: row.key,
    source: row.source,
    identifiers: JSON.parse(row.identifiers) as readonly Identifier[], // written by putClaims
    standing: row.standing,
    first: { at: row.first_at, id: row.first_id },
    last: { at: row.last_at, id: row.last_id },
    refused: row.refused ?? undefined,
  }
}

function subjectOf(entity: number, members: readonly SubjectRow[]): Subject {
  const [oldest] = members
  if (oldest === undefined) throw new Error('An entity has at least one identifier.')
  const loaded = members.find(({ login }) => login !== null)
  return {
    id: oldest.id,
    entity,
    kind: kindOf(oldest.identifier),
    identifiers: members.map(nodeOf),
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
