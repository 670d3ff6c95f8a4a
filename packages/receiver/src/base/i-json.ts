import { isUtf8 } from 'node:buffer'
import type { JsonValue } from './json.ts'
import { printable } from './printable.ts'

export type IJsonResult =
  { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly reason: string }

export interface IJsonLimits {
  /** Maximum nesting of arrays and objects; a bare object has depth 1. */
  readonly depthMax?: number
  /** Maximum number of values, checked before parsing; no bound unless given. */
  readonly valuesMax?: number
  /**
   * What to do with a number that does not fit a double exactly, such as an integer beyond 2^53: refuse the document, or
   * make the number a text of its digits. Refused unless given.
   */
  readonly wideNumbers?: 'refused' | 'as_text'
}

const defaultDepthMax = 32
const placeCharsMax = 200

/**
 * Reads I-JSON, which all readers read alike (RFC 7493): UTF-8 without BOM, no repeated names, no NUL and no lone
 * surrogate, no number that does not fit a double unless `wideNumbers` allows it; and no `__proto__`, which some readers take for the prototype.
 * @returns the value, or what is wrong and where
 */
export function parseIJson(input: string | Uint8Array, limits: IJsonLimits = {}): IJsonResult {
  if (typeof input !== 'string' && !isUtf8(input)) return { ok: false, reason: 'it is not valid UTF-8' }
  const text = typeof input === 'string' ? input : utf8.decode(input)
  if (text.startsWith('\uFEFF')) return { ok: false, reason: 'it begins with a byte order mark' }
  const { valuesMax = Infinity } = limits
  if (valuesMax < Infinity && countValues(text) > valuesMax) {
    return { ok: false, reason: `it holds more than ${valuesMax} values` }
  }
  let value: JsonValue
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { ok: false, reason: `it is not JSON${errorPlace(error, text)}` }
  }
  const walk = new Walk({
    depthMax: limits.depthMax ?? defaultDepthMax,
    checkStrings: text.includes('\\u') || !text.isWellFormed(),
    takesWide: limits.wideNumbers === 'as_text',
  })
  const flaw =
    walk.check(value, 1) ?? (walk.members === countMembers(text) ? undefined : findRepeatedName(text))
  if (flaw !== undefined) return { ok: false, reason: `${flaw.what}${pathOf(flaw)}` }
  return { ok: true, value: walk.foundWide ? withWideAsText(text) : value }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

interface Flaw {
  readonly what: string
  /** The path, outermost first. Filled on the way up, so that valid input costs nothing extra. */
  readonly path: (string | number)[]
}

class Walk {
  members = 0
  foundWide = false
  readonly depthMax: number
  readonly checkStrings: boolean
  readonly takesWide: boolean

  constructor(how: Pick<Walk, 'depthMax' | 'checkStrings' | 'takesWide'>) {
    this.depthMax = how.depthMax
    this.checkStrings = how.checkStrings
    this.takesWide = how.takesWide
  }

  check(value: JsonValue | undefined, depth: number): Flaw | undefined {
    if (typeof value === 'string') return this.checkStrings ? checkText(value) : undefined
    if (typeof value === 'number') return this.checkNumber(value)
    if (typeof value !== 'object' || value === null) return undefined
    if (depth > this.depthMax) return flaw(`it is nested deeper than ${this.depthMax} levels`)
    return isJsonArray(value) ? this.checkArray(value, depth) : this.checkObject(value, depth)
  }

  checkNumber(value: number): Flaw | undefined {
    if (!isWide(value)) return undefined
    this.foundWide = true
    if (this.takesWide) return undefined
    return flaw(Number.isFinite(value) ? 'an integer beyond 2^53-1' : 'a number too large for a double')
  }

  checkArray(array: readonly JsonValue[], depth: number): Flaw | undefined {
    let at = 0
    for (const item of array) {
      const found = this.check(item, depth + 1)
      if (found !== undefined) return below(at, found)
      at++
    }
    return undefined
  }

  checkObject(object: Readonly<Record<string, JsonValue>>, depth: number): Flaw | undefined {
    const names = Object.keys(object)
    this.members += names.length
    for (const name of names) {
      if (name === '__proto__') return flaw('the member name "__proto__" is not taken')
      const found = (this.checkStrings ? checkText(name) : undefined) ?? this.check(object[name], depth + 1)
      if (found !== undefined) return below(name, found)
    }
    return undefined
  }
}

function checkText(text: string): Flaw | undefined {
  if (text.includes('\0')) return flaw('a NUL character')
  if (!text.isWellFormed()) return flaw('a lone surrogate')
  return undefined
}

function isWide(value: number): boolean {
  return !Number.isSafeInteger(value) && (Number.isInteger(value) || !Number.isFinite(value))
}

/** @param text - JSON without other faults */
function withWideAsText(text: string): JsonValue {
  const asText = (_: string, value: JsonValue, { source }: { readonly source?: string } = {}): JsonValue =>
    typeof value === 'number' && isWide(value) && source !== undefined ? source : value
  const value: JsonValue = JSON.parse(text, asText)
  return value
}

function flaw(what: string): Flaw {
  return { what, path: [] }
}

function below(step: string | number, found: Flaw): Flaw {
  found.path.unshift(step)
  return found
}

function pathOf({ path }: Flaw): string {
  if (path.length === 0) return ' at the top level'
  const place = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `[${JSON.stringify(step)}]`))
    .join('')
  return ` at ${printable(place, placeCharsMax)}`
}

/** V8 names a position in most messages; the rest of its message repeats the input and is left out. */
function errorPlace(error: unknown, text: string): string {
  if (text.trim() === '') return ': it is empty'
  const message = error instanceof Error ? error.message : ''
  if (message.includes('end of JSON input')) return ': it ends too early'
  const position = /at position (\d+)/.exec(message)?.[1]
  return position === undefined ? '' : ` at character ${position}`
}

/** The number of members in valid JSON: each has one colon, and no other colon is outside a string. */
function countMembers(text: string): number {
  let colons = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === colon) colons++
    else if (code === quote) at = closingQuote(text, at)
  }
  return colons
}

/**
 * Upper bound for the number of values in valid JSON: each but the first follows a comma, or is the first
 * one in an array or object.
 */
function countValues(text: string): number {
  let values = 1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === comma || code === bracket || code === brace) values++
    else if (code === quote) at = closingQuote(text, at)
  }
  return values
}

const quote = 34
const comma = 44
const colon = 58
const bracket = 91
const backslash = 92
const brace = 123

function closingQuote(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at++
  }
  return text.length
}

/** The first repeated name of valid JSON that has one. */
function findRepeatedName(text: string): Flaw {
  const open: { readonly names: Set<string> | undefined; step: string | number }[] = []
  for (let at = 0; at < text.length; at++) {
    const inner = open.at(-1)
    switch (text[at]) {
      case '{':
        open.push({ names: new Set(), step: '' })
        break
      case '[':
        open.push({ names: undefined, step: 0 })
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        if (typeof inner?.step === 'number') inner.step++
        break
      case '"': {
        const end = closingQuote(text, at)
        if (inner?.names !== undefined && /^\s*:/.test(text.slice(end + 1))) {
          const name: string = JSON.parse(text.slice(at, end + 1))
          if (inner.names.has(name)) {
            const path = open.slice(0, -1).map(({ step }) => step)
            return {
              what: `the member name ${printable(JSON.stringify(name), placeCharsMax)} is repeated`,
              path,
            }
          }
          inner.names.add(name)
          inner.step = name
        }
        at = end
        break
      }
      default:
    }
  }
  return flaw('a member name is repeated')
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
