import { readIsoTime } from '../base/iso-time.ts'
import { isJsonObject } from '@watchbell/receiver/base'
import type { CompareOperator, Comparison, FilterValue, LogFilter } from './log-filter.ts'
import type { LogEvent } from './log-event.ts'

export type LogPredicate = (event: LogEvent) => boolean

/** The filter as a predicate on entries. On a list a comparison holds when it holds for any element (OKTA-L5). */
export function filterPredicate(filter: LogFilter): LogPredicate {
  switch (filter.kind) {
    case 'and': {
      const terms = filter.terms.map(filterPredicate)
      return (event) => terms.every((holds) => holds(event))
    }
    case 'or': {
      const terms = filter.terms.map(filterPredicate)
      return (event) => terms.some((holds) => holds(event))
    }
    case 'not': {
      const holds = filterPredicate(filter.term)
      return (event) => !holds(event)
    }
    case 'present': {
      const path = filter.field.split('.')
      return (event) => valuesAt(event, path).some(isPresent)
    }
    case 'compare': {
      const path = filter.field.split('.')
      const holds = comparison(filter)
      return (event) => valuesAt(event, path).some(holds)
    }
  }
}

/**
 * All types that a matching entry can have, or undefined when the filter does not restrict the type. Narrows
 * the query; the predicate still decides.
 */
export function eventTypesOf(filter: LogFilter): readonly string[] | undefined {
  switch (filter.kind) {
    case 'compare':
      return filter.field === 'eventType' && filter.operator === 'eq' && typeof filter.value === 'string'
        ? [filter.value]
        : undefined
    case 'and':
      return filter.terms
        .map(eventTypesOf)
        .reduce((all, types) => (all && types ? all.filter((type) => types.includes(type)) : (all ?? types)))
    case 'or':
      return filter.terms
        .map(eventTypesOf)
        .reduce((all, types) => (all && types ? [...new Set([...all, ...types])] : undefined))
    case 'not':
    case 'present':
      return undefined
  }
}

/** Texts that every matching entry contains, apart from its type. Narrows the query. */
export function textsOf(filter: LogFilter): readonly string[] {
  switch (filter.kind) {
    case 'and':
      return filter.terms.flatMap(textsOf)
    case 'compare':
      return typeof filter.value === 'string' &&
        filter.field !== 'eventType' &&
        ['eq', 'co', 'sw', 'ew'].includes(filter.operator)
        ? [filter.value]
        : []
    case 'or':
    case 'not':
    case 'present':
      return []
  }
}

/** The values at the path: several below lists, `[undefined]` when there is none. */
function valuesAt(event: LogEvent, path: readonly string[]): readonly unknown[] {
  let values: readonly unknown[] = [event]
  for (const name of path) {
    values = values.flatMap((value): readonly unknown[] => {
      const member: unknown = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
      return Array.isArray(member) && member.length > 0 ? member : [member]
    })
  }
  return values
}

/** Has a non-empty value. */
function isPresent(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

function comparison({ operator, value }: Comparison): (actual: unknown) => boolean {
  switch (operator) {
    case 'eq':
      return (actual) => (actual ?? null) === value
    case 'ne':
      return (actual) => (actual ?? null) !== value
    case 'co':
      return onText(value, (actual, wanted) => actual.includes(wanted))
    case 'sw':
      return onText(value, (actual, wanted) => actual.startsWith(wanted))
    case 'ew':
      return onText(value, (actual, wanted) => actual.endsWith(wanted))
    case 'gt':
    case 'ge':
    case 'lt':
    case 'le':
      return ordered(value, orders[operator])
  }
}

function onText(
  wanted: FilterValue,
  holds: (actual: string, wanted: string) => boolean,
): (actual: unknown) => boolean {
  return (actual) => typeof actual === 'string' && typeof wanted === 'string' && holds(actual, wanted)
}

const orders: Readonly<
  Record<Extract<CompareOperator, 'gt' | 'ge' | 'lt' | 'le'>, (order: number) => boolean>
> = {
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
}

/** Chronological for two times, lexicographical for other texts, numerical for numbers; undefined for other pairs. */
function ordered(wanted: FilterValue, holds: (order: number) => boolean): (actual: unknown) => boolean {
  if (typeof wanted === 'number') return (actual) => typeof actual === 'number' && holds(actual - wanted)
  if (typeof wanted !== 'string') return () => false
  const wantedTime = readIsoTime(wanted)
  return (actual) => {
    if (typeof actual !== 'string') return false
    const actualTime = wantedTime === undefined ? undefined : readIsoTime(actual)
    if (wantedTime !== undefined && actualTime !== undefined) return holds(actualTime - wantedTime)
    return holds(actual < wanted ? -1 : actual > wanted ? 1 : 0)
  }
}
