import { fc } from '../../../receiver/test/properties.ts'
import { describe, expect, test } from 'vitest'
import { isHubError, type HubError } from '../base/hub-error.ts'
import { parseCursor, printCursor } from './log-cursor.ts'
import { readLogQuery, type LogQuery } from './log-query.ts'
import type { LogPosition } from './system-log-store.ts'

const now = new Date('2026-03-17T06:00:14.000Z')
const day = 86_400_000
const time = (text: string): Date => new Date(text)

function read(query: string): LogQuery {
  return readLogQuery(new URLSearchParams(query), now)
}

function refusal(query: string): HubError {
  try {
    read(query)
  } catch (error) {
    if (isHubError(error)) return error
    throw error
  }
  throw new Error(`${query} was taken`)
}

describe('where a query starts', () => {
  test.each<[string, LogPosition]>([
    ['', { order: 'persisted', since: new Date(now.getTime() - 7 * day) }],
    ['since=2026-03-01T00:00:00Z', { order: 'persisted', since: time('2026-03-01T00:00:00Z') }],
    ['since=2026-03-01&until=&after=&sortOrder=ASCENDING', { order: 'persisted', since: time('2026-03-01') }],
    [
      'since=2026-03-01T00%3A00%3A00%2B01%3A00&until=2026-03-02T00:00:00Z',
      {
        order: 'published',
        direction: 'ascending',
        since: time('2026-02-28T23:00:00Z'),
        until: time('2026-03-02'),
        after: undefined,
      },
    ],
    [
      'until=2026-03-08',
      {
        order: 'published',
        direction: 'ascending',
        since: time('2026-03-01'),
        until: time('2026-03-08'),
        after: undefined,
      },
    ],
    [
      'sortOrder=DESCENDING',
      {
        order: 'published',
        direction: 'descending',
        since: new Date(now.getTime() - 7 * day),
        until: new Date(now.getTime() + 1),
        after: undefined,
      },
    ],
  ])('OKTA-L1, OKTA-L2, OKTA-L8, OKTA-L10, OKTA-L11: %s', (query, position) => {
    expect(read(query).position).toEqual(position)
  })

  test('OKTA-L3: after wins over since, even over one that is too old or unreadable', () => {
    const position = { order: 'persisted', after: 7 } as const
    expect(read(`since=2020-01-01&after=${printCursor(position)}`).position).toEqual(position)
    expect(read(`since=yesterday&after=${printCursor(position)}`).position).toEqual(position)
  })

  test('OKTA-L23: since may be 180 days old, and no older', () => {
    expect(read('since=2025-09-18T06:00:14Z').position).toMatchObject({ order: 'persisted' })
    const { code, detail } = refusal('since=2025-09-18T06:00:13.999Z')
    expect([code, detail]).toEqual([
      'log.too_old',
      'Invalid parameter: The since parameter is over 180 days prior to the current day.',
    ])
  })
})

test.each([
  ['', 100],
  ['limit=', 100],
  ['limit=0', 0],
  ['limit=1000', 1_000],
])('OKTA-L7: %j asks for %i entries', (query, limit) => {
  expect(read(query).limit).toBe(limit)
})

test('up to twenty types in the filter narrow what is read', () => {
  const types = (count: number): string =>
    Array.from({ length: count }, (_, at) => `eventType eq "t${at}"`).join(' or ')
  expect(read('q=x').eventTypes).toBeUndefined()
  expect(read(`filter=${encodeURIComponent(types(20))}`).eventTypes).toHaveLength(20)
  expect(read(`filter=${encodeURIComponent(types(21))}`).eventTypes).toBeUndefined()
})

test('without filter and keywords there is no predicate', () => {
  expect(read('q=&filter=&limit=5').matches).toBeUndefined()
})

describe('what is refused', () => {
  const badDate =
    'The date format in your query is not recognized. Please enter dates using ISO8601 string format.'

  test('OKTA-L20: a bad date, in Okta’s text and with Okta’s causes', () => {
    const { code, problems, facts } = refusal('until=yesterday')
    expect(code).toBe('log.query_invalid')
    expect(facts['summary']).toBe(`'until': ${badDate} 'until': must be a valid date-time or empty.`)
    expect(problems).toEqual([
      { field: 'until', message: badDate },
      { field: 'until', message: 'must be a valid date-time or empty.' },
    ])
  })

  test('OKTA-L25: a keyword that is too long', () => {
    expect(refusal(`q=short+${'x'.repeat(41)}`).facts['summary']).toBe(
      "'q': Freeform search cannot contain items longer than 40 characters. Please shorten the items in your search or use an advanced filter to query by specific fields.",
    )
  })

  test('OKTA-X4: every problem is named', () => {
    const { problems } = refusal('since=x&limit=-1&sortOrder=up&q=1+2+3+4+5+6+7+8+9+10+11&after=y')
    expect(new Set(problems.map(({ field }) => field))).toEqual(
      new Set(['since', 'limit', 'sortOrder', 'q', 'after']),
    )
  })

  test.each([
    'limit=1001',
    'limit=-1',
    'limit=1.5',
    'limit=1e3',
    'limit=ten',
    'limit=0x10',
    'sortOrder=descending',
    'sortOrder=ASC',
  ])('OKTA-L27: %s', (query) => {
    const { code, problems } = refusal(query)
    expect([code, problems[0]?.field]).toEqual(['log.query_invalid', query.split('=')[0]])
  })

  test('a parameter given twice', () => {
    expect(refusal('limit=1&limit=2').problems).toEqual([
      { field: 'limit', message: 'must not be given more than once.' },
    ])
  })

  test('OKTA-L22: the filter is checked as well', () => {
    expect(refusal('filter=nothing+pr').detail).toBe('field is not valid: nothing')
  })

  const cursor = printCursor({ order: 'persisted', after: 7 })
  const bounded = printCursor({
    order: 'published',
    direction: 'ascending',
    since: now,
    until: now,
    after: undefined,
  })
  test.each([
    'x',
    '349996bd-5091-45dc-a39f-d357867a30d7',
    '1627500044869_1',
    `${cursor}=`,
    ` ${cursor}x`,
    cursor.slice(1),
    Buffer.from('[2,"after",7]').toString('base64url'),
    Buffer.from('[1,"after",-1]').toString('base64url'),
    Buffer.from('[1,"after",1.5]').toString('base64url'),
    Buffer.from('[1,"after","7"]').toString('base64url'),
    Buffer.from('[1,"after",7,8]').toString('base64url'),
    Buffer.from('[1, "after",7]').toString('base64url'),
    Buffer.from('[1,"since",8640000000000001]').toString('base64url'),
    Buffer.from('[1,"ascending",1,2,3,null]').toString('base64url'),
    Buffer.from('{"after":7}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    bounded,
    'A'.repeat(10_000),
  ])('OKTA-L3: an after that no next link of such a query contains: %s', (after) => {
    const { code, problems } = refusal(`after=${encodeURIComponent(after)}`)
    expect([code, problems[0]?.field]).toEqual(['log.query_invalid', 'after'])
  })

  test('OKTA-L3: a cursor of a query that runs the other way', () => {
    expect(refusal(`after=${bounded}&until=2026-03-17&sortOrder=DESCENDING`).problems[0]?.field).toBe('after')
    expect(read(`after=${bounded}&until=2026-03-17`).position).toMatchObject({ order: 'published' })
  })
})

const anyTime = fc.date({ noInvalidDate: true })
const anySequence = fc.maxSafeNat()
const anyPosition: fc.Arbitrary<LogPosition> = fc.oneof(
  anyTime.map((since): LogPosition => ({ order: 'persisted', since })),
  anySequence.map((after): LogPosition => ({ order: 'persisted', after })),
  fc.record({
    order: fc.constant('published' as const),
    direction: fc.constantFrom('ascending' as const, 'descending' as const),
    since: anyTime,
    until: anyTime,
    after: fc.option(fc.record({ published: anyTime, sequence: anySequence }), { nil: undefined }),
  }),
)

test('every position printed as a cursor reads as the same position', () => {
  fc.assert(
    fc.property(anyPosition, (position) => {
      expect(parseCursor(printCursor(position))).toEqual(position)
    }),
  )
})
