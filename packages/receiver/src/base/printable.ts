/**
 * What a terminal or a log viewer does not show as a character of its own: controls (C0, C1, DEL), format characters
 * (bidirectional overrides, zero-width ones), unassigned and private ones, lone surrogates, separators of lines and
 * paragraphs, and letters and marks that show nothing (fillers, variation selectors).
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/**
 * Text from outside, made safe for a terminal and for one line of a message: at most `charsMax` characters, and nothing
 * in it that steers the terminal, breaks lines, hides, or turns round what follows.
 */
export function printable(text: string, charsMax: number): string {
  const shown = text.length <= charsMax ? text : text.slice(0, charsMax).toWellFormed() + '…'
  return shown.replace(unprintable, '\u{FFFD}')
}

/** JSON, or lines of it, with what is not printable as escapes: the same value, and nothing in it steers a terminal. */
export function printableJson(json: string): string {
  return json.replace(unprintable, (character) => (character === '\n' ? character : escapesOf(character)))
}

function escapesOf(character: string): string {
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('')
}

/**
 * Lines for a terminal, all of them: line breaks stay, and of our own colours {@link ownColours} what is given.
 * @param coloured - whether our colours stay
 */
export function printableLines(text: string, coloured: boolean): string {
  return coloured ? text.split(ownColours).map(keepColour).join('') : cleaned(text)
}

/** What `styleText` writes for bold, dim, red, green and yellow, and to end them. */
// oxlint-disable-next-line no-control-regex -- it is what stays
const ownColours = /(\u001b\[(?:1|2|22|31|32|33|39)m)/

function keepColour(part: string, at: number): string {
  return at % 2 === 1 ? part : cleaned(part) // the odd parts are what it was split at
}

function cleaned(text: string): string {
  return text.replace(unprintable, (character) => (character === '\n' ? character : '\u{FFFD}'))
}
