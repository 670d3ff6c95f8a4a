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

/** Lines of text that stay as they are but for {@link printable}'s characters; line breaks of `\n` stay. */
export function printableLines(text: string): string {
  return text.replace(unprintable, (character) => (character === '\n' ? character : '\u{FFFD}'))
}
