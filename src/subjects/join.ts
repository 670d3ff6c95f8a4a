import type { World } from '../base/world.ts'
import { byLasting, type Anchor } from './anchor.ts'
import { compareOccurrences, mergeClaims, type Claim } from './claim.ts'
import { partition } from './partition.ts'
import { newSubjectId } from './subject-id.ts'
import type { AnchorNode, Component, KnownClaim, Rejoined, SubjectStore } from './subject-store.ts'

/**
 * How many claims may hang together. Beyond that no further ones are taken, so that nobody can make each of their SETs
 * cost as much as all the SETs before.
 */
export const componentClaimsMax = 1_000
/** How many identifiers may: what hangs together is read whole with each new claim about it. */
export const componentAnchorsMax = 500
/** Why such a claim is not taken. */
export const tooManyClaims = `more than ${componentClaimsMax} claims, or ${componentAnchorsMax} identifiers, would hang together`

/** That the joins of an anchor ended. */
export interface NewEnding {
  readonly anchor: Anchor
  readonly at: Date
  /** Whether it names somebody else from then on. */
  readonly recycled: boolean
}

export interface JoinNews {
  /** Every anchor that the news speaks of, those of claims and endings included. */
  readonly anchors: ReadonlySet<Anchor>
  readonly claims: readonly Claim[]
  readonly endings: readonly NewEnding[]
  /** Keys of claims that are taken back. */
  readonly withdrawn: readonly string[]
}

export interface Joined {
  /** Every anchor of the news, with the entity it belongs to now. */
  readonly nodes: ReadonlyMap<Anchor, AnchorNode>
  /** Why claims of the news are not believed, by key. */
  readonly refused: ReadonlyMap<string, string>
  /** Entities of which something else is known now because of joins, by their oldest nodes before and after. */
  readonly changed: ReadonlySet<number>
}

export interface JoinDeps {
  readonly subjects: Pick<
    SubjectStore,
    'resolve' | 'add' | 'claims' | 'putClaims' | 'dropClaims' | 'component' | 'rejoin' | 'end'
  >
  readonly world: Pick<World, 'now' | 'newId'>
}

/**
 * Makes anchors known, takes claims and endings in, and works out anew who is who wherever that can have changed: in all
 * that hangs together with something new. What comes out is the `partition` of all claims there ever were. Runs inside
 * a transaction, and costs one or two reads when there is nothing new.
 */
export async function join({ subjects, world }: JoinDeps, news: JoinNews): Promise<Joined> {
  const nodes = await makeKnown({ subjects, world }, news.anchors)
  const claims = merged(news.claims)
  const known = new Map(
    claims.size === 0 ? [] : (await subjects.claims([...claims.keys()])).map((claim) => [claim.key, claim]),
  )
  const refused = new Map(
    [...known.values()].flatMap(({ key, refused }) =>
      refused === undefined ? [] : [[key, refused] as const],
    ),
  )
  const changes = [...claims.values()].flatMap((claim) => changeOf(claim, known.get(claim.key), nodes))
  if (changes.length > 0) await subjects.putClaims(changes.map(({ claim }) => claim))
  if (news.endings.length > 0) {
    await subjects.end(
      news.endings.map(({ anchor, at, recycled }) => ({
        anchor,
        at,
        recycledAs: recycled ? newSubjectId(world, anchor) : undefined,
      })),
    )
  }
  const taken = await withdraw(subjects, news.withdrawn)
  const dirty = [
    ...changes.flatMap(({ claim, matters }) => (matters ? claim.anchors : [])),
    ...news.endings.map(({ anchor }) => anchor),
  ].flatMap((anchor) => nodes.get(anchor)?.node ?? [])
  dirty.push(...taken)
  if (dirty.length === 0) return { nodes, refused, changed: new Set() }

  const fresh = new Set(changes.flatMap(({ claim: { key } }) => (known.has(key) ? [] : [key])))
  const { component, dropped } = withinLimits(await subjects.component(dirty), fresh)
  if (dropped.length > 0) await subjects.dropClaims(dropped)
  for (const key of dropped) refused.set(key, tooManyClaims)
  const rejoined = rejoin(component)
  await subjects.rejoin(rejoined)
  for (const { key, refused: reason } of rejoined.claims) {
    if (reason === undefined) refused.delete(key)
    else if (claims.has(key)) refused.set(key, reason)
  }
  return { refused, ...moved(nodes, component, rejoined, news.endings) }
}

/** @returns the nodes that the claims were about */
async function withdraw(subjects: JoinDeps['subjects'], keys: readonly string[]): Promise<readonly number[]> {
  if (keys.length === 0) return []
  const claims = await subjects.claims(keys)
  await subjects.dropClaims(keys)
  return (await subjects.resolve(claims.flatMap(({ anchors }) => anchors))).map(({ node }) => node)
}

async function makeKnown({ subjects, world }: JoinDeps, anchors: ReadonlySet<Anchor>) {
  const nodes = new Map((await subjects.resolve([...anchors])).map((node) => [node.anchor, node]))
  // An entity is known by the id of its oldest anchor: let that be one that stays.
  const unknown = [...anchors].filter((anchor) => !nodes.has(anchor)).toSorted(byLasting)
  if (unknown.length === 0) return nodes
  const seenAt = world.now()
  const added = await subjects.add(
    unknown.map((anchor) => ({ anchor, id: newSubjectId(world, anchor), seenAt })),
  )
  for (const node of added) nodes.set(node.anchor, node)
  return nodes
}

function merged(news: readonly Claim[]): ReadonlyMap<string, Claim> {
  const claims = new Map<string, Claim>()
  for (const claim of news) {
    const before = claims.get(claim.key)
    claims.set(claim.key, before === undefined ? claim : mergeClaims(before, claim))
  }
  return claims
}

/** What is to be stored of a claim, if it says anything new, and whether that can change who is who. */
function changeOf(
  claim: Claim,
  known: KnownClaim | undefined,
  nodes: ReadonlyMap<Anchor, AnchorNode>,
): readonly { readonly claim: Claim; readonly matters: boolean }[] {
  const isNew = known === undefined || known.anchors.length === 0 // or what an erasure left of it
  if (isNew) return [{ claim, matters: true }]
  const merged = mergeClaims(known, claim)
  const earlier = compareOccurrences(merged.first, known.first) < 0
  const later = compareOccurrences(merged.last, known.last) > 0
  const weightier = merged.standing < known.standing
  if (!earlier && !later && !weightier) return []
  // Saying it again joins again only what came apart in between.
  return [
    {
      claim: merged,
      matters: earlier || weightier || claim.anchors.some((anchor) => nodes.get(anchor)?.ended),
    },
  ]
}

/** Takes the fresh claims out of everything that they would let grow beyond what may hang together; never what was loaded. */
function withinLimits(component: Component, fresh: ReadonlySet<string>) {
  if (component.claims.length <= componentClaimsMax && component.nodes.length <= componentAnchorsMax)
    return { component, dropped: [] }
  const rootOf = new Map<Anchor, Anchor>()
  const root = (anchor: Anchor): Anchor => {
    let at = anchor
    for (let up = rootOf.get(at); up !== undefined && up !== at; up = rootOf.get(at)) at = up
    return at
  }
  for (const { anchors } of component.claims) {
    for (const anchor of anchors) rootOf.set(root(anchor), root(anchors[0] ?? anchor))
  }
  const together = Map.groupBy(component.claims, ({ anchors: [first = ''] }) => root(first))
  const isTooMuch = (claims: readonly KnownClaim[]): boolean =>
    claims.length > componentClaimsMax ||
    new Set(claims.flatMap(({ anchors }) => anchors)).size > componentAnchorsMax
  const dropped = new Set(
    [...together.values()]
      .filter(isTooMuch)
      .flatMap((claims) => claims.filter(({ key, standing }) => fresh.has(key) && standing !== 0))
      .map(({ key }) => key),
  )
  return {
    component: { ...component, claims: component.claims.filter(({ key }) => !dropped.has(key)) },
    dropped: [...dropped],
  }
}

/** An entity is known by its oldest node. */
function rejoin({ nodes, claims, endedAt }: Component): Rejoined {
  const { groups, refused } = partition(claims, endedAt)
  const numberOf = new Map(nodes.map(({ anchor, node }) => [anchor, node]))
  const entityOf = new Map<Anchor, number>()
  for (const group of groups) {
    const entity = Math.min(...group.map((anchor) => numberOf.get(anchor) ?? Infinity))
    for (const anchor of group) entityOf.set(anchor, entity)
  }
  return {
    entities: nodes.flatMap(({ anchor, node, entity }) => {
      const now = entityOf.get(anchor) ?? node
      return now === entity ? [] : [{ node, entity: now }]
    }),
    claims: claims.flatMap(({ key, refused: before }) => {
      const now = refused.get(key)
      return now === before ? [] : [{ key, refused: now }]
    }),
  }
}

function moved(
  nodes: ReadonlyMap<Anchor, AnchorNode>,
  component: Component,
  { entities, claims }: Rejoined,
  endings: readonly NewEnding[],
): Pick<Joined, 'nodes' | 'changed'> {
  const entityOf = new Map(entities.map(({ node, entity }) => [node, entity]))
  const now = ({ node, entity }: AnchorNode): number => entityOf.get(node) ?? entity
  const changed = new Set<number>()
  for (const node of component.nodes) {
    if (now(node) !== node.entity) changed.add(node.entity).add(now(node))
  }
  // What was said with a claim counts, or ceases to count, with it.
  const flipped = new Set(claims.map(({ key }) => key))
  const touched = new Set(component.claims.flatMap(({ key, anchors }) => (flipped.has(key) ? anchors : [])))
  for (const { anchor } of endings) touched.add(anchor)
  for (const node of component.nodes) if (touched.has(node.anchor)) changed.add(now(node))
  return {
    nodes: new Map([...nodes].map(([anchor, node]) => [anchor, { ...node, entity: now(node) }])),
    changed,
  }
}
