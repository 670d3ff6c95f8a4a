import { expect, test } from 'vitest'
import { succeedsWithin } from './succeeds-within.ts'

test.each<[string, () => Promise<unknown>, boolean]>([
  ['succeeds', async () => 0, true],
  ['fails', () => Promise.reject(new Error('no')), false],
  ['never ends', () => new Promise(() => undefined), false],
])('work that %s', async (_, work, succeeds) => {
  expect(await succeedsWithin(10, work())).toBe(succeeds)
})
