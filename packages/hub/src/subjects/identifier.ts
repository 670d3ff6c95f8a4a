import { isProprietary } from '../set/subject.ts'
import type { PlainSubject, RegisteredSubject, SimpleSubject } from '../set/subject.ts'
import { canonicalAddress } from './address.ts'
import { normaliseEmail, normaliseLogin } from './email.ts'

/**
 * One identifier of one thing, normalised so that equal texts mean the same thing: `<kind>:<format>:<value>`, as in
 * `user:email:ada@example.com`, or `address:203.0.113.7`. Formats whose values mean something to one issuer only carry
 * it before a `|`: `device:opaque:https://mdm.example|42`.
 */
export type Anchor = string

/** What an anchor names. Members of complex subjects that have no name here keep their own. */
export const subjectKinds = ['user', 'device', 'session', 'address'] as const
export type SubjectKind = (typeof subjectKinds)[number]

export function kindOf(anchor: Anchor): string {
  return anchor.slice(0, anchor.indexOf(':'))
}

/** The identifier's format (`email`, `iss_sub` …); an address has none. */
export function formatOf(anchor: Anchor): string {
  return anchor.split(':')[1] ?? ''
}

/** The identifier for people to read: without kind and format, and without the issuer that scopes it. */
export function valueOf(anchor: Anchor): string {
  if (kindOf(anchor) === 'address') return anchor.slice('address:'.length)
  const value = anchor.slice(kindOf(anchor).length + formatOf(anchor).length + 2)
  return scopedFormats.has(formatOf(anchor)) ? value.slice(value.indexOf('|') + 1) : value
}

/** The issuer that a scoped identifier belongs to. */
export function scopeOf(anchor: Anchor): string | undefined {
  if (!scopedFormats.has(formatOf(anchor))) return undefined
  const value = anchor.slice(kindOf(anchor).length + formatOf(anchor).length + 2)
  return value.slice(0, value.indexOf('|')).replaceAll('%7C', '|').replaceAll('%25', '%')
}

/** Formats whose value is two: an issuer, and what is unique there. */
const scopedFormats: ReadonlySet<string> = new Set(['iss_sub', 'opaque', 'jwt_id', 'saml_assertion_id'])

const scoped = (issuer: string, id: string): string =>
  `${issuer.replaceAll('%', '%25').replaceAll('|', '%7C')}|${id}`

/**
 * What no entity can have two of: of one issuer a thing has one `sub` and one opaque id, and a person signs in here with
 * one name. Two anchors with the same group contradict each other.
 */
export function exclusiveGroup(anchor: Anchor): string | undefined {
  const format = formatOf(anchor)
  if (format === 'login') return `${kindOf(anchor)}:login`
  if (format !== 'iss_sub' && format !== 'opaque') return undefined
  return anchor.slice(0, anchor.indexOf('|'))
}

/** The same identifier without its issuer, `<kind>:<id>`: what a question that names no issuer can find. */
export function bareOf(anchor: Anchor): string | undefined {
  return scopedFormats.has(formatOf(anchor)) ? `${kindOf(anchor)}:${valueOf(anchor)}` : undefined
}

/** How lasting an identifier is: news about several is kept with the one that ranks first. */
const ranks = ['login', 'iss_sub', 'opaque', 'did', 'account', 'phone', 'email', 'uri']

/** Of several names of one thing the one that news is kept with: the most lasting, whatever their order. */
export function mainAnchor(anchors: readonly Anchor[]): Anchor {
  const [main] = anchors.toSorted(byLasting)
  if (main === undefined) throw new Error('There is no main one of no anchors.')
  return main
}

/** The most lasting identifiers first. */
export function byLasting(a: Anchor, b: Anchor): number {
  return rankOf(a) - rankOf(b) || (a < b ? -1 : 1)
}

function rankOf(anchor: Anchor): number {
  const rank = ranks.indexOf(formatOf(anchor))
  return rank === -1 ? ranks.length : rank
}

/**
 * The anchors of a simple subject, several when it has several names, sorted and each once.
 * @param kind - what it is said to name; `ip-addresses` name addresses whatever is said
 * @param issuer - who sent it: an opaque id means nothing beyond sender and receiver (RFC 9493 §3.2.4)
 * @returns undefined when one of its names is in a format that we cannot read
 */
export function anchorsOf(
  subject: SimpleSubject,
  kind: string,
  issuer: string,
): readonly Anchor[] | undefined {
  const identifiers =
    !isProprietary(subject) && subject.format === 'aliases' ? subject.identifiers : [subject]
  const anchors = new Set<Anchor>()
  for (const identifier of identifiers) {
    const read = plainAnchors(identifier, kind, issuer)
    if (read === undefined) return undefined
    for (const anchor of read) anchors.add(anchor.toWellFormed())
  }
  return [...anchors].toSorted()
}

function plainAnchors(subject: PlainSubject, kind: string, issuer: string): readonly Anchor[] | undefined {
  if (isProprietary(subject)) return undefined
  if (subject.format === 'ip-addresses') {
    const addresses = subject['ip-addresses'].map(addressAnchor)
    return addresses.some((address) => address === undefined)
      ? undefined
      : addresses.filter((address) => address !== undefined)
  }
  return [`${kind}:${identifierOf(subject, issuer)}`]
}

type Named = Exclude<RegisteredSubject, { format: 'ip-addresses' }>

function identifierOf(subject: Named, issuer: string): string {
  switch (subject.format) {
    case 'email':
      return `email:${normaliseEmail(subject.email)}`
    case 'iss_sub':
      return `iss_sub:${scoped(subject.iss, subject.sub)}`
    case 'opaque':
      return `opaque:${scoped(issuer, subject.id)}`
    case 'phone_number':
      return phoneOf(subject.phone_number) ?? `uri:${subject.phone_number}`
    case 'account':
      return accountOf(subject.uri) ?? `uri:${subject.uri}`
    case 'did':
      return didOf(subject.url) ?? `uri:${subject.url}`
    case 'uri':
      return `uri:${subject.uri}`
    case 'jwt_id':
      return `jwt_id:${scoped(subject.iss, subject.jti)}`
    case 'saml_assertion_id':
      return `saml_assertion_id:${scoped(subject.issuer, subject.assertion_id)}`
  }
}

// What its format does not allow is an identifier all the same, compared as it is: so a text that a question names finds it
// without a look-up in every format.

/** E.164 as people write it: spaces, dots, dashes and brackets mean nothing (SSF's own sample has spaces). */
function phoneOf(text: string): string | undefined {
  const number = text.replace(/^tel:/i, '').replace(/[\s().\-\u{2010}-\u{2015}]/gu, '')
  return /^\+?\d+$/.test(number) ? `phone:${number}` : undefined
}

/** Scheme and host without regard to case (RFC 7565 §4), the account's name as it is. */
function accountOf(uri: string): string | undefined {
  if (!/^acct:/i.test(uri)) return undefined
  const at = uri.lastIndexOf('@')
  const name = at === -1 ? uri : uri.slice(0, at)
  return `account:${name.replace(/^acct:/i, 'acct:')}${at === -1 ? '' : uri.slice(at).toLowerCase()}`
}

function didOf(url: string): string | undefined {
  return url.startsWith('did:') ? `did:${url}` : undefined
}

export const emailAnchor = (email: string): Anchor => `user:email:${normaliseEmail(email)}`
export const loginAnchor = (login: string): Anchor => `user:login:${normaliseLogin(login)}`

/** @returns undefined for what is no address; see {@link canonicalAddress} */
export function addressAnchor(address: string): Anchor | undefined {
  const canonical = canonicalAddress(address)
  return canonical === undefined ? undefined : `address:${canonical}`
}

/** The domain of an email address, an account or a sign-in name that is one. */
export function domainOf(anchor: Anchor): string | undefined {
  if (!['email', 'account', 'login'].includes(formatOf(anchor))) return undefined
  const value = valueOf(anchor)
  const at = value.lastIndexOf('@')
  return at === -1 ? undefined : value.slice(at + 1)
}

/** One thing that a question is about, by everything that the text it was named with may mean. */
export interface Asked {
  readonly kind: SubjectKind
  /** The id of an entity (`00u…`), should there be one of this id. */
  readonly id: string
  readonly anchors: readonly Anchor[]
  /** See {@link bareOf}. */
  readonly bare: string
}

/**
 * Reads what a question names without a format: by entity id, by an identifier in any format, or by an id that means
 * something to one issuer. Whatever can be stored can be asked by its value.
 * @param issuer - whose id the text is; without it the text finds ids of every issuer that vouches for one
 * @returns undefined for an address that is none
 */
export function askedOf(kind: SubjectKind, text: string, issuer?: string): Asked | undefined {
  const value = text.toWellFormed()
  const asked = { kind, id: value, bare: `${kind}:${value}` }
  if (kind === 'address') {
    const anchor = addressAnchor(text)
    return anchor === undefined ? undefined : { ...asked, anchors: [anchor] }
  }
  if (issuer !== undefined) {
    const id = scoped(issuer.toWellFormed(), value)
    const anchors = [...scopedFormats].map((format) => `${kind}:${format}:${id}`)
    return { kind, id: '', bare: '', anchors }
  }
  const anchors = [
    ...(kind === 'user' ? [`user:login:${normaliseLogin(value)}`] : []),
    ...(value.includes('@') ? [`${kind}:email:${normaliseEmail(value)}`] : []),
    ...[phoneOf(value), accountOf(value), didOf(value)].flatMap((identifier) =>
      identifier === undefined ? [] : [`${kind}:${identifier}`],
    ),
    `${kind}:uri:${value}`,
  ]
  return { ...asked, anchors }
}
