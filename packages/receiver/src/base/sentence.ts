import { printable } from './printable.ts'

/** Every mark that a reader may take for the end of a quotation (Unicode's Quotation_Mark, and similar ones). */
const quotationMarks =
  /[\p{Quotation_Mark}\u{2b9}-\u{2bd}\u{2ca}\u{2cb}\u{2dd}\u{2ee}\u{2f5}\u{2f6}\u{5f3}\u{5f4}\u{1ff}\u{2032}-\u{2037}\u{2057}\u{275b}-\u{275e}\u{3003}]/gu

/** One word of plain letters, digits and the marks of URLs: it cannot pass for a sentence. */
const plainWord = /^[\w.~:/?#@!$&*+,;%=[\]-]+$/
/**
 * Text from outside in one of our sentences: always between `“` and `”`, which it cannot contain, on one line, at most
 * `charsMax` characters.
 */
export function quoted(text: string, charsMax: number): string {
  return `“${withinQuotes(text, charsMax)}”`
}

/** The text that {@link quoted} puts between its marks; erasure searches for it. */
export function withinQuotes(text: string, charsMax: number): string {
  return printable(text, charsMax).replace(quotationMarks, "'").replace(/\s+/gu, ' ')
}

/** A value from outside in one of our sentences: unchanged when it is one plain word, such as a URL, otherwise {@link quoted}. */
export function inSentence(text: string, charsMax: number): string {
  return text.length <= charsMax && plainWord.test(text) ? text : quoted(text, charsMax)
}

/** The same between `'` and `'`, for the text that the sentence is about. */
export function singleQuoted(text: string, charsMax: number): string {
  return `'${withinQuotes(text, charsMax).replaceAll("'", '`')}'`
}
