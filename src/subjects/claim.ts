import { hash } from 'node:crypto'
import type { Anchor } from './anchor.ts'

/** That several anchors name one thing. Everyone who says so of the same anchors makes the same claim. */
export interface Claim {
  /** Made from the anchors: 32 hex digits. */
  readonly key: string
  /** Two or more, sorted. */
  readonly anchors: readonly Anchor[]
  readonly standing: Standing
  /** When it was said for the first and for the last time; the same when it was said once. */
  readonly first: Occurrence
  readonly last: Occurrence
}

/**
 * What a claim weighs, whenever it was made: 0 what an administrator loaded, 1 what an issuer says of its own `sub`s and
 * ids, 2 what anybody else says.
 */
export type Standing = 0 | 1 | 2

/** Of one standing, claims are weighed in the order of when they happened, not of when they came; the id settles what happened at once. */
export interface Occurrence {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Of the signal, or of the loading of a user. */
  readonly id: string
}

/**
 * @param anchors - sorted, each once
 * @param by - of a claim that only the same one can take back; what signals claim is everybody's
 */
export function claimKey(anchors: readonly Anchor[], by = ''): string {
  return hash('sha256', JSON.stringify([...anchors, by]), 'hex').slice(0, 32)
}

export function compareOccurrences(a: Occurrence, b: Occurrence): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The same claim, said on all occasions of both, by whoever of them it weighs most. */
export function mergeClaims(a: Claim, b: Claim): Claim {
  return {
    ...a,
    standing: a.standing < b.standing ? a.standing : b.standing,
    first: compareOccurrences(b.first, a.first) < 0 ? b.first : a.first,
    last: compareOccurrences(b.last, a.last) > 0 ? b.last : a.last,
  }
}
