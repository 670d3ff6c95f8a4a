import { normaliseEmail, normaliseName } from './email.ts'

/** Longer ones are no domains, however their letters are written. */
const domainCharsMax = 300
/** What ends a domain in a text. */
const domainRun = new RegExp(`^[^\\s"<>()[\\]{},;:/?#|@\\\\]{1,${domainCharsMax}}`, 'u')
/** Where nothing but letter case can differ. */
const plainRun = /^(?!.*xn--)[a-z0-9.-]*$/i
/** {@link printable} puts it where characters were that show nothing, which domains may have. */
const unprintable = /\u{FFFD}/gu
/** Letters that NFC or lower-casing makes of several, at most. */
const foldedOfMax = 4

/**
 * Finds an address in the middle of texts, in every way to write it that {@link normaliseEmail} takes for the same: its
 * domain may have other letters (full width, say), other dots, or letters that do not show.
 * @param email - as normalised
 * @returns takes a text and gives it with `replacement` in the place of the address
 */
export function emailPattern(email: string, replacement: string): (text: string) => string {
  const local = email.slice(0, email.lastIndexOf('@'))

  /** Where the local part begins that ends at an `@`. */
  function startOf(text: string, at: number): number | undefined {
    const earliest = Math.max(0, at - foldedOfMax * local.length)
    if (!normaliseName(text.slice(earliest, at)).endsWith(local)) return undefined
    for (let start = at - 1; start >= earliest; start -= 1) {
      if (normaliseName(text.slice(start, at)) === local) return start
    }
    return undefined
  }

  /** Where the domain ends that begins behind an `@`. */
  function endOf(text: string, at: number): number | undefined {
    const [run = ''] = domainRun.exec(text.slice(at + 1, at + 1 + 2 * domainCharsMax)) ?? []
    if (plainRun.test(run)) return undefined // the address as it is has been looked for
    let domain = ''
    for (const character of run) {
      domain += character
      if (normaliseEmail(`${local}@${domain.replace(unprintable, '')}`) === email)
        return at + 1 + domain.length
    }
    return undefined
  }

  return (text) => {
    let done = 0
    let result = ''
    for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
      const start = startOf(text, at)
      const end = start === undefined ? undefined : endOf(text, at)
      if (start === undefined || end === undefined || start < done) continue
      result += text.slice(done, start) + replacement
      done = end
    }
    return result + text.slice(done)
  }
}
