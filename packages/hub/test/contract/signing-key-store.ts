import { describe, expect, test } from 'vitest'
import type { SigningKeyRecord, SigningKeyStore } from '../../src/access/signing-key-store.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

function key(kid: string, minute: number): SigningKeyRecord {
  return {
    kid,
    publicJwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid },
    sealedPrivateJwk: `sealed ${kid}`,
    createdAt: at(minute),
    verifiesUntil: undefined,
  }
}

export function signingKeyStoreContract(
  name: string,
  open: () => Promise<{ readonly store: SigningKeyStore } & AsyncDisposable>,
): void {
  describe(`SigningKeyStore on ${name}`, () => {
    test('one of several concurrent first keys becomes the signing key', async () => {
      await using opened = await open()
      const { store } = opened
      expect(await store.list()).toEqual([])
      const tries = await Promise.all(['a', 'b', 'c'].map((kid) => store.insertOnce(key(kid, 0))))
      expect(tries.filter((inserted) => inserted)).toHaveLength(1)
      expect(await store.list()).toHaveLength(1)
    })

    test('the successor signs once the old key is retired, and both are listed, newest first', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insertOnce(key('old', 0))
      expect(await store.insertOnce(key('new', 1))).toBe(false)
      expect(await store.retire('old', at(60))).toBe(true)
      expect(await store.retire('old', at(90))).toBe(false)
      expect(await store.retire('never', at(90))).toBe(false)
      expect(await store.insertOnce(key('new', 1))).toBe(true)
      expect(await store.list()).toEqual([key('new', 1), { ...key('old', 0), verifiesUntil: at(60) }])
    })

    test('prunes expired keys, never the signing key', async () => {
      await using opened = await open()
      const { store } = opened
      for (const [minute, kid] of ['oldest', 'old', 'new'].entries()) {
        await store.insertOnce(key(kid, minute))
        if (kid !== 'new') await store.retire(kid, at(minute + 10))
      }
      expect(await store.prune(at(10))).toBe(0)
      expect(await store.prune(at(11))).toBe(1)
      expect((await store.list()).map(({ kid }) => kid)).toEqual(['new', 'old'])
      expect(await store.prune(at(1_000))).toBe(1)
      expect((await store.list()).map(({ kid }) => kid)).toEqual(['new'])
    })
  })
}
