import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { describe, expect, test } from 'vitest'
import { isHubError, type HubError } from '../base/hub-error.ts'
import {
  filterCharsMax,
  filterDepthMax,
  filterTermsMax,
  parseLogFilter,
  printLogFilter,
  type CompareOperator,
  type FilterValue,
  type LogFilter,
} from './log-filter.ts'

const compare = (field: string, operator: CompareOperator, value: FilterValue): LogFilter => ({
  kind: 'compare',
  field,
  operator,
  value,
})
const a = compare('actor.id', 'eq', 'a')
const b = compare('actor.id', 'eq', 'b')
const c = compare('actor.id', 'eq', 'c')

function refusal(filter: string): HubError {
  try {
    parseLogFilter(filter)
  } catch (error) {
    if (isHubError(error)) return error
    throw error
  }
  throw new Error(`${filter} was taken`)
}

describe('parseLogFilter accepts', () => {
  test.each<[string, LogFilter]>([
    ['eventType eq "user.session.start"', compare('eventType', 'eq', 'user.session.start')],
    ['eventType Eq "x"', compare('eventType', 'eq', 'x')],
    ['eventType ne "x"', compare('eventType', 'ne', 'x')],
    ['eventType sw "event_hook"', compare('eventType', 'sw', 'event_hook')],
    ['eventType co "session"', compare('eventType', 'co', 'session')],
    ['eventType ew "token"', compare('eventType', 'ew', 'token')],
    ['securityContext.asNumber ge 394089', compare('securityContext.asNumber', 'ge', 394_089)],
    [
      'client.geographicalContext.geolocation.lat lt -7.4e1',
      compare('client.geographicalContext.geolocation.lat', 'lt', -74),
    ],
    ['securityContext.isProxy eq true', compare('securityContext.isProxy', 'eq', true)],
    ['outcome.reason eq null', compare('outcome.reason', 'eq', null)],
    ['client ne null', compare('client', 'ne', null)],
    ['target pr', { kind: 'present', field: 'target' }],
    [
      String.raw`displayMessage eq "a \"q\" \\ \u00e9 )"`,
      compare('displayMessage', 'eq', String.raw`a "q" \ é )`),
    ],
    [
      'debugContext.debugData.risk co "level=HIGH"',
      compare('debugContext.debugData.risk', 'co', 'level=HIGH'),
    ],
    [
      'transaction.detail.requestApiTokenId eq "00T9"',
      compare('transaction.detail.requestApiTokenId', 'eq', '00T9'),
    ],
    ['target.detailEntry.signOnModeType eq "X"', compare('target.detailEntry.signOnModeType', 'eq', 'X')],
    ['event_type eq "user.session.start"', compare('eventType', 'eq', 'user.session.start')],
    ['device.os_platform eq "OSX"', compare('device.os_platform', 'eq', 'OSX')],
    ['\t( actor.id eq "a" )\n', a],
    ['actor.id eq "a"and(actor.id eq "b")', { kind: 'and', terms: [a, b] }],
    [
      'actor.id eq "a" or actor.id eq "b" AND actor.id eq "c"',
      { kind: 'or', terms: [a, { kind: 'and', terms: [b, c] }] },
    ],
    [
      '(actor.id eq "a" or actor.id eq "b") and actor.id eq "c"',
      { kind: 'and', terms: [{ kind: 'or', terms: [a, b] }, c] },
    ],
    ['not (actor.id eq "a") and actor.id eq "b"', { kind: 'and', terms: [{ kind: 'not', term: a }, b] }],
    ['NOT(not(actor.id eq "a"))', { kind: 'not', term: { kind: 'not', term: a } }],
  ])('OKTA-L4: %s', (filter, expected) => {
    expect(parseLogFilter(filter)).toEqual(expected)
  })
})

describe('parseLogFilter refuses', () => {
  test("OKTA-L21: an unknown operator, in Okta's text", () => {
    const { code, detail } = refusal('display_message eqq "Create okta user"')
    expect(code).toBe('log.filter_invalid')
    expect(detail).toBe(
      `Invalid filter 'display_message eqq "Create okta user"': Unrecognized attribute operator 'eqq' at position 16. Expected: eq,co,sw,pr,gt,ge,lt,le`,
    )
  })

  test.each([
    'some_invalid_field',
    'eventtype',
    'actor.',
    '.id',
    'actor..id',
    'eventType.x',
    'constructor',
    'actor.__proto__',
  ])('OKTA-L22: the unknown field %s', (field) => {
    const { code, detail } = refusal(`eventType eq "x" and ${field} eq "x"`)
    expect([code, detail]).toEqual(['log.filter_invalid', `field is not valid: ${field}`])
  })

  test.each([
    ['debugContext.debugData.url co "/oauth/"', 'co', 'debugContext.debugData.url'],
    ['debugContext.debugData.requestUri co "/oauth/"', 'co', 'debugContext.debugData.requestUri'],
    ['published gt "2026-01-01T00:00:00.000Z"', 'gt', 'published'],
    ['not (published pr)', 'pr', 'published'],
    ['target.changeDetails.to.name eq "x"', 'eq', 'target.changeDetails.to.name'],
    ['actor eq "x"', 'eq', 'actor'],
    ['debugContext.debugData co "x"', 'co', 'debugContext.debugData'],
  ])('OKTA-L4, OKTA-L24: %s', (filter, operator, field) => {
    const { code, detail } = refusal(filter)
    expect(code).toBe('log.filter_unsupported')
    expect(detail).toBe(
      `The supplied combination of operator and field is not currently supported. Operator: ${operator}, Field: ${field}`,
    )
  })

  test.each([
    ['', 'position 0'],
    ['   ', 'position 3'],
    ['eventType', "operator ''"],
    ['eventType eq', 'position 12. Expected: a string'],
    ['eventType eq x', "Unexpected 'x' at position 13"],
    ["eventType eq 'x'", 'Expected: a string in double quotes'],
    ['eventType eq "x', 'Expected: a string'],
    [String.raw`eventType eq "\x"`, 'Expected: a string'],
    ['eventType eq "a\nb"', 'Expected: a string'],
    ['eventType eq 01', "Unexpected '01'"],
    ['eventType eq 1e999', "Unexpected '1e999'"],
    ['eventType eq True', "Unexpected 'True'"],
    ['eventType gt true', 'a value that gt can be asked of'],
    ['eventType sw 5', 'a value that sw can be asked of'],
    ['eventType eq "x" eventType eq "y"', "Unexpected 'eventType' at position 17"],
    ['eventType eq "x" and', 'position 20. Expected: an attribute name'],
    ['and eventType eq "x"', "operator 'eventType'"],
    ['not eventType eq "x"', "operator 'eventType'"],
    ['(eventType eq "x"', 'Expected: and, or, or )'],
    ['eventType eq "x")', "Unexpected ')' at position 16"],
    ['()', "Unexpected ')' at position 1"],
    ['"eventType" eq "x"', 'Expected: an attribute name'],
    ['eventType "eq" "x"', `operator '"eq"'`],
    ['target[type eq "User"]', "Unexpected ']' at position 21"],
    ['eventType pr "x"', 'Unexpected \'"x"\''],
  ])('%j', (filter, said) => {
    const { code, detail } = refusal(filter)
    expect([code, detail]).toEqual(['log.filter_invalid', expect.stringContaining(said)])
  })

  test('more characters, comparisons or levels than the maximum, and accepts the maximum', () => {
    const one = 'actor.id pr'
    const terms = (count: number): string => Array<string>(count).fill(one).join(' or ')
    const nested = (depth: number): string => '('.repeat(depth) + one + ')'.repeat(depth)
    parseLogFilter(one.padEnd(filterCharsMax))
    parseLogFilter(terms(filterTermsMax))
    parseLogFilter(nested(filterDepthMax - 1))
    expect(refusal(one.padEnd(filterCharsMax + 1)).detail).toContain('4097 characters')
    expect(refusal(terms(filterTermsMax + 1)).detail).toContain('More than 100 comparisons')
    expect(refusal(nested(filterDepthMax)).detail).toContain('Nested deeper than 32 levels')
    expect(refusal('not('.repeat(filterCharsMax / 4)).detail).toContain('Nested deeper than 32 levels')
  })

  test('control characters without repeating them', () => {
    expect(refusal('eventType eq \u001b[2J').detail).not.toContain('\u001b')
  })
})

const field = fc.constantFrom('eventType', 'actor.id', 'debugContext.debugData.x-y', 'target.detailEntry.a.b')
const text = fc.string({ unit: 'binary', maxLength: 8 })
const comparison: fc.Arbitrary<LogFilter> = fc.oneof(
  field.map((field): LogFilter => ({ kind: 'present', field })),
  fc
    .tuple(
      field,
      fc.constantFrom('eq' as const, 'ne' as const),
      fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)),
    )
    .map((parts) => compare(...parts)),
  fc
    .tuple(field, fc.constantFrom('co' as const, 'sw' as const, 'ew' as const), text)
    .map((parts) => compare(...parts)),
  fc
    .tuple(
      field,
      fc.constantFrom('gt' as const, 'ge' as const, 'lt' as const, 'le' as const),
      fc.oneof(text, fc.integer()),
    )
    .map((parts) => compare(...parts)),
)
const { filter: anyFilter } = fc.letrec<{ filter: LogFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    comparison,
    fc.record({ kind: fc.constant('not' as const), term: tie('filter') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      terms: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}))

test('a printed filter parses to the same filter', () => {
  fc.assert(
    fc.property(anyFilter, (filter) => {
      const printed = printLogFilter(filter)
      fc.pre(printed.length <= filterCharsMax)
      expect(parseLogFilter(printed)).toEqual(filter)
    }),
  )
})

test('the parser answers any text with a filter or a HubError', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'eventType',
      'actor.id',
      'published',
      'eq',
      'pr',
      'not',
      'and',
      'or',
      '(',
      ')',
      '"x"',
      '"',
      '\\',
      '1',
      'null',
      ' ',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const outcome = outcomeOf(() => parseLogFilter(pieces.join(' ')))
      expect(
        outcome === 'parsed' || isHubError(outcome, 'log.filter_invalid', 'log.filter_unsupported'),
      ).toBe(true)
    }),
    { numRuns: propertyRuns(100) },
  )
})

function outcomeOf(parse: () => unknown): unknown {
  try {
    parse()
    return 'parsed'
  } catch (error) {
    return error
  }
}
