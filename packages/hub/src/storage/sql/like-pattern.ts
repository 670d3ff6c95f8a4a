/**
 * A pattern of LIKE, with `\` as its escape, that every text is like which contains this one when both are put into lower
 * case, as JavaScript does it. Other texts may be like it as well: databases know the letter case of ASCII only, and a
 * few signs outside of it become an `i` or a `k`. It asks for the longest stretch of ASCII and has no `%` within, so that
 * nobody can make one that is slow to match.
 */
export function likePattern(text: string): string {
  const [longest = ''] = text.split(/[^ -~]+/u).toSorted((a, b) => b.length - a.length)
  return `%${longest.replaceAll(/[%_\\]/g, '\\$&').replaceAll(/[ik]/gi, '_')}%`
}
