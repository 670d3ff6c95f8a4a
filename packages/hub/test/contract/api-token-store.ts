import { describe, expect, test } from 'vitest'
import type { ApiToken, ApiTokenStore } from '../../src/access/api-token.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

function token(name: string, over: Partial<ApiToken> = {}): ApiToken {
  return {
    id: `00T${name}`,
    name,
    role: 'admin',
    createdAt: at(0),
    lastUsedAt: undefined,
    expiresAt: undefined,
    revokedAt: undefined,
    ...over,
  }
}

export function apiTokenStoreContract(
  name: string,
  open: () => Promise<{ readonly store: ApiTokenStore } & AsyncDisposable>,
): void {
  describe(`ApiTokenStore on ${name}`, () => {
    test('a token is found unchanged by hash, id and name', async () => {
      await using opened = await open()
      const { store } = opened
      const reader = token('reader', { role: 'read_only', lastUsedAt: at(1), expiresAt: at(9) })
      expect(await store.hasAny()).toBe(false)
      await store.insert(reader, 'hash-1')
      expect(await store.hasAny()).toBe(true)
      expect(await store.findLiveByHash('hash-1')).toEqual(reader)
      expect(await store.find(reader.id)).toEqual(reader)
      expect(await store.findLiveByName('reader')).toEqual(reader)
    })

    test('an unknown token is undefined', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(token('one'), 'hash-1')
      expect(await store.findLiveByHash('hash-2')).toBeUndefined()
      expect(await store.findLiveByHash('')).toBeUndefined()
      expect(await store.find('one')).toBeUndefined()
      expect(await store.findLiveByName('ONE')).toBeUndefined()
    })

    test('an active name is taken; the name and hash of a revoked token are free', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(token('ci', { id: '00Tfirst' }), 'hash-1')
      await expect(store.insert(token('ci', { id: '00Tsecond' }), 'hash-2')).rejects.toMatchObject({
        code: 'token.name_taken',
      })
      await expect(store.insert(token('other'), 'hash-1')).rejects.toThrow(/unique/i)
      expect(await store.isRevokedHash('hash-1')).toBe(false)
      expect(await store.revoke('00Tfirst', at(5))).toBe(true)
      expect([await store.isRevokedHash('hash-1'), await store.isRevokedHash('hash-2')]).toEqual([
        true,
        false,
      ])
      await store.insert(token('ci', { id: '00Tsecond' }), 'hash-1')
      expect(await store.findLiveByHash('hash-1')).toMatchObject({ id: '00Tsecond' })
    })

    test('a revoked token is found by id only, and cannot be revoked again', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(token('gone'), 'hash-1')
      expect(await store.revoke('00Tgone', at(5))).toBe(true)
      expect(await store.revoke('00Tgone', at(6))).toBe(false)
      expect(await store.revoke('00Tnever', at(6))).toBe(false)
      expect(await store.findLiveByHash('hash-1')).toBeUndefined()
      expect(await store.findLiveByName('gone')).toBeUndefined()
      expect(await store.find('00Tgone')).toMatchObject({ revokedAt: at(5) })
      expect(await store.hasAny()).toBe(true)
    })

    test('the list has the newest first, with revoked ones, within its limit', async () => {
      await using opened = await open()
      const { store } = opened
      for (const minute of [1, 3, 2])
        await store.insert(token(`t${minute}`, { createdAt: at(minute) }), `${minute}`)
      await store.revoke('00Tt3', at(9))
      expect((await store.list(10)).map(({ name }) => name)).toEqual(['t3', 't2', 't1'])
      expect((await store.list(1)).map(({ name }) => name)).toEqual(['t3'])
    })

    test('records the last use of one token', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(token('used'), 'hash-1')
      await store.insert(token('idle'), 'hash-2')
      await store.markUsed('00Tused', at(7))
      expect(await store.find('00Tused')).toMatchObject({ lastUsedAt: at(7) })
      expect(await store.find('00Tidle')).toMatchObject({ lastUsedAt: undefined })
    })
  })
}
