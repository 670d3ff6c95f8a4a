import { expect, test } from 'vitest'
import { readPollAnswer } from './poll-answer.ts'

const read = (text: string) => readPollAnswer(Buffer.from(text))

test.each([
  ['no SETs', '{"sets":{}}', { sets: [], moreAvailable: false }],
  ['some and more', '{"sets":{"a":"x"},"moreAvailable":true}', { sets: [['a', 'x']], moreAvailable: true }],
  [
    'a SET that is no string, to be refused by itself',
    '{"sets":{"a":1}}',
    { sets: [['a', 1]], moreAvailable: false },
  ],
  ['members that we do not know (R10)', '{"sets":{},"extra":[]}', { sets: [], moreAvailable: false }],
])('an answer with %s is read (RFC 8936 §2.3, R50)', (_, text, expected) => {
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
