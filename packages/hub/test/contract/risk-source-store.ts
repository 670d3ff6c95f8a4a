import { describe, expect, test } from 'vitest'
import type { ProviderStore } from '../../src/providers/provider-store.ts'
import type { RiskProviderStore } from '../../src/risk/risk-provider-store.ts'
import type { RiskSourceStore } from '../../src/risk/risk-sources.ts'
import { defaultTrust } from '../../src/risk/source-trust.ts'
import { sampleProvider } from './provider-store.ts'
import { sampleRiskProvider } from './risk-provider-store.ts'

interface Opened extends AsyncDisposable {
  readonly sources: RiskSourceStore
  readonly providers: ProviderStore
  readonly riskProviders: RiskProviderStore
}

/** What every RiskSourceStore must do. `open` gives an empty one. */
export function riskSourceStoreContract(database: string, open: () => Promise<Opened>): void {
  describe(`RiskSourceStore on ${database}`, () => {
    test('an empty store returns nothing, also after actions of unknown sources were set', async () => {
      await using opened = await open()
      expect(await opened.sources.list()).toEqual([])
      await opened.sources.setAction('sse1', 'none')
      await opened.sources.forget('sse2')
      expect(await opened.sources.list()).toEqual([])
    })

    test('a security events provider enforces by default, and again when its action is deleted', async () => {
      await using opened = await open()
      const { sources, providers } = opened
      const provider = sampleProvider({ name: 'MDM', status: 'INACTIVE' })
      const source = {
        kind: 'security_events_provider',
        id: provider.id,
        name: 'MDM',
        issuer: provider.issuer,
        registeredAt: provider.createdAt,
        trust: defaultTrust,
      }
      await providers.insert(provider)
      expect(await sources.list()).toEqual([{ ...source, action: 'enforce_and_log' }])
      for (const action of ['none', 'log_only', 'enforce_and_log'] as const) {
        await sources.setAction(provider.id, action)
        expect(await sources.list()).toEqual([{ ...source, action }])
      }
      await sources.setAction(provider.id, 'none')
      await sources.forget(provider.id)
      expect(await sources.list()).toEqual([{ ...source, action: 'enforce_and_log' }])
    })

    test('risk providers are listed with their own action until they are deleted', async () => {
      await using opened = await open()
      const { sources, riskProviders } = opened
      const provider = sampleRiskProvider({ action: 'log_only' })
      await riskProviders.insert(provider)
      await sources.setAction(provider.id, 'none') // is about security events providers only
      expect(await sources.list()).toEqual([
        {
          kind: 'risk_provider',
          id: provider.id,
          name: provider.name,
          action: 'log_only',
          issuer: undefined,
          registeredAt: provider.createdAt,
          trust: defaultTrust,
        },
      ])
      await riskProviders.delete(provider.id)
      expect(await sources.list()).toEqual([])
    })
  })
}
