import { expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import { nextPage, readParameters } from './query-parameters.ts'

const known = ['name', 'state', 'since', 'limit', 'after']
const read = (search: string) => {
  const given = readParameters(new URLSearchParams(search), known)
  const values = {
    name: given.text('name', 3),
    state: given.choice('state', ['on', 'off']),
    since: given.time('since'),
    limit: given.limit(),
    after: given.after(),
  }
  given.refuse()
  return values
}

test('parameters are read, and a page has 50 entries by default', () => {
  expect(read('')).toEqual({
    name: undefined,
    state: undefined,
    since: undefined,
    limit: 50,
    after: undefined,
  })
  expect(read('name=abc&state=off&since=2026-01-31T12:00:00Z&limit=200&after=9')).toEqual({
    name: 'abc',
    state: 'off',
    since: new Date('2026-01-31T12:00:00Z'),
    limit: 200,
    after: 9,
  })
})

test('a whole number is taken up to the largest that the refusal of larger ones names', () => {
  expect(read('after=9007199254740991')).toMatchObject({ after: Number.MAX_SAFE_INTEGER })
})

test.each([
  ['after=9007199254740992', "after: '9007199254740992' is not a whole number from 1 to 9007199254740991"],
  ['nam=a', 'nam: There is no such parameter; known are name, state, since, limit, after'],
  ['name=a&name=b', 'name: The parameter may be given once'],
  ['state=', 'state: The parameter is empty; give it a value or leave it out'],
  ['name=abcd', 'name: It must have 1 to 3 characters'],
  ['state=of', "state: 'of' is not one of the allowed values: on, off"],
  ['since=today', "since: 'today' is not an ISO 8601 time such as 2026-01-31T12:00:00Z"],
  ['limit=201', "limit: '201' is not a whole number from 1 to 200"],
  ['limit=1e1', "limit: '1e1' is not a whole number from 1 to 200"],
  [
    'after=0&name=',
    "name: The parameter is empty; give it a value or leave it out; after: '0' is not a whole number from 1 to 9007199254740991",
  ],
])('%s is refused: %s', (search, detail) => {
  const refusal = (): unknown => {
    try {
      return read(search)
    } catch (error) {
      return error
    }
  }
  expect(refusal()).toBeInstanceOf(HubError)
  expect(refusal()).toMatchObject({ code: 'request.invalid', detail })
})

test('the next page keeps the parameters; the last page has none', () => {
  const query = new URLSearchParams('limit=2&after=7')
  const next = 'https://hub.example/v1/things?limit=2&after=5'
  expect(nextPage('https://hub.example/v1/things', query, 5)).toEqual({
    next,
    headers: { headers: { link: `<${next}>; rel="next"` } },
  })
  expect(nextPage('https://hub.example/v1/things', query, undefined)).toEqual({ next: null, headers: {} })
})
