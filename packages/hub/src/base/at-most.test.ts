import { expect, test } from 'vitest'
import { atMost } from './at-most.ts'

test('at most so many run at once, and the others follow in order, even when one fails', async () => {
  const limited = atMost(2)
  const begun: number[] = []
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<number>())
  const results = ends.map(({ promise }, at) => limited(() => (begun.push(at), promise)))
  results[0]?.catch(() => undefined)
  expect(begun).toEqual([0, 1])
  ends[0]?.reject(new Error('on purpose'))
  await expect(results[0]).rejects.toThrow('on purpose')
  expect(begun).toEqual([0, 1, 2])
  for (const [at, end] of ends.entries()) end.resolve(at)
  expect(await Promise.all(results.slice(1))).toEqual([1, 2, 3, 4])
  expect(begun).toEqual([0, 1, 2, 3, 4])
})
