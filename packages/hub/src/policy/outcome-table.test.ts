import { describe, expect, test } from 'vitest'
import type { JsonValue } from '@watchbell/receiver/base'
import { defaultOutcomeRules, readOutcomeRules } from './outcome.ts'
import { outcomesFor, readOutcomeTable, type OutcomeTable } from './outcome-table.ts'

function tableOf(rows: JsonValue): OutcomeTable {
  const table = readOutcomeTable(rows)
  if ('problems' in table) throw new Error(table.problems.join('; '))
  return table
}

const table = tableOf([
  { action: 'pay', resource_type: 'app', resource_id: 'bank', outcomes: 'LOW=deny,MEDIUM=deny,HIGH=deny' },
  { resource_type: 'app', resource_id: 'bank', outcomes: 'MEDIUM=deny,HIGH=deny' },
  { resource_type: 'http', resource_id: 'Pay.example', outcomes: 'MEDIUM=deny,HIGH=deny' },
  { action: 'read', outcomes: 'HIGH=challenge' },
])

test.each<[string, string, string, string]>([
  ['pay', 'app', 'bank', 'LOW=deny,MEDIUM=deny,HIGH=deny'],
  ['read', 'app', 'bank', 'MEDIUM=deny,HIGH=deny'],
  ['read', 'app', 'Bank', 'HIGH=challenge'],
  ['read', 'web', 'bank', 'HIGH=challenge'],
  ['access', 'http', 'pay.example', 'MEDIUM=deny,HIGH=deny'],
  ['access', 'http', 'PAY.example.:8443', 'MEDIUM=deny,HIGH=deny'],
  ['access', 'http', 'PAY.EXAMPLE.', 'MEDIUM=deny,HIGH=deny'],
  ['access', 'http', 'pay.example.org', 'HIGH=deny,MEDIUM=challenge'],
  ['authenticate', 'app', 'mail', 'HIGH=deny,MEDIUM=challenge'],
])('%s on the %s %s', (action, type, id, outcomes) => {
  expect(outcomesFor(table, { action, resource: { type, id } }, defaultOutcomeRules)).toEqual(
    readOutcomeRules(outcomes),
  )
})

describe('what is wrong is told with its row', () => {
  const good = { action: 'a', outcomes: 'HIGH=deny' }
  test.each<[JsonValue, string]>([
    [{}, 'an array of rows'],
    [[good, 'x'], 'row 2: it must be an object'],
    [[{ ...good, resource: 'x' }], "row 1: there is no member 'resource'; known are action"],
    [[{ ...good, action: 1 }], 'row 1: action must be a text'],
    [[{ ...good, action: '' }], 'row 1: action must be a text'],
    [[{ outcomes: 'HIGH=deny' }], 'row 1: it must name an action'],
    [[{ resource_id: 'x', outcomes: 'HIGH=deny' }], 'row 1: a resource_id needs its resource_type'],
    [[{ action: 'a' }], 'row 1: outcomes must be a text'],
    [[{ action: 'a', outcomes: 'HIGH=block' }], "row 1: outcomes: 'HIGH=block' is not a level"],
    [[good, { ...good, resource_type: 'app' }], 'row 2: row 1 matches all that it matches'],
    [Array<JsonValue>(1_001).fill(good), '1000 rows at most'],
  ])('%j', (rows, problem) => {
    const read = readOutcomeTable(rows)
    expect('problems' in read && read.problems.join('; ')).toContain(problem)
  })
})
