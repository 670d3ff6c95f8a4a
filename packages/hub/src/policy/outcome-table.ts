import { isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import { readOutcomeRules, type OutcomeRules } from './outcome.ts'
import type { Question } from './question.ts'

/** Outcomes for some questions: those that match every member given. */
export interface OutcomeRow {
  readonly action: string | undefined
  readonly resourceType: string | undefined
  readonly resourceId: string | undefined
  readonly rules: OutcomeRules
}

/** Rows in their order: the first that matches a question counts. */
export type OutcomeTable = readonly OutcomeRow[]

const rowsMax = 1_000
const members = ['action', 'resource_type', 'resource_id', 'outcomes']

/** The outcomes of levels for one question: of the first row that matches it, or else `otherwise`. */
export function outcomesFor(
  table: OutcomeTable,
  { action, resource }: Pick<Question, 'action' | 'resource'>,
  otherwise: OutcomeRules,
): OutcomeRules {
  const id = comparable(resource.type, resource.id)
  const row = table.find(
    (row) =>
      (row.action ?? action) === action &&
      (row.resourceType ?? resource.type) === resource.type &&
      (row.resourceId === undefined || comparable(resource.type, row.resourceId) === id),
  )
  return row?.rules ?? otherwise
}

/** Host names mean the same in either case, with a port and with a dot at their end, and clients choose how they write them. */
function comparable(type: string, id: string): string {
  if (type !== 'http') return id
  return id
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
}

/**
 * Reads the table of a settings file.
 * @returns what is wrong, when something is: each problem with the row it is in
 */
export function readOutcomeTable(value: JsonValue): OutcomeTable | { readonly problems: readonly string[] } {
  if (!Array.isArray(value)) return { problems: ['the table must be an array of rows'] }
  if (value.length > rowsMax) return { problems: [`the table may have ${rowsMax} rows at most`] }
  const problems: string[] = []
  const rows: OutcomeRow[] = []
  for (const [at, given] of (value as readonly JsonValue[]).entries()) {
    const row = readRow(given)
    if (typeof row === 'string') problems.push(`row ${at + 1}: ${row}`)
    else {
      const hider = rows.findIndex((earlier) => hides(earlier, row))
      if (hider !== -1)
        problems.push(`row ${at + 1}: row ${hider + 1} matches all that it matches, and comes first`)
      rows.push(row)
    }
  }
  return problems.length > 0 ? { problems } : rows
}

function readRow(given: JsonValue): OutcomeRow | string {
  if (!isJsonObject(given)) return 'it must be an object'
  const unknown = Object.keys(given).find((name) => !members.includes(name))
  if (unknown !== undefined) return `there is no member '${unknown}'; known are ${members.join(', ')}`
  const { action, resource_type: resourceType, resource_id: resourceId, outcomes } = given
  for (const [name, text] of Object.entries({
    action,
    resource_type: resourceType,
    resource_id: resourceId,
  })) {
    if (text !== undefined && (typeof text !== 'string' || text === '')) return `${name} must be a text`
  }
  if (action === undefined && resourceType === undefined && resourceId === undefined) {
    return 'it must name an action, a resource_type or a resource_id; WATCHBELL_RISK_OUTCOMES is for all others'
  }
  if (resourceId !== undefined && resourceType === undefined) return 'a resource_id needs its resource_type'
  if (typeof outcomes !== 'string') return "outcomes must be a text such as 'HIGH=deny,MEDIUM=challenge'"
  const rules = readOutcomeRules(outcomes)
  if (typeof rules === 'string') return `outcomes: ${rules}`
  const text = (value: JsonValue | undefined) => (typeof value === 'string' ? value : undefined)
  return {
    action: text(action),
    resourceType: text(resourceType),
    resourceId: text(resourceId),
    rules,
  }
}

function hides(earlier: OutcomeRow, later: OutcomeRow): boolean {
  const covers = (wide: string | undefined, narrow: string | undefined) =>
    wide === undefined || wide === narrow
  const type = later.resourceType ?? ''
  const id = (row: OutcomeRow) => row.resourceId && comparable(type, row.resourceId)
  return (
    covers(earlier.action, later.action) &&
    covers(earlier.resourceType, later.resourceType) &&
    covers(id(earlier), id(later))
  )
}
