import { exclusiveGroup, kindOf, scopeOf, type Identifier } from './identifier.ts'
import { adminSource, compareOccurrences, type Claim, type Occurrence } from './claim.ts'

/** How many of an entity's identifiers one source may have named. */
export const sourceNamesMax = 50

/** What a source's claims and endings count for now. */
export interface Claimant {
  /** Whether its claims join identifiers for everybody: its word is acted on. */
  readonly isBelieved: boolean
  /** Of two sources that contradict each other about their own ids the lower one is right. */
  readonly rank: number
  /** Whether it may join, part and end what other sources say of this identifier. True of ids of its own issuer. */
  may(identifier: Identifier): boolean
  /** Whether it may speak of this identifier at all: claims count without those of which it may not. */
  speaksOf(identifier: Identifier): boolean
}

/** By the id of the source. Administrators are not asked about: what they say holds. */
export type Claimants = (source: string) => Claimant

/** One source's statement that an address or number no longer names what it named (RISC identifier-changed, -recycled). */
export interface Ending {
  readonly source: string
  readonly identifier: Identifier
  /** Milliseconds since 1970. */
  readonly at: number
  /** Whether it names somebody else from then on: what was said of it before does not count any more. */
  readonly recycled: boolean
  /** What names the same thing from then on, if the source says so. */
  readonly successor: Identifier | undefined
}

/** Who is who, as far as believed claims tell. */
export interface Partition {
  /** Identifiers that name the same entity, two or more. An identifier that is in none of them stands alone. */
  readonly groups: readonly (readonly Identifier[])[]
  /** Claims that were not believed, by key, with the reason in words. */
  readonly refused: ReadonlyMap<string, string>
}

/**
 * Brings identifiers together as claims say. What an administrator loaded comes first, then what sources say of their own
 * ids, then the rest; among these by rank of the source, and of one source in the order in which it happened. The first
 * wins. A claim that would give one entity two identifiers that exclude each other, identifiers of different kinds or too
 * many of one source, is not believed, as a whole. Neither is one that needs a permission that its source lacks: to speak
 * of other issuers' ids, or to join what other sources vouch for. It is a pure function of claims, endings and what the
 * sources may: the order in which they came, or are listed, makes no difference.
 *
 * An identifier whose joins ended is left out of every claim that its source made before, or its successor stands in its
 * place. Of a claim made often only the first and last occasion are known; that is enough, since whatever holds on an
 * occasion between them holds on the last.
 */
export function partition(
  claims: readonly Claim[],
  endings: readonly Ending[],
  claimantOf: Claimants,
): Partition {
  const believed = claims.filter(({ source }) => source === adminSource || claimantOf(source).isBelieved)
  const current = namesAfter(endings, claimantOf)
  const groups = new Groups()
  const rank = (source: string): number => (source === adminSource ? -1 : claimantOf(source).rank)
  const inOrder = occasionsOf(believed, claimantOf).toSorted(
    (a, b) =>
      a.standing - b.standing ||
      rank(a.source) - rank(b.source) ||
      compareOccurrences(a.occurrence, b.occurrence) ||
      (a.key < b.key ? -1 : 1),
  )
  for (const occasion of inOrder) {
    groups.take(occasion, current(occasion), (identifiers, joined) =>
      occasion.source === adminSource
        ? undefined
        : lacksPermission(occasion, identifiers, joined, claimantOf(occasion.source)),
    )
  }
  return groups.result()
}

/**
 * Who is who in the view of one source: by its own claims, whatever others say, and by what administrators loaded. Its own
 * later word takes back its own earlier one over all identifiers that it calls one.
 * @returns groups as {@link partition} does, and for each identifier that changed: until when it named the same as which other
 */
export function ownView(
  source: string,
  claims: readonly Claim[],
  endings: readonly Ending[],
  claimantOf: Claimants,
): { readonly groups: Partition['groups']; readonly renamed: readonly Renaming[] } {
  const own = claims.filter((claim) => claim.source === source || claim.source === adminSource)
  const ownEndings = endings.filter((ending) => ending.source === source)
  const current = namesAfter(ownEndings, claimantOf)
  const groups = new Groups()
  const inOrder = occasionsOf(own, claimantOf).toSorted(
    (a, b) =>
      Number(a.standing !== 0) - Number(b.standing !== 0) ||
      compareOccurrences(a.occurrence, b.occurrence) ||
      (a.key < b.key ? -1 : 1),
  )
  for (const occasion of inOrder) groups.take(occasion, current(occasion), () => undefined)
  return {
    groups: groups.result().groups,
    renamed: ownEndings.flatMap(({ identifier, at, recycled, successor }): Renaming[] => {
      if (successor === undefined || recycled) return []
      const [now = successor] = current({ source, identifiers: [successor], occurrence: { at, id: '' } })
      return now === identifier ? [] : [{ identifier, until: at, successor: now }]
    }),
  }
}

/** What a source said of an identifier until then counts for its successor. */
export interface Renaming {
  readonly identifier: Identifier
  /** Milliseconds since 1970. */
  readonly until: number
  readonly successor: Identifier
}

type Occasion = Pick<Claim, 'key' | 'source' | 'identifiers' | 'standing'> & {
  readonly occurrence: Occurrence
}

function occasionsOf(claims: readonly Claim[], claimantOf: Claimants): readonly Occasion[] {
  return claims.flatMap(({ first, last, identifiers: named, ...rest }): Occasion[] => {
    const claimant = rest.source === adminSource ? undefined : claimantOf(rest.source)
    const identifiers =
      claimant === undefined ? named : named.filter((identifier) => claimant.speaksOf(identifier))
    const claim = { ...rest, identifiers }
    return compareOccurrences(first, last) === 0
      ? [{ ...claim, occurrence: first }]
      : [
          { ...claim, occurrence: first },
          { ...claim, occurrence: last },
        ]
  })
}

/** How often a name may change. */
const renamingsMax = 16

type NamedBefore = Pick<Occasion, 'source' | 'identifiers' | 'occurrence'>

/** What a claim names now: without the identifiers whose joins ended since, and with what came in their place. */
function namesAfter(
  endings: readonly Ending[],
  claimantOf: Claimants,
): (claim: NamedBefore) => readonly Identifier[] {
  const byIdentifier = Map.groupBy(
    endings.toSorted((a, b) => a.at - b.at),
    ({ identifier }) => identifier,
  )
  const nameOf = (identifier: Identifier, source: string, at: number): Identifier | undefined => {
    let name = identifier
    let since = at
    for (let renamings = 0; renamings < renamingsMax; renamings += 1) {
      const ending = byIdentifier
        .get(name)
        ?.find((ending) => ending.at > since && endsFor(ending, source, claimantOf))
      if (ending === undefined) return name
      if (ending.successor === undefined || ending.source !== source) return undefined
      name = ending.successor
      since = ending.at
    }
    return undefined
  }
  return ({ identifiers, source, occurrence }) => [
    ...new Set(identifiers.flatMap((identifier) => nameOf(identifier, source, occurrence.at) ?? [])),
  ]
}

/** A source ends its own words; those of others only with a permission; an administrator's never. */
export function endsFor(
  { source: by, identifier }: Pick<Ending, 'source' | 'identifier'>,
  source: string,
  claimantOf: Claimants,
): boolean {
  return by === source || (source !== adminSource && endsForEverybody(by, identifier, claimantOf))
}

export function endsForEverybody(by: string, identifier: Identifier, claimantOf: Claimants): boolean {
  const claimant = claimantOf(by)
  return claimant.isBelieved && claimant.may(identifier)
}

interface Group {
  readonly identifiers: ReadonlySet<Identifier>
  /** By source: what its claims name of them. */
  readonly namedBy: ReadonlyMap<string, ReadonlySet<Identifier>>
}

class Groups {
  readonly #groupOf = new Map<Identifier, Group>()
  readonly #refused = new Map<string, string>()
  readonly #taken = new Set<string>()

  take(
    { key, source }: Pick<Occasion, 'key' | 'source'>,
    identifiers: readonly Identifier[],
    problemWith: (identifiers: readonly Identifier[], joined: readonly Group[]) => string | undefined,
  ): void {
    const joined = [...new Set(identifiers.flatMap((identifier) => this.#groupOf.get(identifier) ?? []))]
    const group = united(joined, source, identifiers)
    const problem = contradictionIn(group, source) ?? problemWith(identifiers, joined)
    if (problem !== undefined) {
      if (!this.#taken.has(key)) this.#refused.set(key, problem)
      return
    }
    this.#taken.add(key)
    this.#refused.delete(key)
    if (group.identifiers.size > 1)
      for (const identifier of group.identifiers) this.#groupOf.set(identifier, group)
  }

  result(): Partition {
    return {
      groups: [...new Set(this.#groupOf.values())].map(({ identifiers }) => [...identifiers].toSorted()),
      refused: this.#refused,
    }
  }
}

function united(joined: readonly Group[], source: string, named: readonly Identifier[]): Group {
  const identifiers = new Set(named)
  const namedBy = new Map<string, ReadonlySet<Identifier>>()
  for (const group of joined) {
    for (const identifier of group.identifiers) identifiers.add(identifier)
    for (const [by, names] of group.namedBy) namedBy.set(by, new Set([...names, ...(namedBy.get(by) ?? [])]))
  }
  namedBy.set(source, new Set([...named, ...(namedBy.get(source) ?? [])]))
  return { identifiers, namedBy }
}

/** Why these cannot all name one entity. */
function contradictionIn({ identifiers, namedBy }: Group, source: string): string | undefined {
  if (source !== adminSource && (namedBy.get(source)?.size ?? 0) > sourceNamesMax) {
    return `it would give one entity more than ${sourceNamesMax} identifiers`
  }
  const kinds = new Set<string>()
  const exclusive = new Set<string>()
  for (const identifier of identifiers) {
    kinds.add(kindOf(identifier))
    const group = exclusiveGroup(identifier)
    if (group === undefined) continue
    if (exclusive.has(group))
      return `it would give one entity two identifiers that exclude each other (${group.split(':')[1]})`
    exclusive.add(group)
  }
  return kinds.size > 1
    ? `it names things of different kinds as one (${[...kinds].toSorted().join(', ')})`
    : undefined
}

function lacksPermission(
  { source, standing }: Occasion,
  identifiers: readonly Identifier[],
  joined: readonly Group[],
  claimant: Claimant,
): string | undefined {
  if (
    standing === 3 &&
    identifiers.some((identifier) => scopeOf(identifier) !== undefined && !claimant.may(identifier))
  )
    return 'it speaks of ids of another issuer, which takes a permission'
  const ofOthers = joined.filter(({ namedBy }) => [...namedBy.keys()].some((by) => by !== source))
  if (ofOthers.length < 2) return undefined
  const theirs = identifiers.filter((identifier) =>
    ofOthers.some((group) => group.identifiers.has(identifier)),
  )
  return theirs.every((identifier) => claimant.may(identifier))
    ? undefined
    : 'it joins identifiers that other sources vouch for, which takes a permission'
}
