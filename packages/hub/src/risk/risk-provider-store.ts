import type { RiskProvider } from './risk-provider.ts'

/** How many risk events a provider sent: those that were kept, and those that its action `none` left aside. */
export interface RiskEventCounts {
  readonly taken: number
  readonly ignored: number
}

/** Where risk providers live. Implemented in storage/, held to test/contract/risk-provider-store.ts. */
export interface RiskProviderStore {
  /** All of them, in the order in which they were inserted. */
  list(): Promise<RiskProvider[]>
  findById(id: string): Promise<RiskProvider | undefined>
  findByClientId(clientId: string): Promise<RiskProvider | undefined>
  /** @throws HubError `risk_provider.name_taken`, `risk_provider.client_taken`: both are unique, character for character (OKTA-K20, OKTA-K29) */
  insert(provider: RiskProvider): Promise<void>
  /**
   * Puts `provider` in the place of the one with its id; its place in the order stays.
   * @throws HubError `risk_provider.not_found`, `risk_provider.name_taken`, `risk_provider.client_taken`
   */
  replace(provider: RiskProvider): Promise<void>
  /** @returns whether it was there. */
  delete(id: string): Promise<boolean>
  /** Adds to the counters of a provider, which a replacement leaves as they are. */
  count(id: string, events: RiskEventCounts): Promise<void>
  /** By the provider's id. */
  counts(): Promise<ReadonlyMap<string, RiskEventCounts>>
}
