import { exclusiveGroup, kindOf, type Anchor } from './anchor.ts'
import { compareOccurrences, type Claim, type Occurrence, type Standing } from './claim.ts'

/** How many names one entity may have. */
export const entityAnchorsMax = 50

/** Who is who, as far as a set of claims tells. */
export interface Partition {
  /** Anchors that name the same entity, two or more. Whoever is in none of them stands alone. */
  readonly groups: readonly (readonly Anchor[])[]
  /** Claims that were not believed, by key, with the reason in words. */
  readonly refused: ReadonlyMap<string, string>
}

/**
 * Brings anchors together as claims say. Claims are taken by their standing and then in the order in which they happened,
 * and the first wins: nobody contradicts an administrator, or an issuer about its own ids, by having spoken earlier. One
 * that would give an entity two identifiers that exclude each other, anchors of different kinds, or too many, is not
 * believed, as a whole. It is a pure function of the claims: the order in which they came, or are listed, is nothing.
 *
 * An identifier whose joins ended (RISC identifier-changed, identifier-recycled) is left out of every claim that
 * happened before, but for what an administrator loaded. Of a claim made often only the first and last occasion are known; that is enough, since whatever
 * holds on an occasion between them holds on the last.
 * @param endedAt - for the anchors whose joins ended: when, in milliseconds since 1970
 */
export function partition(claims: readonly Claim[], endedAt: ReadonlyMap<Anchor, number>): Partition {
  const groupOf = new Map<Anchor, ReadonlySet<Anchor>>()
  const refused = new Map<string, string>()
  const made = new Set<string>()
  for (const { key, anchors, standing, occurrence } of inOrder(claims)) {
    const named =
      standing === 0
        ? anchors
        : anchors.filter((anchor) => (endedAt.get(anchor) ?? -Infinity) <= occurrence.at)
    const union = new Set(named.flatMap((anchor) => [...(groupOf.get(anchor) ?? [anchor])]))
    const problem = contradiction(union)
    if (problem !== undefined) {
      if (!made.has(key)) refused.set(key, problem)
      continue
    }
    made.add(key)
    refused.delete(key)
    if (union.size > 1) for (const anchor of union) groupOf.set(anchor, union)
  }
  return { groups: [...new Set(groupOf.values())].map((group) => [...group].toSorted()), refused }
}

interface Said {
  readonly key: string
  readonly anchors: readonly Anchor[]
  readonly standing: Standing
  readonly occurrence: Occurrence
}

function inOrder(claims: readonly Claim[]): readonly Said[] {
  return claims
    .flatMap(({ first, last, ...said }): Said[] =>
      compareOccurrences(first, last) === 0
        ? [{ ...said, occurrence: first }]
        : [
            { ...said, occurrence: first },
            { ...said, occurrence: last },
          ],
    )
    .toSorted(
      (a, b) =>
        a.standing - b.standing || compareOccurrences(a.occurrence, b.occurrence) || (a.key < b.key ? -1 : 1),
    )
}

/** Why these cannot all name one entity. */
function contradiction(anchors: ReadonlySet<Anchor>): string | undefined {
  if (anchors.size > entityAnchorsMax) {
    return `it would give one entity more than ${entityAnchorsMax} identifiers`
  }
  const kinds = new Set<string>()
  const groups = new Set<string>()
  for (const anchor of anchors) {
    kinds.add(kindOf(anchor))
    const group = exclusiveGroup(anchor)
    if (group === undefined) continue
    if (groups.has(group))
      return `it would give one entity two identifiers that exclude each other (${group.split(':')[1]})`
    groups.add(group)
  }
  return kinds.size > 1
    ? `it names things of different kinds as one (${[...kinds].toSorted().join(', ')})`
    : undefined
}
