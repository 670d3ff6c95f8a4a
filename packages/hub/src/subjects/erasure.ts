import { domainToUnicode } from 'node:url'
import { isHubError } from '../base/hub-error.ts'
import {
  isJsonArray,
  parseIJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  printable,
  withinQuotes,
} from '@watchbell/receiver/base'
import {
  identifierCharsMax,
  isProprietary,
  readSubjectIdentifier,
  type SubjectIdentifier,
} from '@watchbell/receiver/set'
import { addressIdentifier, identifiersOf, formatOf, kindOf, valueOf, type Identifier } from './identifier.ts'
import { normaliseLogin, normaliseName } from './email.ts'
import { emailPattern } from './email-pattern.ts'
import { decodings, eraseEncoded } from './percent-encoding.ts'

/** Somebody whose traces are to go, by every name that is known. Kept only until the work is done. */
export interface ErasureNames {
  /** Stands where the names stood; the same everywhere, so that what belonged together still does. */
  readonly pseudonym: string
  readonly identifiers: readonly Identifier[]
  /** Of the identifiers, as the System Log names actors and targets by. */
  readonly ids?: readonly string[]
  readonly displayName: string | undefined
}

/** Takes somebody's names out of what is stored. */
export interface Eraser {
  /** Whether the text may hold a name: cheap, and never wrong when it says no. */
  maySee(text: string): boolean
  /**
   * The JSON text without the names, or undefined when it is not about this person.
   * @param issuer - who sent what it holds, as far as it does not say so itself
   */
  json(text: string, issuer: string): string | undefined
  /** Plain text without the names, or undefined when there is none in it. */
  plain(text: string): string | undefined
}

/** From this length on an identifier is so peculiar that it is taken out of the middle of texts, too. */
const peculiarCharsMin = 8
const ascii = /^[\x20-\x7e]*$/
const peculiarFormats: ReadonlySet<string> = new Set(['email', 'phone', 'account'])

/**
 * An identifier as short as `42` is no trace of anybody by itself: such ones are erased only where the same record names
 * the person, and there wherever they stand alone.
 */
export function createEraser({ pseudonym, identifiers, ids = [], displayName }: ErasureNames): Eraser {
  const values = new Set(
    identifiers
      .flatMap(spellings)
      .concat(displayName === undefined ? [] : [displayName, displayName.replaceAll(' ', '+')]),
  )
  const whole = new Set([...values].map(normaliseName))
  const peculiar = [...values].filter((value) => value.length >= peculiarCharsMin)
  for (const identifier of identifiers) {
    if (peculiarFormats.has(formatOf(identifier)) || isLikeEmail(identifier))
      peculiar.push(...spellings(identifier))
  }
  const known = new Set(identifiers)
  const phones = identifiers.filter((identifier) => formatOf(identifier) === 'phone').map(phonePattern)
  const anyPhone = phones.length === 0 ? undefined : new RegExp(phones.join('|'), 'u')
  const patterns = [...peculiar.map(escaped), ...phones]
  const inText = patterns.length === 0 ? undefined : new RegExp(patterns.join('|'), 'giu')
  const emails = new Set(identifiers.filter(isLikeEmail).map(valueOf))
  const withoutEmails = [...emails].map((email) => emailPattern(email, pseudonym))
  const kinds = [...new Set(identifiers.map(kindOf))]
  const hasAddress = kinds.includes('address') // of which there are more ways to write it than can be looked for
  const hints = [
    ...[...values].map((value) => {
      const inText = asInJson(normaliseName(value))
      return value.length >= peculiarCharsMin ? inText : `"${inText}`
    }),
    // Of domains there are as many ways, so it is the local part that is looked for.
    ...[...emails].map((email) => asInJson(email.slice(0, email.lastIndexOf('@') + 1))),
  ].flatMap((hint) => [hint, asInJson(hint)]) // as it stands in JSON, and in JSON within JSON
  /** As it stands where it was percent-encoded in JSON. */
  const encodedHints = [
    ...hints,
    ...[...values].map(normaliseName),
    ...[...emails].map((email) => email.slice(0, email.lastIndexOf('@') + 1)),
  ]

  const isPlainName = (text: string): boolean =>
    whole.has(normaliseName(text)) ||
    (text.includes('@') && whole.has(normaliseLogin(text))) ||
    (hasAddress && known.has(addressIdentifier(text) ?? ''))
  const isName = (text: string): boolean => isPlainName(text) || decodings(text).some(isPlainName)
  const speaksOf = (text: string): boolean => plainly(text) !== text.normalize('NFC')

  /** Whether a subject identifier is one of the person's, or a text names the person. An opaque id is its issuer's. */
  function concerns(value: JsonValue, issuer: string): boolean {
    if (typeof value === 'string') {
      const inner = innerJson(value)
      return inner === undefined
        ? speaksOf(value) || (value.includes('@') && isName(value))
        : concerns(inner, issuer)
    }
    if (isJsonArray(value)) return value.some((each) => concerns(each, issuer))
    if (!isJsonObject(value)) return false
    const within = typeof value['issuer'] === 'string' ? value['issuer'] : issuer // as the System Log has it (OKTA-L62)
    return (
      identifies(value, issuer) ||
      Object.entries(value).some(([name, member]) => speaksOf(name) || concerns(member, within))
    )
  }

  function identifies(value: JsonObject, issuer: string): boolean {
    // an actor or a target of the System Log
    if (value['alternateId'] !== undefined && ids.some((id) => id === value['id'])) return true
    const subject = subjectIn(value)
    if (subject === undefined) return false
    if (!isProprietary(subject) && subject.format === 'complex') return false // its members stand for themselves
    return kinds.some(
      (kind) => identifiersOf(subject, kind, issuer)?.some((identifier) => known.has(identifier)) === true,
    )
  }

  function without(value: JsonValue): JsonValue {
    if (typeof value === 'string') {
      const inner = innerJson(value)
      if (inner !== undefined) return JSON.stringify(without(inner))
      return isName(value) ? pseudonym : plainly(value)
    }
    if (isJsonArray(value)) return value.map(without)
    if (!isJsonObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [plainly(name), without(member)]))
  }

  function plainly(text: string): string {
    return eraseEncoded(literally(text), (decoded) => {
      const rest = literally(decoded)
      return rest === decoded.normalize('NFC') ? undefined : rest
    })
  }

  function literally(text: string): string {
    const replaced = text.normalize('NFC')
    if (inText === undefined) return replaced
    const erased = withoutEmails.reduce((rest, without) => without(rest), replaced.replace(inText, pseudonym))
    if (ascii.test(erased)) return erased
    // Some letters, as İ, are lower-cased into several, which no pattern knows of.
    const lower = normaliseName(erased)
    return lower.search(inText) === -1 ? erased : lower.replace(inText, pseudonym)
  }

  return {
    maySee(text) {
      const looked = normaliseName(text)
      if (hasAddress || hints.some((hint) => looked.includes(hint)) || anyPhone?.test(text) === true)
        return true
      return decodings(text).some((decoded) => {
        const plain = normaliseName(decoded)
        return encodedHints.some((hint) => plain.includes(hint)) || anyPhone?.test(decoded) === true
      })
    },
    json(text, issuer) {
      const value = JSON.parse(text) as JsonValue // ours: it was written from JSON
      return concerns(value, issuer) ? JSON.stringify(without(value)) : undefined
    },
    plain(text) {
      if (isName(text)) return pseudonym
      const erased = plainly(text)
      return erased === text.normalize('NFC') ? undefined : erased
    },
  }
}

/** How an identifier may be written in what senders sent, and in what we say of it. */
function spellings(identifier: Identifier): readonly string[] {
  const value = valueOf(identifier)
  const at = kindOf(identifier) === 'user' ? value.lastIndexOf('@') : -1
  const unicode = at === -1 ? '' : domainToUnicode(value.slice(at + 1))
  const written = unicode === '' ? [value] : [value, value.slice(0, at + 1) + unicode]
  return [
    ...new Set(
      written.flatMap((each) => [
        each,
        printable(each, identifierCharsMax),
        withinQuotes(each, identifierCharsMax),
      ]),
    ),
  ]
}

/** Whether what it names is compared as email addresses are. */
function isLikeEmail(identifier: Identifier): boolean {
  return ['email', 'login'].includes(formatOf(identifier)) && valueOf(identifier).lastIndexOf('@') > 0
}

function asInJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}

/** People part the digits of a number; identifiers do not. */
function phonePattern(identifier: Identifier): string {
  return Array.from(valueOf(identifier), escaped).join(String.raw`[\s().\-\u{2010}-\u{2015}]*`)
}

function subjectIn(value: JsonObject): SubjectIdentifier | undefined {
  if (value['format'] === undefined) return undefined
  try {
    return readSubjectIdentifier(value, 'that may be erased')
  } catch (error) {
    if (isHubError(error)) return undefined
    throw error
  }
}

/** JSON within a string, as the System Log has it (OKTA-L62). */
function innerJson(text: string): JsonValue | undefined {
  if (!/^[{[]/.test(text)) return undefined
  const parsed = parseIJson(Buffer.from(text))
  return parsed.ok ? parsed.value : undefined
}
