import type { World } from '../base/world.ts'
import { byLasting, kindOf, valueOf, type Identifier } from './identifier.ts'
import { adminSource, compareOccurrences, mergeClaims, type Claim } from './claim.ts'
import { endsForEverybody, ownView, partition, type Claimants, type Ending } from './partition.ts'
import {
  forGood,
  type IdentifierNode,
  type Component,
  type KnownClaim,
  type Membership,
  type Rejoined,
  type SubjectStore,
} from './subject-store.ts'

/**
 * How many claims of one source may hang together, and how many identifiers they may name. Beyond that no further ones of
 * this source are taken, so that none can make each of its SETs cost as much as all before, and none uses up another's share.
 */
export const sourceClaimsMax = 500
export const sourceIdentifiersMax = 500
/** Why such a claim is not taken. */
export const tooManyClaims = `more than ${sourceClaimsMax} claims of this source, or ${sourceIdentifiersMax} identifiers, would hang together`

export interface JoinStatements {
  /** Every identifier that is spoken of, those of claims and endings included. */
  readonly identifiers: ReadonlySet<Identifier>
  /** For identifiers that are a source's own ids: the source that names them. */
  readonly vouched: ReadonlyMap<Identifier, string>
  readonly claims: readonly Claim[]
  readonly endings: readonly Ending[]
  /** Keys of claims that are taken back. */
  readonly withdrawn: readonly string[]
}

export interface Joined {
  /** Every identifier that was spoken of, with the entity it belongs to now. */
  readonly nodes: ReadonlyMap<Identifier, IdentifierNode>
  /** Why claims are not believed, by key. */
  readonly refused: ReadonlyMap<string, string>
  /** Keys of claims that were believed or new before, and are refused from now on. */
  readonly newlyRefused: readonly KnownClaim[]
  /** Entities of which something else counts now because of joins, by their oldest nodes before and after. */
  readonly changed: ReadonlySet<number>
}

export interface JoinDeps {
  readonly subjects: Pick<
    SubjectStore,
    | 'resolve'
    | 'add'
    | 'vouch'
    | 'claims'
    | 'putClaims'
    | 'dropClaims'
    | 'component'
    | 'rejoin'
    | 'end'
    | 'forgetSuccessors'
  >
  readonly world: Pick<World, 'now' | 'newId'>
  readonly claimantOf: Claimants
  /** Sources whose claims join identifiers for everybody. */
  readonly believed: readonly string[]
}

/**
 * Makes identifiers known, takes claims and endings in, and works out anew who is who wherever that can have changed: in
 * all that hangs together with something new. What comes out is the `partition` of all claims there ever were. Runs inside
 * a transaction, and costs one or two reads when there is nothing new.
 */
export async function join(deps: JoinDeps, said: JoinStatements): Promise<Joined> {
  const { subjects } = deps
  const nodes = await makeKnown(deps, said)
  const claims = merged(said.claims)
  const known = new Map(
    claims.size === 0 ? [] : (await subjects.claims([...claims.keys()])).map((claim) => [claim.key, claim]),
  )
  const refused = new Map(
    [...known.values()].flatMap(({ key, refused }) =>
      refused === undefined ? [] : [[key, refused] as const],
    ),
  )
  const changes = [...claims.values()].flatMap((claim) => changeOf(claim, known.get(claim.key)))
  if (changes.length > 0) await subjects.putClaims(changes)
  if (said.endings.length > 0) await subjects.end(said.endings)
  const taken = await withdraw(subjects, said.withdrawn)

  /** By source: what its claims and endings are about. */
  const dirty = new Map<string, Set<number>>()
  const touch = (source: string, identifiers: readonly Identifier[]): void => {
    const touched = dirty.get(source) ?? new Set()
    for (const identifier of identifiers) {
      const node = nodes.get(identifier)
      if (node !== undefined) touched.add(node.node)
    }
    dirty.set(source, touched)
  }
  for (const { source, identifiers } of changes) touch(source, identifiers)
  for (const { source, identifier, successor } of said.endings) {
    touch(source, successor === undefined ? [identifier] : [identifier, successor])
  }
  if (taken.length > 0) dirty.set(adminSource, new Set([...(dirty.get(adminSource) ?? []), ...taken]))

  const fresh = new Set(changes.flatMap(({ key }) => (known.has(key) ? [] : [key])))
  const looked: Looked = {
    refused,
    fresh,
    claims,
    endings: said.endings,
    newlyRefused: [],
    changed: new Set(),
    entityOf: new Map(),
  }
  const believed = new Set([adminSource, ...deps.believed])
  const together = [...dirty]
    .filter(([source]) => believed.has(source))
    .flatMap(([, touched]) => [...touched])
  if (together.length > 0)
    await lookAgain(deps, { dirty: together, sources: believed, isForEverybody: true }, looked)
  for (const [source, touched] of dirty) {
    if (believed.has(source)) continue
    const sources = new Set([adminSource, source])
    await lookAgain(deps, { dirty: [...touched], sources, isForEverybody: false }, looked)
  }
  const now = ({ node, entity }: IdentifierNode): number => looked.entityOf.get(node) ?? entity
  return {
    nodes: new Map([...nodes].map(([identifier, node]) => [identifier, { ...node, entity: now(node) }])),
    refused,
    newlyRefused: looked.newlyRefused,
    changed: looked.changed,
  }
}

/**
 * Works out anew who is who around some nodes, because something else counts of what sources said.
 * @returns entities of which something else counts now
 */
export async function rejoinAround(
  deps: Pick<JoinDeps, 'subjects' | 'claimantOf' | 'believed'>,
  nodes: readonly number[],
): Promise<ReadonlySet<number>> {
  const looked: Looked = {
    refused: new Map(),
    fresh: new Set(),
    claims: new Map(),
    endings: [],
    newlyRefused: [],
    changed: new Set(),
    entityOf: new Map(),
  }
  const sources = new Set([adminSource, ...deps.believed])
  if (nodes.length > 0) await lookAgain(deps, { dirty: nodes, sources, isForEverybody: true }, looked)
  return looked.changed
}

interface Looked {
  readonly refused: Map<string, string>
  readonly fresh: ReadonlySet<string>
  readonly claims: ReadonlyMap<string, Claim>
  /** Those that came just now. */
  readonly endings: readonly Ending[]
  readonly newlyRefused: KnownClaim[]
  readonly changed: Set<number>
  /** Of nodes that moved. */
  readonly entityOf: Map<number, number>
}

interface Look {
  readonly dirty: readonly number[]
  /** Whose claims are looked at. */
  readonly sources: ReadonlySet<string>
  /** Whether they decide who is who; otherwise only what their source calls the same. */
  readonly isForEverybody: boolean
}

async function lookAgain(
  { subjects, claimantOf }: Pick<JoinDeps, 'subjects' | 'claimantOf'>,
  { dirty, sources, isForEverybody }: Look,
  { refused, fresh, claims, endings, newlyRefused, changed, entityOf }: Looked,
): Promise<void> {
  const reached = withoutLongChains(await subjects.component(dirty, [...sources]), endings)
  if (reached.cut.length > 0) await subjects.forgetSuccessors(reached.cut)
  const { component, dropped } = withinLimits(reached.component, fresh)
  if (dropped.length > 0) await subjects.dropClaims(dropped)
  for (const key of dropped) refused.set(key, tooManyClaims)
  const rejoined = rejoin(component, { sources, isForEverybody }, claimantOf)
  await subjects.rejoin(rejoined)
  const byKey = new Map(component.claims.map((claim) => [claim.key, claim]))
  for (const { key, refused: reason } of rejoined.claims) {
    const claim = byKey.get(key)
    if (reason === undefined) refused.delete(key)
    else if (claims.has(key)) refused.set(key, reason)
    if (reason !== undefined && claim !== undefined) newlyRefused.push({ ...claim, refused: reason })
  }
  for (const { node, entity } of rejoined.entities) entityOf.set(node, entity)
  const nodeOf = new Map(component.nodes.map((node) => [node.node, node]))
  const now = (node: IdentifierNode): number => entityOf.get(node.node) ?? node.entity
  for (const { node } of rejoined.entities) {
    const moved = nodeOf.get(node)
    if (moved !== undefined) changed.add(moved.entity).add(now(moved))
  }
  const touched = new Set(
    [...rejoined.memberships.gone, ...rejoined.memberships.made].map(({ node }) => node),
  )
  const ended = new Set(component.endings.map(({ identifier }) => identifier))
  for (const node of component.nodes) {
    if (touched.has(node.node) || ended.has(node.identifier)) changed.add(now(node))
  }
}

/** @returns the nodes that the claims were about */
async function withdraw(subjects: JoinDeps['subjects'], keys: readonly string[]): Promise<readonly number[]> {
  if (keys.length === 0) return []
  const claims = await subjects.claims(keys)
  await subjects.dropClaims(keys)
  return (await subjects.resolve(claims.flatMap(({ identifiers }) => identifiers))).map(({ node }) => node)
}

async function makeKnown({ subjects, world }: JoinDeps, { identifiers, vouched }: JoinStatements) {
  const nodes = new Map((await subjects.resolve([...identifiers])).map((node) => [node.identifier, node]))
  const vouches = Map.groupBy(
    [...vouched].filter(([identifier, source]) => {
      const node = nodes.get(identifier)
      // What an administrator loaded stays findable, whatever becomes of a provider.
      return node !== undefined && node.vouchedBy !== source && node.vouchedBy !== adminSource
    }),
    ([, source]) => source,
  )
  for (const [source, theirs] of vouches) {
    await subjects.vouch(
      theirs.map(([identifier]) => identifier),
      source,
    )
  }
  // An entity is known by the id of its oldest identifier: let that be one that stays.
  const unknown = [...identifiers].filter((identifier) => !nodes.has(identifier)).toSorted(byLasting)
  if (unknown.length === 0) return nodes
  const seenAt = world.now()
  const added = await subjects.add(
    unknown.map((identifier) => ({
      identifier,
      id: newSubjectId(world, identifier),
      seenAt,
      vouchedBy: vouched.get(identifier),
    })),
  )
  for (const node of added) nodes.set(node.identifier, node)
  return nodes
}

function merged(said: readonly Claim[]): ReadonlyMap<string, Claim> {
  const claims = new Map<string, Claim>()
  for (const claim of said) {
    const before = claims.get(claim.key)
    claims.set(claim.key, before === undefined ? claim : mergeClaims(before, claim))
  }
  return claims
}

/** What is to be stored of a claim, if it says anything new. */
function changeOf(claim: Claim, known: KnownClaim | undefined): readonly Claim[] {
  if (known === undefined) return [claim]
  const merged = mergeClaims(known, claim)
  const isNew =
    compareOccurrences(merged.first, known.first) < 0 ||
    compareOccurrences(merged.last, known.last) > 0 ||
    merged.standing < known.standing
  return isNew ? [merged] : []
}

/** Names that follow each other hang together as claims do, and may be as many: what a further one follows is forgotten. */
function withoutLongChains(component: Component, fresh: readonly Ending[]) {
  const linked = component.endings.filter(({ successor }) => successor !== undefined)
  const tooLong = new Set(
    [...Map.groupBy(linked, ({ source }) => source)].flatMap(([source, own]) =>
      own.length > sourceClaimsMax ? [source] : [],
    ),
  )
  const cut = fresh.filter(({ source, successor }) => successor !== undefined && tooLong.has(source))
  const isCut = ({ source, identifier, at }: Ending): boolean =>
    cut.some((ending) => ending.source === source && ending.identifier === identifier && ending.at === at)
  const endings = component.endings.map((ending) =>
    isCut(ending) ? { ...ending, successor: undefined } : ending,
  )
  return { component: cut.length === 0 ? component : { ...component, endings }, cut }
}

/** Takes fresh claims out of what a source would let grow beyond its share; never what was loaded. */
function withinLimits(component: Component, fresh: ReadonlySet<string>) {
  const claims = component.claims.filter(({ source }) => source !== adminSource)
  const tooMuch = [...Map.groupBy(claims, ({ source }) => source).values()].flatMap((own) =>
    isTooMuch(own) ? [...hangingTogether(own)].filter(isTooMuch).flat() : [],
  )
  const dropped = new Set(tooMuch.filter(({ key }) => fresh.has(key)).map(({ key }) => key))
  return {
    component: { ...component, claims: component.claims.filter(({ key }) => !dropped.has(key)) },
    dropped: [...dropped],
  }
}

function isTooMuch(claims: readonly KnownClaim[]): boolean {
  return (
    claims.length > sourceClaimsMax ||
    new Set(claims.flatMap(({ identifiers }) => identifiers)).size > sourceIdentifiersMax
  )
}

function hangingTogether(claims: readonly KnownClaim[]): Iterable<readonly KnownClaim[]> {
  const rootOf = new Map<Identifier, Identifier>()
  const root = (identifier: Identifier): Identifier => {
    let at = identifier
    for (let up = rootOf.get(at); up !== undefined && up !== at; up = rootOf.get(at)) at = up
    return at
  }
  for (const { identifiers } of claims) {
    for (const identifier of identifiers) rootOf.set(root(identifier), root(identifiers[0] ?? identifier))
  }
  return Map.groupBy(claims, ({ identifiers: [first = ''] }) => root(first)).values()
}

/** An entity is known by its oldest node. */
function rejoin(
  { nodes, claims, endings, memberships }: Component,
  { sources, isForEverybody }: Pick<Look, 'sources' | 'isForEverybody'>,
  claimantOf: Claimants,
): Rejoined {
  const numberOf = new Map(nodes.map(({ identifier, node }) => [identifier, node]))
  const oldest = (group: readonly Identifier[]): number =>
    Math.min(...group.map((identifier) => numberOf.get(identifier) ?? Infinity))
  const { groups, refused } = isForEverybody
    ? partition(claims, endings, claimantOf)
    : { groups: undefined, refused: new Map<string, string>() }
  const entityOf = new Map(
    (groups ?? []).flatMap((group) => group.map((identifier) => [identifier, oldest(group)])),
  )

  const speaking = new Set([adminSource, ...[...claims, ...endings].map(({ source }) => source)])
  const made = [...speaking]
    .filter((source) => sources.has(source))
    .flatMap((source): Membership[] => {
      const view = ownView(source, claims, endings, claimantOf)
      const roots = new Map(
        view.groups.flatMap((group) => group.map((identifier) => [identifier, oldest(group)])),
      )
      const rootOf = (identifier: Identifier): number | undefined =>
        roots.get(identifier) ?? numberOf.get(identifier)
      return [
        ...[...roots].flatMap(([identifier, root]) => {
          const node = numberOf.get(identifier)
          return node === undefined ? [] : [{ node, source, until: forGood, root }]
        }),
        ...view.renamed.flatMap(({ identifier, until, successor }) => {
          const [node, successorNode, root] = [
            numberOf.get(identifier),
            numberOf.get(successor),
            rootOf(successor),
          ]
          if (node === undefined || successorNode === undefined || root === undefined) return []
          // The successor is a member of its own root, so that what is said of the old name is found from it.
          const alone = roots.has(successor) ? [] : [{ node: successorNode, source, until: forGood, root }]
          return [{ node, source, until, root }, ...alone]
        }),
      ]
    })
  const textOf = ({ node, source, until, root }: Membership): string =>
    `${node}\0${source}\0${until}\0${root}`
  const before = new Map(memberships.map((member) => [textOf(member), member]))
  const after = new Map(made.map((member) => [textOf(member), member]))
  return {
    entities:
      groups === undefined
        ? []
        : nodes.flatMap(({ identifier, node, entity }) => {
            const now = entityOf.get(identifier) ?? node
            return now === entity ? [] : [{ node, entity: now }]
          }),
    claims:
      groups === undefined
        ? []
        : claims.flatMap(({ key, refused: before }) => {
            const now = refused.get(key)
            return now === before ? [] : [{ key, refused: now }]
          }),
    endings: endings.flatMap(({ identifier, source, at, everybody: before }) => {
      const everybody = endsForEverybody(source, identifier, claimantOf)
      return everybody === before ? [] : [{ identifier, source, at, everybody }]
    }),
    memberships: {
      gone: [...before].flatMap(([text, member]) => (after.has(text) ? [] : [member])),
      made: [...after].flatMap(([text, member]) => (before.has(text) ? [] : [member])),
    },
  }
}

/** Okta's prefix for users. */
const prefixes = { user: '00u', device: 'dev', session: 'ses' } as const

/** A new id for an identifier, and for the entity that it is until it is joined; an address is its own. */
function newSubjectId(world: Pick<World, 'newId'>, identifier: Identifier): string {
  const kind = kindOf(identifier)
  if (kind === 'address') return valueOf(identifier)
  return world.newId(kind === 'user' || kind === 'device' || kind === 'session' ? prefixes[kind] : 'ent')
}
