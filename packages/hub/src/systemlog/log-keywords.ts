import { isJsonObject } from '@watchbell/receiver/base'
import type { LogPredicate } from './log-match.ts'

export const keywordsMax = 10
export const keywordCharsMax = 40

/** What is wrong with a free-text search, in Okta's text (OKTA-L25). */
export type KeywordProblem = { readonly problem: string }

/** The keywords of `q`, in lower case. */
export function readKeywords(q: string): readonly string[] | KeywordProblem {
  const keywords = q.split(/\s+/).filter((keyword) => keyword !== '')
  if (keywords.length > keywordsMax) {
    return { problem: `Freeform search cannot contain more than ${keywordsMax} items.` }
  }
  if (keywords.some((keyword) => keyword.length > keywordCharsMax)) {
    return {
      problem: `Freeform search cannot contain items longer than ${keywordCharsMax} characters. Please shorten the items in your search or use an advanced filter to query by specific fields.`,
    }
  }
  return keywords.map((keyword) => keyword.toLowerCase())
}

/**
 * Whether every keyword is a whole word in some value of the entry, letter case ignored (OKTA-L6). A word ends where
 * letters and digits end, so the parts of `a-b`, of an address and of a URL are found, and `a-b` itself as well.
 */
export function keywordPredicate(keywords: readonly string[]): LogPredicate {
  return (event) => {
    const missing = new Set(keywords)
    findIn(event, missing)
    return missing.size === 0
  }
}

/** Removes found keywords from `missing`. */
function findIn(value: unknown, missing: Set<string>): void {
  if (missing.size === 0) return
  if (Array.isArray(value)) {
    for (const each of value) findIn(each, missing)
  } else if (isJsonObject(value)) {
    for (const each of Object.values(value)) findIn(each, missing)
  } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    const text = String(value).toLowerCase()
    for (const keyword of missing) if (hasWord(text, keyword)) missing.delete(keyword)
  }
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const end = at + word.length
    const cutBefore = endsInWord.test(text.slice(Math.max(0, at - 2), at)) && startsInWord.test(word)
    const cutAfter = startsInWord.test(text.slice(end, end + 2)) && endsInWord.test(word)
    if (!cutBefore && !cutAfter) return true
  }
  return false
}

const startsInWord = /^[\p{L}\p{N}]/u
const endsInWord = /[\p{L}\p{N}]$/u
