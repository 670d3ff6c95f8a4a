import { expect, test } from 'vitest'
import { plainForwardedFor } from './forwarded-for.ts'

test.each([
  ['203.0.113.5', '203.0.113.5'],
  ['203.0.113.5:1001', '203.0.113.5'],
  ['2001:DB8::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['::ffff:203.0.113.5', '203.0.113.5'],
  [' 198.51.100.9:1 ,203.0.113.5:2,  10.0.0.1 ', '198.51.100.9, 203.0.113.5, 10.0.0.1'],
  ['unknown, 203.0.113.5', '203.0.113.5'],
  ['198.51.100.9, _hidden, 10.0.0.1', '10.0.0.1'],
  ['203.0.113.5, fe80::1%1', undefined],
  ['203.0.113.5, 10.0.0.1:', undefined],
  ['203.0.113.5, 1.2.3', undefined],
  ['203.0.113.5,', undefined],
  ['203.0.113.5, [203.0.113.6', undefined],
  ['203.0.113.5, unix:', '203.0.113.5'],
  ['unix:', undefined],
  ['unix:/run/x.sock', undefined],
  ['203.0.113.5:, 10.0.0.1', '10.0.0.1'],
  ['unknown', undefined],
  ['', undefined],
])('the header %j is read as %j', (header, expected) => {
  expect(plainForwardedFor(header)).toBe(expected)
})
