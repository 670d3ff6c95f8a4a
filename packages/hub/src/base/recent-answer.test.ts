import { expect, test } from 'vitest'
import { recentAnswer } from './recent-answer.ts'

test('an answer is kept for a while and shared, and a failure is not kept', async () => {
  let now = 0
  let looks = 0
  let fails = false
  const ask = recentAnswer({ monotonicMs: () => now }, 5_000, async () => {
    looks += 1
    if (fails) throw new Error('away')
    return looks
  })
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1])
  now = 4_999
  expect(await ask()).toBe(1)
  now = 5_000
  fails = true
  await expect(Promise.all([ask(), ask()])).rejects.toThrow('away')
  expect(looks).toBe(2)
  fails = false
  expect(await ask()).toBe(3)
})
