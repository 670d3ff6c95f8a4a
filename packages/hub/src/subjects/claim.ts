import { hash } from 'node:crypto'
import { scopeOf, type Identifier } from './identifier.ts'

/** The source of what administrators say. Providers have ids of their own. */
export const adminSource = 'admin'

/** One source's statement that several identifiers name one thing. */
export interface Claim {
  /** Made from source and identifiers: 32 hex digits. */
  readonly key: string
  /** The provider's id, or {@link adminSource}. */
  readonly source: string
  /** Two or more, sorted. */
  readonly identifiers: readonly Identifier[]
  readonly standing: Standing
  /** When it was said for the first and for the last time; the same when it was said once. */
  readonly first: Occurrence
  readonly last: Occurrence
}

/**
 * What a claim is about, which decides what it takes to be believed: 0 what an administrator loaded, 1 the source's own
 * ids, perhaps with addresses and numbers, 2 addresses and numbers alone, 3 somebody else's ids, which takes a permission.
 */
export type Standing = 0 | 1 | 2 | 3

/** Claims of one source are weighed in the order of when they happened; the id settles what happened at once. */
export interface Occurrence {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Of the signal, or of the loading of a user. */
  readonly id: string
}

/**
 * @param identifiers - sorted, each once
 * @param by - tells apart claims of one source about the same identifiers: the sign-in name that a user was loaded with
 */
export function claimKey(source: string, identifiers: readonly Identifier[], by = ''): string {
  return hash('sha256', JSON.stringify([source, by, ...identifiers]), 'hex').slice(0, 32)
}

/** @param issuer - the source's own, whose ids it vouches for */
export function standingOf(issuer: string | undefined, identifiers: readonly Identifier[]): Standing {
  const scopes = identifiers.map(scopeOf).filter((scope) => scope !== undefined)
  if (scopes.some((scope) => scope !== issuer)) return 3
  return scopes.length > 0 ? 1 : 2
}

export function compareOccurrences(a: Occurrence, b: Occurrence): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The same claim, said on all occasions of both. */
export function mergeClaims(a: Claim, b: Claim): Claim {
  return {
    ...a,
    standing: a.standing < b.standing ? a.standing : b.standing,
    first: compareOccurrences(b.first, a.first) < 0 ? b.first : a.first,
    last: compareOccurrences(b.last, a.last) > 0 ? b.last : a.last,
  }
}
