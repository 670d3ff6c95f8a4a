import { describe, expect, test } from 'vitest'
import type { UsedOnceStore } from '../../src/access/used-once-store.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

export function usedOnceStoreContract(
  name: string,
  open: () => Promise<{ readonly store: UsedOnceStore } & AsyncDisposable>,
): void {
  describe(`UsedOnceStore on ${name}`, () => {
    test('a key can be used once, whatever the expiry of the second use (OKTA-O12)', async () => {
      await using opened = await open()
      const { store } = opened
      expect(await store.useOnce('a', at(5))).toBe(true)
      expect(await store.useOnce('a', at(5))).toBe(false)
      expect(await store.useOnce('a', at(50))).toBe(false)
      expect(await store.useOnce('A', at(5))).toBe(true)
    })

    test('exactly one of twenty concurrent uses succeeds', async () => {
      await using opened = await open()
      const tries = await Promise.all(Array.from({ length: 20 }, () => opened.store.useOnce('race', at(5))))
      expect(tries.filter((won) => won)).toHaveLength(1)
    })

    test('prunes expired keys, oldest first, up to the limit', async () => {
      await using opened = await open()
      const { store } = opened
      for (const minute of [3, 1, 2, 9]) await store.useOnce(`until ${minute}`, at(minute))
      expect(await store.prune(at(1), 10)).toBe(0)
      expect(await store.prune(at(5), 2)).toBe(2)
      expect(await store.useOnce('until 3', at(3))).toBe(false)
      expect(await store.prune(at(5), 2)).toBe(1)
      expect(await store.prune(at(5), 2)).toBe(0)
      expect(await store.useOnce('until 9', at(9))).toBe(false)
      expect(await store.useOnce('until 1', at(9))).toBe(true)
    })
  })
}
