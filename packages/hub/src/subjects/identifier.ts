import {
  isProprietary,
  type PlainSubject,
  type RegisteredSubject,
  type SimpleSubject,
} from '@watchbell/receiver/set'
import { canonicalAddress } from './address.ts'
import { normaliseEmail, normaliseLogin } from './email.ts'

/**
 * One identifier of one thing, normalised so that equal texts mean the same thing: `<kind>:<format>:<value>`, as in
 * `user:email:ada@example.com`, or `address:203.0.113.7`. Formats whose values mean something to one issuer only carry
 * it before a `|`: `device:opaque:https://mdm.example|42`.
 */
export type Identifier = string

/** What an identifier names. Members of complex subjects that have no name here keep their own. */
export const subjectKinds = ['user', 'device', 'session', 'address'] as const
export type SubjectKind = (typeof subjectKinds)[number]

export function kindOf(identifier: Identifier): SubjectKind {
  return identifier.slice(0, identifier.indexOf(':')) as SubjectKind // every identifier begins with one
}

/** The identifier's format (`email`, `iss_sub` …); an address has none. */
export function formatOf(identifier: Identifier): string {
  return identifier.split(':')[1] ?? ''
}

/** The identifier for people to read: without kind and format, and without the issuer that scopes it. */
export function valueOf(identifier: Identifier): string {
  if (kindOf(identifier) === 'address') return identifier.slice('address:'.length)
  const value = identifier.slice(kindOf(identifier).length + formatOf(identifier).length + 2)
  return scopedFormats.has(formatOf(identifier)) ? value.slice(value.indexOf('|') + 1) : value
}

/** The issuer that a scoped identifier belongs to. */
export function scopeOf(identifier: Identifier): string | undefined {
  if (!scopedFormats.has(formatOf(identifier))) return undefined
  const value = identifier.slice(kindOf(identifier).length + formatOf(identifier).length + 2)
  return value.slice(0, value.indexOf('|')).replaceAll('%7C', '|').replaceAll('%25', '%')
}

/** Formats whose value is two: an issuer, and what is unique there. */
const scopedFormats: ReadonlySet<string> = new Set(['iss_sub', 'opaque', 'jwt_id', 'saml_assertion_id'])

const scoped = (issuer: string, id: string): string =>
  `${issuer.replaceAll('%', '%25').replaceAll('|', '%7C')}|${id}`

/**
 * What no entity can have two of: of one issuer a thing has one `sub` and one opaque id, and a person signs in here with
 * one name. Two identifiers with the same group contradict each other.
 */
export function exclusiveGroup(identifier: Identifier): string | undefined {
  const format = formatOf(identifier)
  if (format === 'login') return `${kindOf(identifier)}:login`
  if (format !== 'iss_sub' && format !== 'opaque') return undefined
  return identifier.slice(0, identifier.indexOf('|'))
}

/** The same identifier without its issuer, `<kind>:<id>`: what a question that names no issuer can find. */
export function bareOf(identifier: Identifier): string | undefined {
  return scopedFormats.has(formatOf(identifier)) ? `${kindOf(identifier)}:${valueOf(identifier)}` : undefined
}

/** How lasting an identifier is: a statement about several is kept with the one that ranks first. */
const ranks = ['login', 'iss_sub', 'opaque', 'did', 'account', 'phone', 'email', 'uri']

/** Of several names of one thing the one that statements are kept with: the most lasting, whatever their order. */
export function mainIdentifier(identifiers: readonly Identifier[]): Identifier {
  const [main] = identifiers.toSorted(byLasting)
  if (main === undefined) throw new Error('There is no main one of no identifiers.')
  return main
}

/** The most lasting identifiers first. */
export function byLasting(a: Identifier, b: Identifier): number {
  return rankOf(a) - rankOf(b) || (a < b ? -1 : 1)
}

function rankOf(identifier: Identifier): number {
  const rank = ranks.indexOf(formatOf(identifier))
  return rank === -1 ? ranks.length : rank
}

/**
 * The identifiers of a simple subject, several when it has several names, sorted and each once.
 * @param kind - what it is said to name; `ip-addresses` name addresses whatever is said
 * @param issuer - who sent it: an opaque id means nothing beyond sender and receiver (RFC 9493 §3.2.4)
 * @returns undefined when one of its names is in a format that we cannot read
 */
export function identifiersOf(
  subject: SimpleSubject,
  kind: string,
  issuer: string,
): readonly Identifier[] | undefined {
  const named = !isProprietary(subject) && subject.format === 'aliases' ? subject.identifiers : [subject]
  const identifiers = new Set<Identifier>()
  for (const each of named) {
    const read = plainIdentifiers(each, kind, issuer)
    if (read === undefined) return undefined
    for (const identifier of read) identifiers.add(identifier.toWellFormed())
  }
  return [...identifiers].toSorted()
}

function plainIdentifiers(
  subject: PlainSubject,
  kind: string,
  issuer: string,
): readonly Identifier[] | undefined {
  if (isProprietary(subject)) return undefined
  if (subject.format === 'ip-addresses') {
    const addresses = subject['ip-addresses'].map(addressIdentifier)
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

export const emailIdentifier = (email: string): Identifier => `user:email:${normaliseEmail(email)}`
export const loginIdentifier = (login: string): Identifier => `user:login:${normaliseLogin(login)}`

/** @returns undefined for what is no address; see {@link canonicalAddress} */
export function addressIdentifier(address: string): Identifier | undefined {
  const canonical = canonicalAddress(address)
  return canonical === undefined ? undefined : `address:${canonical}`
}

/** The domain of an email address, an account or a sign-in name that is one. */
export function domainOf(identifier: Identifier): string | undefined {
  if (!['email', 'account', 'login'].includes(formatOf(identifier))) return undefined
  const value = valueOf(identifier)
  const at = value.lastIndexOf('@')
  return at === -1 ? undefined : value.slice(at + 1)
}

/** One thing that a question is about, by everything that the text it was named with may mean. */
export interface Asked {
  readonly kind: SubjectKind
  /** The id of an entity (`00u…`), should there be one of this id. */
  readonly id: string
  readonly identifiers: readonly Identifier[]
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
    const identifier = addressIdentifier(text)
    return identifier === undefined ? undefined : { ...asked, identifiers: [identifier] }
  }
  if (issuer !== undefined) {
    const id = scoped(issuer.toWellFormed(), value)
    const identifiers = [...scopedFormats].map((format) => `${kind}:${format}:${id}`)
    return { kind, id: '', bare: '', identifiers }
  }
  const identifiers = [
    ...(kind === 'user' ? [`user:login:${normaliseLogin(value)}`] : []),
    ...(value.includes('@') ? [`${kind}:email:${normaliseEmail(value)}`] : []),
    ...[phoneOf(value), accountOf(value), didOf(value)].flatMap((identifier) =>
      identifier === undefined ? [] : [`${kind}:${identifier}`],
    ),
    `${kind}:uri:${value}`,
  ]
  return { ...asked, identifiers }
}
