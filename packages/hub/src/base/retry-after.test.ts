import { expect, test } from 'vitest'
import { readRetryAfter } from './retry-after.ts'

test.each([
  [null, undefined],
  ['', undefined],
  ['7', 7],
  ['0', 0],
  ['-1', 0],
  ['soon', undefined],
  ['99999999999', undefined],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
])('Retry-After %j is %j seconds (RFC 9110 §10.2.3)', (header, expected) => {
  expect(readRetryAfter(header, new Date('2026-01-01T00:00:00Z'))).toBe(expected)
})
