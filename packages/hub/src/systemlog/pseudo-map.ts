/**
 * Words of others for a pseudo-map (`{level=HIGH, reasons=…}`, OKTA-L66), without the marks that its form consists of: nobody
 * can write a member of their own into it.
 */
export function inPseudoMap(text: string): string {
  return text.replace(/[{}=,]/g, ' ')
}
