import { describe, expect, test } from 'vitest'
import type { RiskProviderStore } from '../../src/risk/risk-provider-store.ts'
import type { RiskProvider } from '../../src/risk/risk-provider.ts'

let made = 0

/** A risk provider that clashes with no other. */
export function sampleRiskProvider(members: Partial<RiskProvider> = {}): RiskProvider {
  const n = ++made
  return {
    id: `rkp${String(n).padStart(17, '0')}`,
    name: `Risk provider ${n}`,
    clientId: `0oa${String(n).padStart(17, '0')}`,
    action: 'log_only',
    createdAt: new Date('2026-03-17T06:00:14.123Z'),
    updatedAt: new Date('2026-03-17T06:00:15.456Z'),
    ...members,
  }
}

/** What every RiskProviderStore must do. `open` gives an empty one. */
export function riskProviderStoreContract(
  database: string,
  open: () => Promise<{ readonly store: RiskProviderStore } & AsyncDisposable>,
): void {
  describe(`RiskProviderStore on ${database}`, () => {
    test('an empty store returns nothing', async () => {
      await using opened = await open()
      const { store } = opened
      expect(await store.list()).toEqual([])
      expect(await store.findById('rkp1')).toBeUndefined()
      expect(await store.findByClientId('0oa1')).toBeUndefined()
      expect(await store.delete('rkp1')).toBe(false)
      expect(await store.counts()).toEqual(new Map())
      await store.count('rkp1', { taken: 1, ignored: 1 })
      expect(await store.counts()).toEqual(new Map())
    })

    test.each([
      sampleRiskProvider(),
      sampleRiskProvider({ action: 'none' }),
      sampleRiskProvider({ action: 'enforce_and_log', name: '\'"; DROP TABLE risk_providers -- 🔔' }),
    ])('case %# is stored and read back unchanged', async (provider) => {
      await using opened = await open()
      const { store } = opened
      await store.insert(provider)
      expect(await store.list()).toEqual([provider])
      expect(await store.findById(provider.id)).toEqual(provider)
      expect(await store.findByClientId(provider.clientId)).toEqual(provider)
      expect(await store.findByClientId(provider.clientId.toUpperCase())).toBeUndefined()
    })

    test('name and client are unique, character for character (OKTA-K20, OKTA-K29)', async () => {
      await using opened = await open()
      const { store } = opened
      const [one, other] = [sampleRiskProvider({ name: 'One' }), sampleRiskProvider({ name: 'one' })]
      await store.insert(one)
      await store.insert(other)
      const insert = (members: Partial<RiskProvider>) => store.insert(sampleRiskProvider(members))
      await expect(insert({ name: 'One' })).rejects.toMatchObject({ code: 'risk_provider.name_taken' })
      await expect(insert({ clientId: one.clientId })).rejects.toMatchObject({
        code: 'risk_provider.client_taken',
      })
      await expect(store.replace({ ...other, name: 'One' })).rejects.toMatchObject({
        code: 'risk_provider.name_taken',
      })
      await expect(store.replace({ ...other, clientId: one.clientId })).rejects.toMatchObject({
        code: 'risk_provider.client_taken',
      })
      expect(await store.list()).toEqual([one, other])
    })

    test('exactly one of many concurrent inserts with the same client succeeds', async () => {
      await using opened = await open()
      const { store } = opened
      const same = Array.from({ length: 10 }, () => sampleRiskProvider({ clientId: 'one' }))
      const results = await Promise.allSettled(same.map((provider) => store.insert(provider)))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await store.list()).toHaveLength(1)
    })

    test('replace changes every member but the id, keeps the place and the counters', async () => {
      await using opened = await open()
      const { store } = opened
      const [first, second] = [sampleRiskProvider(), sampleRiskProvider()]
      await store.insert(first)
      await store.insert(second)
      await store.count(first.id, { taken: 2, ignored: 0 })
      await store.count(first.id, { taken: 1, ignored: 5 })
      const changed = sampleRiskProvider({ id: first.id, action: 'none', updatedAt: new Date('2026-04-01') })
      await store.replace(changed)
      expect(await store.list()).toEqual([changed, second])
      expect(await store.counts()).toEqual(
        new Map([
          [first.id, { taken: 3, ignored: 5 }],
          [second.id, { taken: 0, ignored: 0 }],
        ]),
      )
    })

    test('an unknown provider is neither replaced nor inserted', async () => {
      await using opened = await open()
      await expect(opened.store.replace(sampleRiskProvider())).rejects.toMatchObject({
        code: 'risk_provider.not_found',
      })
      expect(await opened.store.list()).toEqual([])
    })

    test('a provider is deleted, and its name and client are free again', async () => {
      await using opened = await open()
      const { store } = opened
      const provider = sampleRiskProvider()
      await store.insert(provider)
      expect(await store.delete(provider.id)).toBe(true)
      expect(await store.delete(provider.id)).toBe(false)
      const again = sampleRiskProvider({ name: provider.name, clientId: provider.clientId })
      await store.insert(again)
      expect(await store.list()).toEqual([again])
    })
  })
}
