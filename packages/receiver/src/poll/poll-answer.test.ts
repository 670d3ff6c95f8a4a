import { expect, test } from 'vitest'
import { readPollAnswer } from './poll-answer.ts'

const read = (text: string, valuesMax = 100) => readPollAnswer(Buffer.from(text), valuesMax)

test.each([
  ['no SETs', '{"sets":{}}', { sets: [], moreAvailable: false }],
  ['some and more', '{"sets":{"a":"x"},"moreAvailable":true}', { sets: [['a', 'x']], moreAvailable: true }],
  [
    'a SET that is no string, to be refused by itself',
    '{"sets":{"a":1}}',
    { sets: [['a', 1]], moreAvailable: false },
  ],
  [
    'members that we do not know (SSF 1.0 §4.2.3)',
    '{"sets":{},"extra":[]}',
    { sets: [], moreAvailable: false },
  ],
])('an answer with %s is read (RFC 8936 §2.3)', (_, text, expected) => {
  expect(read(text)).toEqual(expected)
})

test.each([
  ['', 'not JSON'],
  ['<html>', 'not JSON'],
  ['[]', 'not a JSON object'],
  ['null', 'not a JSON object'],
  ['{}', 'no object `sets`'],
  ['{"sets":null}', 'no object `sets`'],
  ['{"sets":[]}', 'no object `sets`'],
  ['{"sets":{},"moreAvailable":"yes"}', '`moreAvailable`'],
  ['{"sets":{"a":"x","a":"y"}}', 'repeated'],
  ['{"sets":{"__proto__":"x"}}', '__proto__'],
])('%j cannot be used: %s', (text, reason) => {
  expect(read(text)).toContain(reason)
})

test.each([
  ['members of `sets`', `{"sets":{${Array.from({ length: 9 }, (_, n) => `"${n}":"x"`).join()}}}`],
  ['members beside it', `{"sets":{},${Array.from({ length: 8 }, (_, n) => `"${n}":1`).join()}}`],
  ['items', '{"sets":{},"a":[1,2,3,4,5,6,7]}'],
  ['empty arrays in one another', `{"sets":{},"a":${'['.repeat(8)}${']'.repeat(8)}}`],
  ['values that are no JSON', '[,,,,,,,,,,'],
])('an answer with too many %s is refused before it is taken apart', (_, text) => {
  expect(read(text, 10)).toBe('it holds more than 10 values')
})

test('what stands in strings counts for nothing', () => {
  expect(read('{"sets":{"urn:a,[{\\",[[[[":"x,[{\\",[[[[["}}', 4)).toMatchObject({ moreAvailable: false })
})
