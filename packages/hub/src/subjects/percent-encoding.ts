import { isUtf8 } from 'node:buffer'

/** Two: what is encoded, and what is encoded within that. */
const depthMax = 2
const escapes = /(?:%[0-9a-f]{2})+/gi
const anyEscape = /%[0-9a-f]{2}/i

/**
 * What a text says once its percent-encoding is taken off, in full and once more from what that gives; empty when it has
 * none. Bytes that are no UTF-8 are read as Latin-1, too.
 */
export function decodings(text: string): readonly string[] {
  const found = new Set<string>()
  let layer: readonly string[] = [text]
  for (let depth = 0; depth < depthMax; depth += 1) {
    layer = [...new Set(layer.filter((each) => anyEscape.test(each)).flatMap(decodedOnce))]
    for (const each of layer) found.add(each)
  }
  return [...found]
}

function decodedOnce(text: string): readonly string[] {
  let plain = true
  const as = (encoding: 'utf8' | 'latin1'): string =>
    text.replace(escapes, (run) => {
      const bytes = Buffer.from(run.replaceAll('%', ''), 'hex')
      plain &&= isUtf8(bytes)
      return bytes.toString(encoding)
    })
  const utf8 = as('utf8')
  return plain ? [utf8] : [utf8, as('latin1')]
}

/** A text that was decoded, as it may stand where it was encoded: spaces, quotation marks and the like as escapes again. */
export function encodedAgain(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]|["<>%\\]/gu, encodeURIComponent)
}

/** Where the parts of a URL or a form begin and end. */
const marks = /([&=?#;,/])/
const gaps = /([\s"<>]+)/

/**
 * Replaces what is said in percent-encoding, whichever letters of it are encoded and whether once or twice.
 * @param erase - gives a decoded text without what is to go, and undefined when there is nothing of it in it
 */
export function eraseEncoded(text: string, erase: (decoded: string) => string | undefined): string {
  if (!anyEscape.test(text)) return text
  const erased = (part: string): string => {
    for (const decoded of decodings(part)) {
      const rest = erase(decoded)
      if (rest !== undefined) return encodedAgain(rest)
    }
    return part
  }
  // The smallest part that holds it gives way: the rest of a URL stays as it is.
  const word = (run: string): string =>
    anyEscape.test(run) ? erased(run.split(marks).map(erased).join('')) : run
  return text.split(gaps).map(word).join('')
}
