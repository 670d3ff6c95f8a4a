import { domainToASCII } from 'node:url'

/**
 * An email address (or a sign-in name that looks like one) in the form in which two are compared. The rules, and why:
 *
 * - The whole address is brought to NFC and lower-cased without regard to any locale. RFC 5321 §2.4 lets the local part
 *   tell upper from lower case, but no directory does, and senders write addresses in every case.
 * - The domain is compared as DNS has it: in A-labels (`bücher.example` is `xn--bcher-kva.example`), without a dot at
 *   its end. What IDNA cannot read, an address literal say, stays as it is.
 * - Dots and `+tags` in the local part are kept: to drop them is one mail service's custom and would join strangers'
 *   accounts elsewhere.
 */
export function normaliseEmail(email: string): string {
  const at = email.lastIndexOf('@')
  if (at < 1) return normaliseName(email)
  return `${normaliseName(email.slice(0, at))}@${normaliseDomain(email.slice(at + 1))}`
}

/** The domain of a text that reads as an email address, in the form in which two are compared. */
export function domainIn(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  return at < 1 ? undefined : normaliseDomain(text.slice(at + 1))
}

/** The domain of an email address in the form in which two are compared. */
export function normaliseDomain(text: string): string {
  const domain = normaliseName(text).replace(/\.$/, '')
  const readable = domain !== '' && !/[[\]:/?#\\%]/.test(domain) && !/(^|\.)(0x[0-9a-f]*|\d+)$/.test(domain)
  const labels = readable && !plain.test(domain) ? domainToASCII(domain) : ''
  return labels || domain
}

const ascii = /^[\x20-\x7e]*$/
/** What IDNA leaves as it is. */
const plain = /^(?!.*xn--)[a-z0-9.-]+$/

/** A sign-in name in the form in which two are compared; one with an `@` is compared as an email address. */
export function normaliseLogin(login: string): string {
  return login.includes('@') ? normaliseEmail(login) : normaliseName(login)
}

/** Lower-casing can take a text out of NFC, so it comes in the middle. What is ASCII is in NFC whatever its case. */
export function normaliseName(text: string): string {
  if (ascii.test(text)) return text.toLowerCase()
  return text.normalize('NFC').toLowerCase().normalize('NFC')
}
