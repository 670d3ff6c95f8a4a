import { expect, test } from 'vitest'
import { weekMs } from '../migrations/weeks.ts'
import { numberAt } from './number-at.ts'

const now = Date.UTC(2026, 0, 1, 12)

test.each([
  ['a moment later', now, now + 1],
  ['a week later', now, now + weekMs],
  ['between weeks', 2_900 * weekMs - 1, 2_900 * weekMs],
])('numbers grow with time: %s', (_, before, later) => {
  expect(numberAt(later) - numberAt(before)).toBeGreaterThanOrEqual(7 * Math.min(later - before, 1_000))
})

test('a number lies in the week of its time, as on PostgreSQL', () => {
  expect(numberAt(2_900 * weekMs)).toBe(2_900 * 2 ** 32)
  expect(Math.floor(numberAt(2_901 * weekMs - 1) / 2 ** 32)).toBe(2_900)
})

test('numbers are exact at every time of the clock, and many are left', () => {
  const last = numberAt(8.64e15)
  expect(Number.isSafeInteger(last)).toBe(true)
  expect(Number.MAX_SAFE_INTEGER - last).toBeGreaterThan(2 ** 51)
})
