import type { RiskProvider } from './risk-provider.ts'

/** How many risk events a provider sent: stored ones, and those that its action `none` ignored. */
export interface RiskEventCounts {
  readonly taken: number
  readonly ignored: number
}

/** Stores risk providers. Implemented in storage/, held to test/contract/risk-provider-store.ts. */
export interface RiskProviderStore {
  /** All risk providers, in the order of insertion. */
  list(): Promise<RiskProvider[]>
  findById(id: string): Promise<RiskProvider | undefined>
  findByClientId(clientId: string): Promise<RiskProvider | undefined>
  /** @throws HubError `risk_provider.name_taken`, `risk_provider.client_taken`: both are unique, character for character (OKTA-K20, OKTA-K29) */
  insert(provider: RiskProvider): Promise<void>
  /**
   * Replaces the risk provider with the same id; its place in the order stays.
   * @throws HubError `risk_provider.not_found`, `risk_provider.name_taken`, `risk_provider.client_taken`
   */
  replace(provider: RiskProvider): Promise<void>
  /** @returns whether it existed */
  delete(id: string): Promise<boolean>
  /** Adds to the counters of a provider. `replace` keeps them. */
  count(id: string, events: RiskEventCounts): Promise<void>
  /** By the provider's id. */
  counts(): Promise<ReadonlyMap<string, RiskEventCounts>>
}
