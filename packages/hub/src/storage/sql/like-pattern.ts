/**
 * A pattern of LIKE, with `\` as its escape, that matches every text that contains this one when JavaScript converts both
 * to lower case. It may match other texts as well: databases know the letter case of ASCII only, and a few characters
 * outside of ASCII become an `i` or a `k`. It uses the longest run of ASCII and has no inner `%`, so that no search text
 * makes a pattern that is slow to match.
 */
export function likePattern(text: string): string {
  const [longest = ''] = text.split(/[^ -~]+/u).toSorted((a, b) => b.length - a.length)
  return `%${longest.replaceAll(/[%_\\]/g, '\\$&').replaceAll(/[ik]/gi, '_')}%`
}
