import { HubError } from '../base/hub-error.ts'
import { printable } from '@watchbell/receiver/base'
import { findLogField } from './log-fields.ts'

/**
 * A filter expression of the System Log: SCIM's language (RFC 7644 §3.4.2.2) without `[ ]` (OKTA-L4). Attribute names and
 * comparisons respect case, keywords do not, as Okta describes filters ("identical", lexicographical).
 */
export type LogFilter =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly LogFilter[] }
  | { readonly kind: 'not'; readonly term: LogFilter }
  | Comparison
  | { readonly kind: 'present'; readonly field: string }

export interface Comparison {
  readonly kind: 'compare'
  /** A path of LogEvent, its names spelled as in entries. */
  readonly field: string
  readonly operator: CompareOperator
  readonly value: FilterValue
}

const compareOperators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const
export type CompareOperator = (typeof compareOperators)[number]
export type FilterValue = string | number | boolean | null

export const filterCharsMax = 4_096
export const filterTermsMax = 100
export const filterDepthMax = 32
const fieldShownCharsMax = 256

/**
 * @throws HubError `log.filter_invalid` (OKTA-L21, OKTA-L22), `log.filter_unsupported` (OKTA-L24); both `detail`s are the answer's text
 */
export function parseLogFilter(text: string): LogFilter {
  if (text.length > filterCharsMax) {
    throw new HubError('log.filter_invalid', {
      detail: `Invalid filter: it has ${text.length} characters, and ${filterCharsMax} are the most.`,
    })
  }
  return checkFields(new Parser(text).parse())
}

/** Text that parses to the same filter. */
export function printLogFilter(filter: LogFilter): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.terms
        .map((term) =>
          term.kind === 'and' || term.kind === 'or' ? `(${printLogFilter(term)})` : printLogFilter(term),
        )
        .join(` ${filter.kind} `)
    case 'not':
      return `not (${printLogFilter(filter.term)})`
    case 'compare':
      return `${filter.field} ${filter.operator} ${JSON.stringify(filter.value)}`
    case 'present':
      return `${filter.field} pr`
  }
}

interface Token {
  readonly kind: 'word' | 'string' | 'open' | 'close' | 'end'
  readonly text: string
  /** Characters from the start, counted from 0 as in Okta's sample (OKTA-L21). */
  readonly at: number
}

/** Recursive descent with one token of lookahead; the depth limit bounds the recursion. */
class Parser {
  readonly #text: string
  #token: Token
  #terms = 0

  constructor(text: string) {
    this.#text = text
    this.#token = this.#scan(0)
  }

  parse(): LogFilter {
    const filter = this.#chain('or', 1)
    if (this.#token.kind !== 'end') throw this.#expected('and, or, or the end')
    return filter
  }

  /** Terms joined by `or`, each of them terms joined by `and`: `and` binds more closely. */
  #chain(kind: 'and' | 'or', depth: number): LogFilter {
    const terms: LogFilter[] = []
    do terms.push(kind === 'or' ? this.#chain('and', depth) : this.#term(depth))
    while (this.#takeKeyword(kind))
    const [only] = terms
    return terms.length === 1 && only !== undefined ? only : { kind, terms }
  }

  #term(depth: number): LogFilter {
    if (depth > filterDepthMax) throw this.#invalid(`Nested deeper than ${filterDepthMax} levels`)
    if (this.#token.kind === 'open') return this.#group(depth)
    if (this.#token.kind !== 'word') throw this.#expected('an attribute name, not or (')
    if (this.#isKeyword('not') && this.#nextIsOpen()) {
      this.#take()
      return { kind: 'not', term: this.#group(depth) }
    }
    this.#terms += 1
    if (this.#terms > filterTermsMax) throw this.#invalid(`More than ${filterTermsMax} comparisons`)
    return this.#comparison()
  }

  #group(depth: number): LogFilter {
    this.#take()
    const filter = this.#chain('or', depth + 1)
    if (this.#token.kind !== 'close') throw this.#expected('and, or, or )')
    this.#take()
    return filter
  }

  #comparison(): LogFilter {
    const field = this.#take().text
    const named = this.#token
    const operator = named.text.toLowerCase()
    if (named.kind === 'word' && operator === 'pr') {
      this.#take()
      return { kind: 'present', field }
    }
    const known = compareOperators.find((each) => each === operator)
    if (known === undefined || named.kind !== 'word') {
      throw this.#invalid(
        `Unrecognized attribute operator '${named.text}'`,
        '. Expected: eq,co,sw,pr,gt,ge,lt,le',
      )
    }
    this.#take()
    return { kind: 'compare', field, operator: known, value: this.#value(known) }
  }

  #value(operator: CompareOperator): FilterValue {
    const { kind, text } = this.#token
    const value = kind === 'string' ? readString(text) : kind === 'word' ? readWord(text) : undefined
    if (value === undefined) throw this.#expected('a string in double quotes, a number, true, false or null')
    const fits = operator === 'eq' || operator === 'ne' || typeof value === 'string'
    if (!fits && !(typeof value === 'number' && isOrder(operator))) {
      throw this.#expected(`a value that ${operator} can be asked of`)
    }
    this.#take()
    return value
  }

  #take(): Token {
    const taken = this.#token
    this.#token = this.#scan(taken.at + taken.text.length)
    return taken
  }

  #isKeyword(keyword: string): boolean {
    return this.#token.kind === 'word' && this.#token.text.toLowerCase() === keyword
  }

  #takeKeyword(keyword: string): boolean {
    const isIt = this.#isKeyword(keyword)
    if (isIt) this.#take()
    return isIt
  }

  #nextIsOpen(): boolean {
    return this.#scan(this.#token.at + this.#token.text.length).kind === 'open'
  }

  #scan(from: number): Token {
    let at = from
    while (isSpace(this.#text[at])) at += 1
    const token = (kind: Token['kind'], end: number): Token => ({ kind, text: this.#text.slice(at, end), at })
    switch (this.#text[at]) {
      case undefined:
        return token('end', at)
      case '(':
        return token('open', at + 1)
      case ')':
        return token('close', at + 1)
      case '"':
        return token('string', endOfString(this.#text, at))
      default: {
        let end = at
        while (!endsWord(this.#text[end])) end += 1
        return token('word', end)
      }
    }
  }

  #expected(what: string): HubError {
    const { text, at } = this.#token
    const found = text === '' ? 'The filter ends' : `Unexpected '${text}'`
    return this.#invalid(found, `. Expected: ${what}`, at)
  }

  #invalid(what: string, hint = '', at = this.#token.at): HubError {
    const detail = `Invalid filter '${this.#text}': ${what} at position ${at}${hint}`
    return new HubError('log.filter_invalid', { detail: printable(detail, 2 * filterCharsMax) })
  }
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r'
}

function endsWord(character: string | undefined): boolean {
  return (
    character === undefined ||
    character === '(' ||
    character === ')' ||
    character === '"' ||
    isSpace(character)
  )
}

/** The index after the closing quote, or the text's length when there is none. */
function endOfString(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at + 1
  }
  return text.length
}

/** String literals are JSON strings; undefined for other text. */
function readString(literal: string): string | undefined {
  try {
    const value: unknown = JSON.parse(literal)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

function readWord(word: string): number | boolean | null | undefined {
  if (word === 'true' || word === 'false') return word === 'true'
  if (word === 'null') return null
  const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word) ? Number(word) : NaN
  return Number.isFinite(number) ? number : undefined
}

function isOrder(operator: CompareOperator): operator is 'gt' | 'ge' | 'lt' | 'le' {
  return operator === 'gt' || operator === 'ge' || operator === 'lt' || operator === 'le'
}

/** The filter with every field's name spelled as in entries. */
function checkFields(filter: LogFilter): LogFilter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { kind: filter.kind, terms: filter.terms.map(checkFields) }
    case 'not':
      return { kind: 'not', term: checkFields(filter.term) }
    case 'present':
      return { kind: 'present', field: checkField(filter.field, 'pr', undefined) }
    case 'compare':
      return { ...filter, field: checkField(filter.field, filter.operator, filter.value) }
  }
}

/** `co` is not supported on these fields (OKTA-L4). */
const neverContains: ReadonlySet<string> = new Set([
  'debugContext.debugData.url',
  'debugContext.debugData.requestUri',
])

function checkField(name: string, operator: string, value: FilterValue | undefined): string {
  const field = findLogField(name)
  if (field === undefined) {
    throw new HubError('log.filter_invalid', {
      detail: `field is not valid: ${printable(name, fieldShownCharsMax)}`,
    })
  }
  const { path, isObject } = field
  const neverFiltered = path === 'published' || path.startsWith('target.changeDetails')
  const needsValue = isObject && value !== undefined && value !== null
  if (neverFiltered || needsValue || (operator === 'co' && neverContains.has(path))) {
    const shown = printable(name, fieldShownCharsMax)
    throw new HubError('log.filter_unsupported', {
      detail: `The supplied combination of operator and field is not currently supported. Operator: ${operator}, Field: ${shown}`,
    })
  }
  return path
}
