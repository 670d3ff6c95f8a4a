import { isIP } from 'node:net'
import { ReceiverError } from '../base/receiver-error.ts'
import { isJsonArray } from '../base/i-json.ts'
import { isJsonObject, meant } from '../base/json.ts'
import type { JsonObject, JsonValue } from '../base/json.ts'
import { inSentence } from '../base/sentence.ts'

/** A checked subject identifier (RFC 9493 §3.2, SSF 1.0 §3.5), fit to be sent on unchanged. */
export type SubjectIdentifier = SimpleSubject | ComplexSubject

export type SimpleSubject = PlainSubject | AliasesSubject

/** A subject with one identifier. */
export type PlainSubject = RegisteredSubject | ProprietarySubject

export type RegisteredSubject =
  | { readonly format: 'account'; readonly uri: string }
  | { readonly format: 'email'; readonly email: string }
  | { readonly format: 'iss_sub'; readonly iss: string; readonly sub: string }
  | { readonly format: 'opaque'; readonly id: string }
  | { readonly format: 'phone_number'; readonly phone_number: string }
  | { readonly format: 'did'; readonly url: string }
  | { readonly format: 'uri'; readonly uri: string }
  | { readonly format: 'jwt_id'; readonly iss: string; readonly jti: string }
  | { readonly format: 'saml_assertion_id'; readonly issuer: string; readonly assertion_id: string }
  | { readonly format: 'ip-addresses'; readonly 'ip-addresses': readonly string[] }

/** Several identifiers of one subject (RFC 9493 §3.2.8). */
export interface AliasesSubject {
  readonly format: 'aliases'
  readonly identifiers: readonly PlainSubject[]
}

/** Several attributes that narrow down one subject (SSF 1.0 §3.3); further names are allowed. */
export type ComplexSubject = { readonly format: 'complex' } & {
  readonly [Name in ComplexName]?: SimpleSubject
} & { readonly [name: string]: SimpleSubject | 'complex' | undefined }

declare const proprietary: unique symbol
/** A format that the two sides agreed on (SSF 1.0 §3.4), its members as received. Recognized by {@link isProprietary}. */
export type ProprietarySubject = JsonObject & { readonly format: string; readonly [proprietary]: true }

const complexNames = ['user', 'device', 'session', 'application', 'tenant', 'org_unit', 'group'] as const
type ComplexName = (typeof complexNames)[number]

export const complexMembersMax = 20
export const aliasIdentifiersMax = 50
export const ipAddressesMax = 50
export const identifierCharsMax = 2_048
export const subjectTermsMax = 20
export const subjectTermCharsMax = 256

/**
 * Reads a subject identifier in any format (RFC 9493 §3, §4.2, SSF 1.0 §3.4), Okta's formatless `{user, device}` included (OKTA-E75–OKTA-E77).
 * Members that the format does not describe are ignored (SSF-C1).
 * @param where - its name in a refusal, such as `sub_id`
 * @throws ReceiverError `set.subject_invalid`
 */
export function readSubjectIdentifier(value: JsonValue, where: string): SubjectIdentifier {
  const object = requireObject(value, where)
  const format = meant(object['format'])
  if (format === 'complex') return readComplex(object, where)
  if (format === undefined) {
    if (meant(object['subject_type']) !== undefined) {
      throw invalid(
        where,
        'has `subject_type` in place of `format`, as only the dialect google-risc allows, and only inside events',
      )
    }
    if (complexNames.some((name) => isJsonObject(object[name]))) return readComplex(object, where)
  }
  return readSimple(object, where)
}

function readComplex(object: JsonObject, where: string): ComplexSubject {
  const members: [string, SimpleSubject][] = []
  for (const [name, value] of Object.entries(object)) {
    const isMember = isJsonObject(value) || complexNames.some((known) => known === name)
    if (name === 'format' || meant(value) === undefined || !isMember) continue
    if (members.length === complexMembersMax)
      throw invalid(where, `has more than ${complexMembersMax} members`)
    const place = `${where}.${inSentence(name, 64)}`
    members.push([name, readSimple(requireObject(value, place), place)])
  }
  if (members.length === 0) throw invalid(where, 'is complex and names no user, device or other member')
  return { format: 'complex', ...Object.fromEntries(members) }
}

function readSimple(object: JsonObject, where: string): SimpleSubject {
  if (object['format'] !== 'aliases') return readPlain(object, where)
  const identifiers = object['identifiers']
  if (!isJsonArray(identifiers) || identifiers.length === 0) {
    throw invalid(where, 'is of format aliases and needs `identifiers`, a non-empty array')
  }
  if (identifiers.length > aliasIdentifiersMax) {
    throw invalid(where, `has more than ${aliasIdentifiersMax} identifiers`)
  }
  return {
    format: 'aliases',
    identifiers: identifiers.map((each, at) => readAlias(each, `${where}.identifiers[${at}]`)),
  }
}

function readAlias(value: JsonValue, where: string): PlainSubject {
  const object = requireObject(value, where)
  if (object['format'] === 'aliases') throw invalid(where, 'is of format aliases inside aliases')
  return readPlain(object, where)
}

function readPlain(object: JsonObject, where: string): PlainSubject {
  const { format } = object
  if (typeof format !== 'string' || format === '') throw invalid(where, 'has no `format`, a non-empty string')
  if (format === 'complex') throw invalid(where, 'is complex where only a simple subject may stand')
  const read = plainFormats.get(format)
  if (read !== undefined) return read({ object, where, format })
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'string' && value.length > identifierCharsMax) {
      throw invalid(
        where,
        `has a member ${inSentence(name, 64)} longer than ${identifierCharsMax} characters`,
      )
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its `format` is a string that no other format claims
  return object as ProprietarySubject
}

interface Plain {
  readonly object: JsonObject
  readonly where: string
  readonly format: string
}

const plainFormats: ReadonlyMap<string, (subject: Plain) => PlainSubject> = new Map([
  ['account', (from: Plain): PlainSubject => ({ format: 'account', uri: text(from, 'uri') })],
  ['email', (from: Plain): PlainSubject => ({ format: 'email', email: emailAddress(from) })],
  [
    'iss_sub',
    (from: Plain): PlainSubject => ({ format: 'iss_sub', iss: text(from, 'iss'), sub: text(from, 'sub') }),
  ],
  ['opaque', (from: Plain): PlainSubject => ({ format: 'opaque', id: opaqueId(from) })],
  [
    'phone_number',
    (from: Plain): PlainSubject => ({ format: 'phone_number', phone_number: text(from, 'phone_number') }),
  ],
  ['did', (from: Plain): PlainSubject => ({ format: 'did', url: text(from, 'url') })],
  ['uri', (from: Plain): PlainSubject => ({ format: 'uri', uri: text(from, 'uri') })],
  [
    'jwt_id',
    (from: Plain): PlainSubject => ({ format: 'jwt_id', iss: text(from, 'iss'), jti: text(from, 'jti') }),
  ],
  [
    'saml_assertion_id',
    (from: Plain): PlainSubject => ({
      format: 'saml_assertion_id',
      issuer: text(from, 'issuer'),
      assertion_id: text(from, 'assertion_id'),
    }),
  ],
  [
    'ip-addresses',
    (from: Plain): PlainSubject => ({ format: 'ip-addresses', 'ip-addresses': ipAddresses(from) }),
  ],
])

function text({ object, where, format }: Plain, member: string): string {
  const value = object[member]
  if (typeof value !== 'string' || value === '') {
    throw invalid(where, `is of format ${format} and needs \`${member}\`, a non-empty string`)
  }
  if (value.length > identifierCharsMax) {
    throw invalid(where, `has a member ${member} longer than ${identifierCharsMax} characters`)
  }
  return value
}

function emailAddress(from: Plain): string {
  const email = text(from, 'email')
  const domainAt = email.lastIndexOf('@') + 1
  if (domainAt < 2 || !/^\S+$/.test(email.slice(domainAt))) {
    throw invalid(from.where, 'is of format email and its `email` is no address (RFC 9493 §3.2.2)')
  }
  return email
}

/** Okta's log shows devices whose identifier is called `sub` (OKTA-E77). */
function opaqueId(from: Plain): string {
  return meant(from.object['id']) === undefined && meant(from.object['sub']) !== undefined
    ? text(from, 'sub')
    : text(from, 'id')
}

function ipAddresses({ object, where }: Plain): readonly string[] {
  const addresses = object['ip-addresses']
  if (!isJsonArray(addresses) || addresses.length === 0) {
    throw invalid(where, 'is of format ip-addresses and needs `ip-addresses`, a non-empty array')
  }
  if (addresses.length > ipAddressesMax) throw invalid(where, `has more than ${ipAddressesMax} addresses`)
  return addresses.map((address, at) => {
    if (typeof address === 'string' && address.length <= 64 && isIP(address) !== 0) return address
    throw invalid(where, `has something that is no IP address at ip-addresses[${at}]`)
  })
}

function requireObject(value: JsonValue, where: string): JsonObject {
  if (!isJsonObject(value)) throw invalid(where, 'is not a JSON object')
  return value
}

function invalid(where: string, what: string): ReceiverError {
  return new ReceiverError('set.subject_invalid', { detail: `The subject ${where} ${what}.` })
}

/** Whether the format is none of those above. Check this first: only then does `format` distinguish the others. */
export function isProprietary(subject: SubjectIdentifier): subject is ProprietarySubject {
  return !(plainFormats.has(subject.format) || subject.format === 'aliases' || subject.format === 'complex')
}

/**
 * The distinct values a subject can be searched by: emails in lower case, other values as given.
 * @returns at most {@link subjectTermsMax}, each of at most {@link subjectTermCharsMax} characters
 */
export function subjectTerms(subject: SubjectIdentifier): readonly string[] {
  const terms = new Set<string>()
  for (const identifier of plainSubjects(subject)) {
    for (const value of searchable(identifier)) {
      if (terms.size === subjectTermsMax) return [...terms]
      terms.add(value.slice(0, subjectTermCharsMax).toWellFormed())
    }
  }
  return [...terms]
}

function plainSubjects(subject: SubjectIdentifier): readonly PlainSubject[] {
  if (isProprietary(subject)) return [subject]
  switch (subject.format) {
    case 'complex':
      return complexMembers(subject).flatMap(([, member]) => plainSubjects(member))
    case 'aliases':
      return subject.identifiers
    default:
      return [subject]
  }
}

/** How many identifiers a subject has, of all its members. */
export function identifiersIn(subject: SubjectIdentifier): number {
  return plainSubjects(subject).length
}

/** The members of a complex subject by name, `format` apart. */
export function complexMembers(subject: ComplexSubject): readonly (readonly [string, SimpleSubject])[] {
  return Object.entries(subject).flatMap(([name, member]) =>
    member === undefined || member === 'complex' ? [] : [[name, member] as const],
  )
}

function searchable(subject: PlainSubject): readonly string[] {
  if (isProprietary(subject)) {
    return Object.entries(subject).flatMap(([name, value]) =>
      name !== 'format' && typeof value === 'string' && value !== '' ? [value] : [],
    )
  }
  switch (subject.format) {
    case 'email':
      return [subject.email.toLowerCase()]
    case 'iss_sub':
      return [subject.sub]
    case 'opaque':
      return [subject.id]
    case 'phone_number':
      return [subject.phone_number]
    case 'account':
    case 'uri':
      return [subject.uri]
    case 'did':
      return [subject.url]
    case 'jwt_id':
      return [subject.jti]
    case 'saml_assertion_id':
      return [subject.assertion_id]
    default:
      return subject['ip-addresses']
  }
}
