import type { Reach, Revocation } from '../../risk/revocation.ts'
import type { RiskSource } from '../../risk/risk-reason.ts'
import type { AskedAbout, EntityRisk, RiskPicture } from '../../risk/risk-reader.ts'
import { reasonsInForce, spokenFor, type KnownAbout } from '../../risk/risk-state.ts'
import {
  askedOf,
  formatOf,
  kindOf,
  scopeOf,
  subjectKinds,
  type Identifier,
  type Asked,
} from '../../subjects/identifier.ts'
import { aboutEntities, type RecycledRow } from './risk-rows.ts'
import type { IdentifierRow, MembershipRow, RevocationRow, RiskReasonRow } from '../sql/schema.ts'

/** The question at a sign-in. */
export interface RiskQuestion {
  readonly about: AskedAbout
  readonly now: Date
}

/** The identifiers, ids, and ids without issuer in several questions, each once; entities have one of them. */
export interface Named {
  readonly identifiers: readonly Identifier[]
  readonly ids: readonly string[]
  readonly bares: readonly string[]
}

/** The database's rows about the entities of some questions, as of one moment. */
export interface RiskRows {
  /** Every identifier of each entity. */
  readonly nodes: readonly NodeRow[]
  /** Identifiers that a source identifies with one of these. */
  readonly others: readonly { readonly node: number; readonly identifier: Identifier }[]
  /** Of all these identifiers, as everything below. */
  readonly memberships: readonly MembershipRow[]
  readonly recycled: readonly RecycledRow[]
  readonly reasons: readonly RiskReasonRow[]
  readonly revocations: readonly RevocationRow[]
}

type NodeRow = Pick<IdentifierRow, 'entity' | 'identifier' | 'bare' | 'id'> & {
  readonly node: number
  /** The action of the provider that vouches for its bare id; null without one. */
  readonly vouched: 'none' | 'log_only' | 'enforce_and_log' | null
  /** The provider's present issuer; null when an administrator vouches for it. */
  readonly issuer: string | null
}

/** The lookup for many questions, and the assembly of their answers. */
export interface RiskQuestions {
  readonly named: Named
  /** @returns the answer to each question */
  answer(rows: RiskRows): readonly RiskPicture[]
}

export function riskQuestions(questions: readonly RiskQuestion[]): RiskQuestions {
  const asked = questions.map(({ about }) => askedIn(about))
  const all = asked.flat()
  const others = all.filter(({ kind, bare }) => kind !== 'address' && bare !== '') // an address is its own id and only identifier
  return {
    named: {
      identifiers: [...new Set(all.flatMap(({ identifiers }) => identifiers))],
      ids: [...new Set(others.map(({ id }) => id))],
      bares: [...new Set(others.map(({ bare }) => bare))],
    },
    answer(rows) {
      const entitiesOf = entityFinder(rows.nodes)
      const pictureOf = pictureMaker(rows)
      return questions.map(({ now }, at) => pictureOf(entitiesOf(asked[at] ?? []), now))
    },
  }
}

function askedIn(about: AskedAbout): readonly Asked[] {
  return subjectKinds.flatMap((kind) => {
    const text = about[kind]
    if (text === undefined) return []
    return askedOf(kind, text, kind === 'address' ? undefined : about[`${kind}Issuer`]) ?? []
  })
}

/** Entities by number, and whether a question refers to them for everyone. */
type Reached = ReadonlyMap<number, Reach>

/**
 * Selects the entities of one question among those of all questions. A bare id matches ids of issuers that vouch for them
 * and whose statements count; when several match, all are used, so that ambiguity never hides anything.
 */
function entityFinder(nodes: readonly NodeRow[]): (asked: readonly Asked[]) => Reached {
  const byIdentifier = new Map(nodes.map((node) => [node.identifier, node]))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const byBare = Map.groupBy(
    nodes.filter(
      ({ identifier, bare, vouched, issuer }) =>
        bare !== null &&
        vouched !== null &&
        vouched !== 'none' &&
        (issuer === null || issuer === scopeOf(identifier)),
    ),
    ({ bare }) => bare,
  )
  return (asked) => {
    const entities = new Map<number, Reach>()
    const reach = (entity: number, how: Reach): void => {
      if (entities.get(entity) !== 'enforced') entities.set(entity, how)
    }
    for (const { kind, id, identifiers, bare } of asked) {
      for (const identifier of identifiers) {
        const node = byIdentifier.get(identifier)
        if (node !== undefined) reach(node.entity, 'enforced')
      }
      const byItsId = byId.get(id)
      if (byItsId !== undefined && kindOf(byItsId.identifier) === kind) reach(byItsId.entity, 'enforced')
      for (const { entity, vouched } of byBare.get(bare) ?? []) {
        reach(entity, vouched === 'enforce_and_log' ? 'enforced' : 'reported')
      }
    }
    return entities
  }
}

/** Assembles the picture of the entities of one question. */
function pictureMaker(rows: RiskRows): (entities: Reached, now: Date) => RiskPicture {
  const nodesOf = Map.groupBy(rows.nodes, ({ entity }) => entity)
  const identifierOf = new Map(
    [...rows.nodes, ...rows.others].map(({ node, identifier }) => [node, identifier]),
  )
  const about = aboutEntities({ ...rows, identifierOf })
  const revocationsOf = Map.groupBy(rows.revocations, ({ node }) => node)

  function entityRisk(entity: number, reach: Reach, now: Date): readonly EntityRisk[] {
    const members = nodesOf.get(entity) ?? []
    const oldest = members.find(({ node }) => node === entity)
    if (oldest === undefined) return []
    const known = about(members.map(({ node }) => node))
    return [
      {
        id: oldest.id,
        kind: kindOf(oldest.identifier),
        reasons: reasonsInForce(known, now),
        reach,
        isLoaded: members.some(({ identifier }) => formatOf(identifier) === 'login'),
        speakers: [...speakersIn(known)],
      },
    ]
  }

  function revocationsAmong(entities: Iterable<number>): readonly RevocationRow[] {
    const known = about(
      [...entities].flatMap((entity) => (nodesOf.get(entity) ?? []).map(({ node }) => node)),
    )
    const { isAbout } = spokenFor(known)
    const holds = (row: RevocationRow): boolean =>
      [row.user_node, row.device_node, row.session_node]
        .filter((named) => named !== 0)
        .every((named) => isAbout(named, row.provider_id, new Date(row.revoked_at)))
    return [...nodesAbout(known)].flatMap((node) => revocationsOf.get(node) ?? []).filter(holds)
  }

  const nameOf = (node: number): Identifier | undefined => identifierOf.get(node)
  const keyOf = (row: RevocationRow): string =>
    [row.node, row.user_node, row.device_node, row.session_node, row.provider_id].join('\0')

  return (entities, now) => {
    const enforced = [...entities].flatMap(([entity, reach]) => (reach === 'enforced' ? [entity] : []))
    const forEverybody = new Set(revocationsAmong(enforced).map(keyOf))
    const all = enforced.length === entities.size ? enforced : [...entities.keys()]
    return {
      entities: [...entities].flatMap(([entity, reach]) => entityRisk(entity, reach, now)),
      revocations: revocationsAmong(all)
        .toSorted((a, b) => b.revoked_at - a.revoked_at)
        .map((row): Revocation => ({
          id: row.signal_id,
          user: nameOf(row.user_node),
          device: nameOf(row.device_node),
          session: nameOf(row.session_node),
          revokedAt: new Date(row.revoked_at),
          receivedAt: new Date(row.received_at),
          providerId: row.provider_id,
          signalId: row.signal_id,
          eventType: row.event_type,
          message: row.message ?? undefined,
          reach: forEverybody.has(keyOf(row)) ? 'enforced' : 'reported',
        })),
    }
  }
}

/** The sources of statements about the entity, including statements without effect. */
function speakersIn(known: KnownAbout): Iterable<RiskSource> {
  const { isAbout } = spokenFor(known)
  const about = known.reasons.filter(({ node, reason }) => isAbout(node, reason.source.id, reason.occurredAt))
  return new Map(about.map(({ reason: { source } }) => [source.id, source])).values()
}

function nodesAbout({ nodes, memberships }: KnownAbout): ReadonlySet<number> {
  return new Set([...nodes, ...memberships.map(({ node }) => node)])
}
