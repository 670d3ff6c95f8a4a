import { printable } from './printable.ts'

/** Every mark that people may take for one that ends a quotation (Unicode's Quotation_Mark, and what looks like them). */
const quotationMarks =
  /[\p{Quotation_Mark}\u{2b9}-\u{2bd}\u{2ca}\u{2cb}\u{2dd}\u{2ee}\u{2f5}\u{2f6}\u{5f3}\u{5f4}\u{1ff}\u{2032}-\u{2037}\u{2057}\u{275b}-\u{275e}\u{3003}]/gu

/** One word of plain letters, digits and the marks of URLs: too little for a sentence of its own. */
const plainWord = /^[\w.~:/?#@!$&*+,;%=[\]-]+$/
/**
 * Words of others in a sentence of ours: always between `“` and `”`, which cannot stand in them, on one line, at most
 * `charsMax` characters.
 */
export function quoted(text: string, charsMax: number): string {
  return `“${withinQuotes(text, charsMax)}”`
}

/** What {@link quoted} puts between its marks; erasure looks for it. */
export function withinQuotes(text: string, charsMax: number): string {
  return printable(text, charsMax).replace(quotationMarks, "'").replace(/\s+/gu, ' ')
}

/** A value of others in a sentence of ours: as it is when it is one plain word, such as a URL, otherwise {@link quoted}. */
export function inSentence(text: string, charsMax: number): string {
  return text.length <= charsMax && plainWord.test(text) ? text : quoted(text, charsMax)
}

/** The same between `'` and `'`, for words that a sentence of ours is about. */
export function singleQuoted(text: string, charsMax: number): string {
  return `'${withinQuotes(text, charsMax).replaceAll("'", '`')}'`
}
