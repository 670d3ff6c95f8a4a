/**
 * Text from outside for a pseudo-map (`{level=HIGH, reasons=…}`, OKTA-L66), without the pseudo-map's delimiters: it cannot
 * add a member.
 */
export function inPseudoMap(text: string): string {
  return text.replace(/[{}=,]/g, ' ')
}
