/**
 * Text from outside, made fit for a message: at most `charsMax` characters, and nothing in it that breaks lines,
 * hides or turns round what follows (control and format characters, lone surrogates).
 */
export function printable(text: string, charsMax: number): string {
  const shown = text.length <= charsMax ? text : text.slice(0, charsMax).toWellFormed() + '…'
  return shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{FFFD}')
}
