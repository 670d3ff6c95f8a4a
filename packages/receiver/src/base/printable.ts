/**
 * Characters that a terminal or a log viewer does not show as such: controls (C0, C1, DEL), format characters
 * (bidirectional overrides, zero-width ones), unassigned and private ones, lone surrogates, line and paragraph
 * separators, and letters and marks that are invisible (fillers, variation selectors).
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/**
 * Text from outside, made safe for a terminal and for one line of a message: at most `charsMax` characters, and none
 * that control the terminal, break lines, are invisible or change the direction of text.
 */
export function printable(text: string, charsMax: number): string {
  const shown = text.length <= charsMax ? text : text.slice(0, charsMax).toWellFormed() + '…'
  return shown.replace(unprintable, '\u{FFFD}')
}

/** JSON, or lines of it, with unprintable characters as escapes: the same value, and none that control a terminal. */
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
 * Printable lines for a terminal: line breaks stay.
 * @param coloured - whether {@link ownColours} stay
 */
export function printableLines(text: string, coloured: boolean): string {
  return coloured ? text.split(ownColours).map(keepColour).join('') : cleaned(text)
}

/** The escapes of `styleText` for bold, dim, red, green and yellow, and their ends. */
// oxlint-disable-next-line no-control-regex -- these escapes stay
const ownColours = /(\u001b\[(?:1|2|22|31|32|33|39)m)/

function keepColour(part: string, at: number): string {
  return at % 2 === 1 ? part : cleaned(part) // the odd parts are the separators
}

function cleaned(text: string): string {
  return text.replace(unprintable, (character) => (character === '\n' ? character : '\u{FFFD}'))
}
