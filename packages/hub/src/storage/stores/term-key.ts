import { hash } from 'node:crypto'

/** 52 bits of the hash of a signal's term: a short key that a number holds exactly. */
export function termKey(term: string): number {
  const known = keys.get(term)
  if (known !== undefined) return known
  const key = Number.parseInt(hash('sha256', term, 'hex').slice(0, 13), 16)
  if (keys.size >= keysMax) keys.clear()
  keys.set(term, key)
  return key
}

/** Most terms are of the same few providers, issuers and types. */
const keys = new Map<string, number>()
const keysMax = 10_000
