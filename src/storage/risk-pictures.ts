import type { Revocation } from '../risk/revocation.ts'
import type { AskedAbout, EntityRisk, RiskPicture } from '../risk/risk-reader.ts'
import { reasonsInForce } from '../risk/risk-state.ts'
import { askedOf, kindOf, subjectKinds, type Anchor, type Asked } from '../subjects/anchor.ts'
import { countingWhile, isSinceRecycled, reasonOf } from './risk-rows.ts'
import type { AnchorRow, RevocationRow, RiskReasonRow } from './schema.ts'

/** What somebody asks at a sign-in. */
export interface RiskQuestion {
  readonly about: AskedAbout
  readonly now: Date
}

/** What questions name, each once: entities have one of these anchors, ids, or ids without their issuer. */
export interface Named {
  readonly anchors: readonly Anchor[]
  readonly ids: readonly string[]
  readonly bares: readonly string[]
}

/** Of this many entities an id without its issuer is the id at most: the oldest ones. */
export const bareMax = 20
const revocationsMax = 20

/** What the database holds about the entities that some questions name, as of one moment. */
export interface RiskRows {
  /** Every anchor of each of the entities. */
  readonly nodes: readonly NodeRow[]
  /** Of these anchors. */
  readonly reasons: readonly RiskReasonRow[]
  readonly revocations: readonly RevocationRow[]
  /** Those of their claims that are not believed. */
  readonly refused: readonly { readonly key: string }[]
}

type NodeRow = Pick<AnchorRow, 'entity' | 'anchor' | 'bare' | 'id' | 'recycled_at'> & {
  readonly node: number
}

/** Many questions on their way to their answers. The database looks up what they name; the rest is done here. */
export interface RiskQuestions {
  readonly named: Named
  /** @returns for each question its answer */
  answer(rows: RiskRows): readonly RiskPicture[]
}

export function riskQuestions(questions: readonly RiskQuestion[]): RiskQuestions {
  const asked = questions.map(({ about }) => askedIn(about))
  const all = asked.flat()
  const others = all.filter(({ kind }) => kind !== 'address') // which is its own id, and its only name
  return {
    named: {
      anchors: [...new Set(all.flatMap(({ anchors }) => anchors))],
      ids: [...new Set(others.map(({ id }) => id))],
      bares: [...new Set(others.map(({ bare }) => bare))],
    },
    answer(rows) {
      const entitiesOf = finder(rows.nodes)
      const pictureOf = painter(rows)
      return questions.map(({ now }, at) => pictureOf(entitiesOf(asked[at] ?? []), now))
    },
  }
}

function askedIn(about: AskedAbout): readonly Asked[] {
  return subjectKinds.flatMap((kind) => {
    const text = about[kind]
    return text === undefined ? [] : (askedOf(kind, text) ?? [])
  })
}

/** Tells the entities of one question from those of the others that came with it. */
function finder(nodes: readonly NodeRow[]): (asked: readonly Asked[]) => ReadonlySet<number> {
  const byAnchor = new Map(nodes.map((node) => [node.anchor, node]))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const byBare = Map.groupBy(
    nodes.filter(({ bare }) => bare !== null).toSorted((a, b) => a.node - b.node),
    ({ bare }) => bare,
  )
  return (asked) => {
    const entities = new Set<number>()
    for (const { kind, id, anchors, bare } of asked) {
      for (const anchor of anchors) {
        const node = byAnchor.get(anchor)
        if (node !== undefined) entities.add(node.entity)
      }
      const byItsId = byId.get(id)
      if (byItsId !== undefined && kindOf(byItsId.anchor) === kind) entities.add(byItsId.entity)
      for (const { entity } of (byBare.get(bare) ?? []).slice(0, bareMax)) entities.add(entity)
    }
    return entities
  }
}

/** Puts together what is known of the entities of one question. */
function painter(rows: RiskRows): (entities: ReadonlySet<number>, now: Date) => RiskPicture {
  const nodesOf = Map.groupBy(rows.nodes, ({ entity }) => entity)
  const reasonsOf = Map.groupBy(rows.reasons, ({ node }) => node)
  const revocationsOf = Map.groupBy(rows.revocations, ({ node }) => node)
  const isSaidHere = countingWhile(rows.refused)

  function entityRisk(entity: number, now: Date): readonly EntityRisk[] {
    const members = nodesOf.get(entity) ?? []
    const oldest = members.find(({ node }) => node === entity)
    if (oldest === undefined) return []
    const reasons = members.flatMap(({ node, anchor, recycled_at: recycledAt }) =>
      (reasonsOf.get(node) ?? [])
        .filter((row) => isSinceRecycled(row.occurred_at, recycledAt) && isSaidHere(row))
        .map((row) => reasonOf(row, anchor)),
    )
    return [{ id: oldest.id, kind: kindOf(oldest.anchor), reasons: reasonsInForce(reasons, now) }]
  }

  function revocationsAmong(entities: ReadonlySet<number>): readonly Revocation[] {
    const members = [...entities].flatMap((entity) => nodesOf.get(entity) ?? [])
    const nodes = new Map(members.map((member) => [member.node, member]))
    const holds = (row: RevocationRow): boolean =>
      [row.user_node, row.device_node, row.session_node]
        .filter((named) => named !== 0)
        .every((named) => {
          const member = nodes.get(named)
          return member !== undefined && isSinceRecycled(row.revoked_at, member.recycled_at)
        }) && isSaidHere(row)
    const anchorOf = (node: number) => nodes.get(node)?.anchor
    return members
      .flatMap(({ node }) => revocationsOf.get(node) ?? [])
      .filter(holds)
      .toSorted((a, b) => b.revoked_at - a.revoked_at)
      .slice(0, revocationsMax)
      .map((row) => ({
        id: row.signal_id,
        user: anchorOf(row.user_node),
        device: anchorOf(row.device_node),
        session: anchorOf(row.session_node),
        revokedAt: new Date(row.revoked_at),
        receivedAt: new Date(row.received_at),
        providerId: row.provider_id,
        signalId: row.signal_id,
        message: row.message ?? undefined,
      }))
  }

  return (entities, now) => ({
    entities: [...entities].flatMap((entity) => entityRisk(entity, now)),
    revocations: revocationsAmong(entities),
  })
}
