import type { Provider } from './provider.ts'

/** Where providers live. Implemented in storage/, held to test/contract/provider-store.ts. */
export interface ProviderStore {
  /** All providers, in the order in which they were inserted. */
  list(): Promise<Provider[]>
  findById(id: string): Promise<Provider | undefined>
  /** The provider whose issuer equals `iss` character for character. */
  findByIssuer(iss: string): Promise<Provider | undefined>
  /** @throws HubError `provider.name_taken`, `provider.issuer_taken`: names and issuers are unique, character for character (OKTA-R20, OKTA-R24) */
  insert(provider: Provider): Promise<void>
  /**
   * Replaces the provider with the same id; its place in the order stays.
   * @throws HubError `provider.not_found`, `provider.name_taken`, `provider.issuer_taken`
   */
  replace(provider: Provider): Promise<void>
  /** @returns whether it existed. */
  delete(id: string): Promise<boolean>
}
