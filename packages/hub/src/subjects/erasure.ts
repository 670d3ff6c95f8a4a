import { domainToUnicode } from 'node:url'
import { asInJson } from '../base/as-in-json.ts'
import { isHubError } from '../base/hub-error.ts'
import {
  isJsonArray,
  isJsonObject,
  parseIJson,
  printable,
  withinQuotes,
  type JsonObject,
  type JsonValue,
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
  maySee(text: TextLooks): boolean
  /**
   * The JSON text without the names, or undefined when it is not about this person.
   * @param issuer - who sent what it holds, as far as it does not say so itself
   */
  json(text: string, issuer: string): string | undefined
  /** Plain text without the names, or undefined when there is none in it. */
  plain(text: string): string | undefined
}

/** Takes the names of several people out of what is stored; looks at each text once for all of them. */
export interface SharedEraser {
  /** @see Eraser.json */
  json(text: string, issuer: string): ErasedText | undefined
  /** @see Eraser.plain */
  plain(text: string): ErasedText | undefined
}

export interface ErasedText {
  readonly text: string
  /** Whose names were in it, as places in the list that the eraser was made of. */
  readonly whose: readonly number[]
}

/** A JSON text in the forms in which erasers search it. Each form is made when the first eraser asks for it. */
export interface TextLooks {
  readonly text: string
  readonly normalised: string
  /** What the text says without its percent-encoding: as decoded, and normalised. */
  readonly decoded: readonly { readonly text: string; readonly normalised: string }[]
  /** The IP addresses that strings of the text consist of. */
  readonly addresses: ReadonlySet<Identifier>
}

/** What a text must hold before an eraser can find anything in it. */
interface Hints {
  /** In the text as normalised. */
  readonly inText: readonly string[]
  /** In what the text says without its percent-encoding, normalised. */
  readonly inDecoded: readonly string[]
  /** Patterns of phone numbers, in either as written. */
  readonly phones: readonly string[]
  readonly addresses: readonly Identifier[]
}

/** From this length on an identifier is so peculiar that it is taken out of the middle of texts, too. */
const peculiarCharsMin = 8
const ascii = /^[\x20-\x7e]*$/
const peculiarFormats: ReadonlySet<string> = new Set(['email', 'phone', 'account'])

/**
 * An identifier as short as `42` is no trace of anybody by itself: such ones are erased only where the same record names
 * the person, and there wherever they stand alone.
 */
export function createEraser(names: ErasureNames): Eraser {
  const { pseudonym, identifiers, ids = [], displayName } = names
  const { values, peculiar } = writtenNames(identifiers, displayName)
  const whole = new Set([...values].map(normaliseName))
  const known = new Set(identifiers)
  const phones = identifiers.filter((identifier) => formatOf(identifier) === 'phone').map(phonePattern)
  const patterns = [...[...peculiar].map(escaped), ...phones]
  const inText = patterns.length === 0 ? undefined : new RegExp(patterns.join('|'), 'giu')
  const emails = new Set(identifiers.filter(isLikeEmail).map(valueOf))
  const withoutEmails = [...emails].map((email) => emailPattern(email, pseudonym))
  const kinds = [...new Set(identifiers.map(kindOf))]
  const hasAddress = kinds.includes('address')
  const isPlainName = (text: string): boolean =>
    whole.has(normaliseName(text)) ||
    (text.includes('@') && whole.has(normaliseLogin(text))) ||
    (hasAddress && known.has(addressIdentifier(text) ?? ''))
  const isListedAddress = (value: JsonValue): boolean =>
    typeof value === 'string' && known.has(addressIdentifier(value) ?? '')
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
    const listed = value['format'] === 'ip-addresses' ? value['ip-addresses'] : undefined
    // One by one: another address of the list may have been erased, so that the list is no subject any more.
    if (isJsonArray(listed)) return hasAddress && listed.some((each) => isListedAddress(each))
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
    maySee: searchFor(hintsOf(names)),
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

/** Makes one eraser of several people's. What is alike for all, such as decoding a text, is done once for each text. */
export function createSharedEraser(people: readonly ErasureNames[]): SharedEraser {
  const erasers = people.map(createEraser)
  const hints = people.map(hintsOf)
  const mayNameAnybody = searchFor({
    inText: hints.flatMap(({ inText }) => inText),
    inDecoded: hints.flatMap(({ inDecoded }) => inDecoded),
    phones: hints.flatMap(({ phones }) => phones),
    addresses: hints.flatMap(({ addresses }) => addresses),
  })

  function erase(
    text: string,
    looks: TextLooks,
    by: (eraser: Eraser, text: string) => string | undefined,
  ): ErasedText | undefined {
    if (!mayNameAnybody(looks)) return undefined
    let left = text
    const whose: number[] = []
    for (const [at, eraser] of erasers.entries()) {
      const erased = eraser.maySee(looks) ? by(eraser, left) : undefined
      if (erased === undefined) continue
      left = erased
      whose.push(at)
    }
    return whose.length === 0 ? undefined : { text: left, whose }
  }

  return {
    json: (text, issuer) => erase(text, looksOf(text), (eraser, left) => eraser.json(left, issuer)),
    plain: (text) => erase(text, looksOf(JSON.stringify(text)), (eraser, left) => eraser.plain(left)),
  }
}

/** @param text - JSON */
export function looksOf(text: string): TextLooks {
  let normalised: string | undefined
  let decoded: TextLooks['decoded'] | undefined
  let addresses: ReadonlySet<Identifier> | undefined
  return {
    text,
    get normalised() {
      return (normalised ??= normaliseName(text))
    },
    get decoded() {
      return (decoded ??= decodings(text).map((each) => ({ text: each, normalised: normaliseName(each) })))
    },
    get addresses() {
      return (addresses ??= new Set(addressesIn(JSON.parse(text) as JsonValue))) // ours: it was written from JSON
    },
  }
}

function addressesIn(value: JsonValue): readonly Identifier[] {
  if (typeof value === 'string') {
    const inner = innerJson(value)
    if (inner !== undefined) return addressesIn(inner)
    return [value, ...decodings(value)].flatMap((each) => addressIdentifier(each) ?? [])
  }
  if (isJsonArray(value)) return value.flatMap(addressesIn)
  return isJsonObject(value) ? Object.values(value).flatMap(addressesIn) : []
}

function hintsOf({ identifiers, displayName }: ErasureNames): Hints {
  const { values, peculiar } = writtenNames(identifiers, displayName)
  // Of domains there are as many ways to write them, so it is the local part that is looked for.
  const locals = identifiers
    .filter(isLikeEmail)
    .map(valueOf)
    .map((email) => email.slice(0, email.lastIndexOf('@') + 1))
  const inText = [
    ...[...values].map((value) => (peculiar.has(value) ? '' : '"') + asInJson(normaliseName(value))),
    ...locals.map(asInJson),
  ].flatMap((hint) => [hint, asInJson(hint)]) // as it stands in JSON, and in JSON within JSON
  return {
    inText,
    inDecoded: [...inText, ...[...values].map(normaliseName), ...locals],
    phones: identifiers.filter((identifier) => formatOf(identifier) === 'phone').map(phonePatternInJson),
    addresses: identifiers.filter((identifier) => kindOf(identifier) === 'address'),
  }
}

function searchFor({ inText, inDecoded, phones, addresses }: Hints): Eraser['maySee'] {
  const [text, decoded] = [anyOf(inText.map(escaped)), anyOf(inDecoded.map(escaped))]
  const phone = anyOf(phones)
  return (looks) =>
    text?.test(looks.normalised) === true ||
    phone?.test(looks.text) === true ||
    looks.decoded.some(
      (each) => decoded?.test(each.normalised) === true || phone?.test(each.text) === true,
    ) ||
    addresses.some((address) => looks.addresses.has(address))
}

/** One expression for many: the engine makes a tree of those that begin alike. */
function anyOf(patterns: readonly string[]): RegExp | undefined {
  return patterns.length === 0 ? undefined : new RegExp([...new Set(patterns)].toSorted().join('|'), 'u')
}

/** Every way in which somebody's names may stand in texts; the peculiar ones also in the middle of one. */
function writtenNames(
  identifiers: readonly Identifier[],
  displayName: string | undefined,
): { readonly values: ReadonlySet<string>; readonly peculiar: ReadonlySet<string> } {
  const values = new Set(identifiers.flatMap(spellings))
  if (displayName !== undefined) values.add(displayName).add(displayName.replaceAll(' ', '+'))
  const peculiar = new Set([...values].filter((value) => value.length >= peculiarCharsMin))
  for (const identifier of identifiers) {
    if (!peculiarFormats.has(formatOf(identifier)) && !isLikeEmail(identifier)) continue
    for (const spelling of spellings(identifier)) peculiar.add(spelling)
  }
  return { values, peculiar }
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

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}

/** People part the digits of a number; identifiers do not. */
const phoneGap = String.raw`[\s().\-\u{2010}-\u{2015}]`

function phonePattern(identifier: Identifier): string {
  return Array.from(valueOf(identifier), escaped).join(`${phoneGap}*`)
}

/** In JSON, and in JSON within JSON, a tab or the end of a line is an escape. */
function phonePatternInJson(identifier: Identifier): string {
  return Array.from(valueOf(identifier), escaped).join(String.raw`(?:${phoneGap}|\\+[tnrfv])*`)
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
