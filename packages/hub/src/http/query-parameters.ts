import type { FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { readIsoTime } from '../base/iso-time.ts'

/** Reads the query parameters of a list. Problems are collected and reported together. */
export interface QueryParameters {
  /** The plain value; undefined when it is missing or invalid. */
  text(name: string, charsMax?: number): string | undefined
  integer(name: string, min: number, max: number): number | undefined
  /** ISO 8601. */
  time(name: string): Date | undefined
  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined
  /** The number of entries of a page. */
  limit(): number
  /** The position where the last page ended. */
  after(): number | undefined
  /** @throws HubError `request.invalid` with every problem */
  refuse(): void
}

const limitDefault = 50
const limitMax = 200

/** @param known - the names of all parameters; unknown, repeated and empty ones are refused */
export function readParameters(query: URLSearchParams, known: readonly string[]): QueryParameters {
  const problems: FieldProblem[] = []
  const refuse = (field: string, message: string): undefined => void problems.push({ field, message })
  for (const name of new Set(query.keys())) {
    if (!known.includes(name)) refuse(name, `There is no such parameter; known are ${known.join(', ')}`)
    else if (query.getAll(name).length > 1) refuse(name, 'The parameter may be given once')
    else if (query.get(name) === '') refuse(name, 'The parameter is empty; give it a value or leave it out')
  }

  function text(name: string, charsMax = Number.POSITIVE_INFINITY): string | undefined {
    const value = query.get(name) || undefined
    if (value === undefined || value.length <= charsMax) return value
    return refuse(name, `It must have 1 to ${charsMax} characters`)
  }

  function integer(name: string, min: number, max: number): number | undefined {
    const value = text(name)
    if (value === undefined) return undefined
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    return refuse(name, `'${value}' is not a whole number from ${min} to ${max}`)
  }

  return {
    text,
    integer,
    time(name) {
      const value = text(name)
      if (value === undefined) return undefined
      const ms = readIsoTime(value)
      if (ms !== undefined) return new Date(ms)
      return refuse(name, `'${value}' is not an ISO 8601 time such as 2026-01-31T12:00:00Z`)
    },
    choice(name, allowed) {
      const value = text(name)
      const chosen = allowed.find((each) => each === value)
      if (value === undefined || chosen !== undefined) return chosen
      return refuse(name, `'${value}' is not one of the allowed values: ${allowed.join(', ')}`)
    },
    limit: () => integer('limit', 1, limitMax) ?? limitDefault,
    after: () => integer('after', 1, Number.MAX_SAFE_INTEGER),
    refuse() {
      if (problems.length > 0) throw invalidFields('request.invalid', problems)
    },
  }
}

/** The link to the next page of a list: in its body and as a header (RFC 8288). */
export interface NextPage {
  readonly next: string | null
  readonly headers: { readonly headers?: { readonly link: string } }
}

/**
 * @param url - of the list, without its parameters
 * @param after - where this page ended; undefined on the last one
 */
export function nextPage(url: string, query: URLSearchParams, after: number | undefined): NextPage {
  if (after === undefined) return { next: null, headers: {} }
  const parameters = new URLSearchParams(query)
  parameters.set('after', String(after))
  const next = `${url}?${parameters.toString()}`
  return { next, headers: { headers: { link: `<${next}>; rel="next"` } } }
}
