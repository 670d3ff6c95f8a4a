import { describe, expect, test } from 'vitest'
import type { RateCountStore } from '../../src/access/rate-count-store.ts'

const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 12, 0, second))

/** What every RateCountStore must do. */
export function rateCountStoreContract(
  name: string,
  open: () => Promise<{ readonly store: RateCountStore } & AsyncDisposable>,
): void {
  describe(`RateCountStore on ${name}`, () => {
    test('sums the counts of several nodes within a window', async () => {
      await using opened = await open()
      const { store } = opened
      expect(await store.add([{ key: 'a', count: 3, until: at(60) }], at(1))).toEqual([
        { key: 'a', count: 3, until: at(60) },
      ])
      const both = [
        { key: 'b', count: 1, until: at(62) },
        { key: 'a', count: 2, until: at(60) },
      ]
      const totals = await store.add(both, at(2))
      expect(totals.toSorted((one, other) => one.key.localeCompare(other.key))).toEqual([
        { key: 'a', count: 5, until: at(60) },
        { key: 'b', count: 1, until: at(62) },
      ])
    })

    test.each([
      ['the one that is known', 50, 58],
      ['the one that is told later', 58, 50],
    ])('of overlapping windows the one that ends first is kept: %s', async (_which, known, told) => {
      await using opened = await open()
      const { store } = opened
      await store.add([{ key: 'a', count: 3, until: at(known) }], at(1))
      expect(await store.add([{ key: 'a', count: 4, until: at(told) }], at(49))).toEqual([
        { key: 'a', count: 7, until: at(50) },
      ])
    })

    test('a window is replaced from the moment of its end', async () => {
      await using opened = await open()
      const { store } = opened
      await store.add([{ key: 'a', count: 3, until: at(30) }], at(1))
      expect(await store.add([{ key: 'a', count: 1, until: at(89) }], at(29))).toMatchObject([{ count: 4 }])
      expect(await store.add([{ key: 'a', count: 1, until: at(90) }], at(30))).toEqual([
        { key: 'a', count: 1, until: at(90) },
      ])
    })

    test('an empty list of counts returns nothing', async () => {
      await using opened = await open()
      expect(await opened.store.add([], at(1))).toEqual([])
    })

    test('nodes that add the same keys concurrently, in any order, lose nothing and do not block each other', async () => {
      await using opened = await open()
      const { store } = opened
      const counts = Array.from({ length: 200 }, (_, number) => ({
        key: `${number}`,
        count: 1,
        until: at(60),
      }))
      const rounds = Array.from({ length: 10 }, (_, round) =>
        store.add(round % 2 === 0 ? counts : counts.toReversed(), at(1)),
      )
      await Promise.all(rounds)
      const totals = await store.add(counts, at(2))
      expect(totals).toHaveLength(200)
      expect(new Set(totals.map(({ count }) => count))).toEqual(new Set([11]))
    })

    test('prunes ended windows, up to the limit', async () => {
      await using opened = await open()
      const { store } = opened
      const counts = [1, 2, 3, 50].map((second) => ({ key: `until ${second}`, count: 9, until: at(second) }))
      await store.add(counts, at(0))
      expect(await store.prune(at(1), 10)).toBe(0)
      expect(await store.prune(at(10), 2)).toBe(2)
      expect(await store.prune(at(10), 2)).toBe(1)
      expect(await store.prune(at(10), 2)).toBe(0)
      expect(await store.add([{ key: 'until 50', count: 1, until: at(60) }], at(10))).toMatchObject([
        { count: 10 },
      ])
    })
  })
}
