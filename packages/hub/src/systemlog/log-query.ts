import { asInJson } from '../base/as-in-json.ts'
import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { readIsoTime } from '../base/iso-time.ts'
import { parseCursor } from './log-cursor.ts'
import { parseLogFilter } from './log-filter.ts'
import { keywordPredicate, readKeywords } from './log-keywords.ts'
import { eventTypesOf, filterPredicate, textsOf, type LogPredicate } from './log-match.ts'
import type { LogPosition } from './system-log-store.ts'

/** A client's query of the log. */
export interface LogQuery {
  readonly position: LogPosition
  readonly limit: number
  /** The only types that can match. */
  readonly eventTypes: readonly string[] | undefined
  /** Texts that the JSON of every matching entry contains, letter case ignored. */
  readonly containing: readonly string[]
  /** Whether an entry matches; undefined when every entry does. */
  readonly matches: LogPredicate | undefined
}

/** The parameters of the query; links repeat these and no others. */
export const logParameters = ['since', 'until', 'after', 'filter', 'q', 'limit', 'sortOrder'] as const
export type LogParameter = (typeof logParameters)[number]

export const limitDefault = 100
export const limitMax = 1_000
const dayMs = 86_400_000
const sinceDefaultDays = 7
const sinceDaysMax = 180
/** With more types only the predicate decides. */
const eventTypesMax = 20

/**
 * Reads the parameters (OKTA-L1–OKTA-L8). An empty parameter counts as absent: Okta's own links have `q=`.
 *
 * Ascending and without `until` it is a polling query, and runs in the order of storing (OKTA-L10); all others run by
 * `published` and end (OKTA-L11). `since` is inclusive and `until` exclusive, so that adjacent windows share no entry.
 * @throws HubError `log.query_invalid` (OKTA-L20, OKTA-L25, OKTA-L27), `log.too_old` (OKTA-L23), `log.filter_invalid`,
 *   `log.filter_unsupported`
 */
export function readLogQuery(parameters: URLSearchParams, now: Date): LogQuery {
  const reader = new ParameterReader(parameters)
  const until = reader.time('until')
  const descending = reader.isDescending()
  const limit = reader.limit()
  const keywords = reader.keywords()
  const after = reader.cursor(descending ? 'descending' : until === undefined ? 'persisted' : 'ascending')
  const since = after === undefined ? reader.time('since') : undefined
  reader.refuse()
  if (since !== undefined && since.getTime() < now.getTime() - sinceDaysMax * dayMs) {
    throw new HubError('log.too_old', {
      detail: 'Invalid parameter: The since parameter is over 180 days prior to the current day.',
    })
  }
  const filterText = reader.text('filter')
  const filter = filterText === undefined ? undefined : parseLogFilter(filterText)
  const eventTypes = filter && eventTypesOf(filter)
  const predicates = [
    ...(filter === undefined ? [] : [filterPredicate(filter)]),
    ...(keywords.length === 0 ? [] : [keywordPredicate(keywords)]),
  ]
  return {
    position: after ?? startOf({ since, until, descending, now }),
    limit,
    eventTypes: eventTypes !== undefined && eventTypes.length <= eventTypesMax ? eventTypes : undefined,
    containing: [...(filter === undefined ? [] : textsOf(filter)), ...keywords].map(asInJson),
    matches: predicates.length === 0 ? undefined : (event) => predicates.every((holds) => holds(event)),
  }
}

interface Window {
  readonly since: Date | undefined
  readonly until: Date | undefined
  readonly descending: boolean
  readonly now: Date
}

function startOf({ since, until, descending, now }: Window): LogPosition {
  const sinceDefault = new Date((until ?? now).getTime() - sinceDefaultDays * dayMs)
  if (until === undefined && !descending) return { order: 'persisted', since: since ?? sinceDefault }
  return {
    order: 'published',
    direction: descending ? 'descending' : 'ascending',
    since: since ?? sinceDefault,
    until: until ?? new Date(now.getTime() + 1), // so that entries published in this millisecond are included
    after: undefined,
  }
}

/** Collects all problems before refusing (OKTA-X4). */
class ParameterReader {
  readonly #parameters: URLSearchParams
  readonly #problems: FieldProblem[] = []

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters
    for (const name of logParameters) {
      if (parameters.getAll(name).length > 1) this.#problem(name, 'must not be given more than once.')
    }
  }

  text(name: LogParameter): string | undefined {
    return this.#parameters.get(name)?.trim() || undefined
  }

  time(name: 'since' | 'until'): Date | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const ms = readIsoTime(text)
    if (ms !== undefined) return new Date(ms)
    this.#problem(
      name,
      'The date format in your query is not recognized. Please enter dates using ISO8601 string format.',
    )
    this.#problem(name, 'must be a valid date-time or empty.')
    return undefined
  }

  limit(): number {
    const text = this.text('limit')
    if (text === undefined) return limitDefault
    const limit = /^\d{1,6}$/.test(text) ? Number(text) : NaN
    if (limit <= limitMax) return limit
    this.#problem('limit', `must be an integer between 0 and ${limitMax}.`)
    return limitDefault
  }

  isDescending(): boolean {
    const text = this.text('sortOrder')
    if (text !== undefined && text !== 'ASCENDING' && text !== 'DESCENDING') {
      this.#problem('sortOrder', 'must be ASCENDING or DESCENDING.')
    }
    return text === 'DESCENDING'
  }

  keywords(): readonly string[] {
    const keywords = readKeywords(this.text('q') ?? '')
    if (!('problem' in keywords)) return keywords
    this.#problem('q', keywords.problem)
    return []
  }

  /** The position in `after`. It wins over `since`, whatever its value, and over `until` (OKTA-L3), but must be of the same kind of query. */
  cursor(kind: 'persisted' | 'ascending' | 'descending'): LogPosition | undefined {
    const text = this.text('after')
    if (text === undefined) return undefined
    const position = parseCursor(text)
    if (
      position !== undefined &&
      (position.order === 'persisted' ? position.order : position.direction) === kind
    ) {
      return position
    }
    this.#problem('after', 'must come unchanged from a next link of the same query.')
    return undefined
  }

  /** The summary strings all problems together, as Okta's does (OKTA-L20). */
  refuse(): void {
    if (this.#problems.length === 0) return
    const summary = this.#problems.map(({ field, message }) => `'${field}': ${message}`).join(' ')
    throw new HubError('log.query_invalid', { detail: summary, problems: this.#problems, facts: { summary } })
  }

  #problem(field: LogParameter, message: string): void {
    this.#problems.push({ field, message })
  }
}
