import type { ServiceAppStore } from '../access/service-app.ts'
import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { Transact } from '../base/transaction.ts'
import { requireUntaken } from '../base/untaken.ts'
import type { World } from '../base/world.ts'
import { invalidRiskProvider, type RiskProviderDraft } from './risk-provider-draft.ts'
import type { RiskProviderStore } from './risk-provider-store.ts'
import type { RiskProvider } from './risk-provider.ts'

/** One committed change of a risk provider, for the System Log. */
export interface RiskProviderChange {
  readonly kind: 'create' | 'update' | 'delete'
  /** After the change; for `delete`, the last state. */
  readonly provider: RiskProvider
  /** Before the change; undefined for `create`. */
  readonly before: RiskProvider | undefined
  readonly by: Actor
}

export interface RiskProviderJournal {
  riskProviderChanged(change: RiskProviderChange): Promise<void>
}

export interface RiskProvidersDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  /** For reading outside a transaction. */
  readonly store: Pick<RiskProviderStore, 'list' | 'findById'>
  readonly transaction: Transact<
    { readonly riskProviders: RiskProviderStore; readonly serviceApps: Pick<ServiceAppStore, 'find'> },
    RiskProviderJournal
  >
  /** How many risk providers there may be (OKTA-K27). */
  readonly providersMax: number
}

/** Reads and changes risk providers. */
export interface RiskProviders {
  /** In the order of creation. */
  list(): Promise<RiskProvider[]>
  /** @throws HubError `risk_provider.not_found` */
  get(id: string): Promise<RiskProvider>
  /**
   * @throws HubError `risk_provider.invalid` when its client is not a service app of this hub (OKTA-K30),
   * `risk_provider.name_taken`, `risk_provider.client_taken`, `risk_provider.limit_reached`
   */
  create(draft: RiskProviderDraft, by: Actor): Promise<RiskProvider>
  /**
   * Replaces name, client and action. An unchanged client may be deleted already: the action of what the provider sent can
   * still be changed.
   * @throws HubError `risk_provider.not_found`, and as `create` does
   */
  replace(id: string, draft: RiskProviderDraft, by: Actor): Promise<RiskProvider>
  /** @throws HubError `risk_provider.not_found` */
  delete(id: string, by: Actor): Promise<void>
}

export function createRiskProviders(deps: RiskProvidersDeps): RiskProviders {
  const { world, store, transaction, providersMax } = deps
  return {
    list: () => store.list(),
    get: async (id) => (await store.findById(id)) ?? notFound(id),
    create: (draft, by) =>
      transaction(async ({ stores: { riskProviders, serviceApps }, journal }) => {
        await requireServiceApp(serviceApps, draft.clientId)
        const now = world.now()
        const provider = { id: world.newId('rkp'), ...draft, createdAt: now, updatedAt: now }
        const others = await riskProviders.list()
        requireUntaken(provider, others, uniqueMembers)
        if (others.length >= providersMax) throw limitReached(providersMax)
        await riskProviders.insert(provider)
        await journal.riskProviderChanged({ kind: 'create', provider, before: undefined, by })
        return provider
      }),
    replace: (id, draft, by) =>
      transaction(async ({ stores: { riskProviders, serviceApps }, journal }) => {
        const before = (await riskProviders.findById(id)) ?? notFound(id)
        if (draft.clientId !== before.clientId) await requireServiceApp(serviceApps, draft.clientId)
        const provider = { ...before, ...draft, updatedAt: world.now() }
        requireUntaken(provider, await riskProviders.list(), uniqueMembers)
        await riskProviders.replace(provider)
        await journal.riskProviderChanged({ kind: 'update', provider, before, by })
        return provider
      }),
    delete: (id, by) =>
      transaction(async ({ stores: { riskProviders }, journal }) => {
        const provider = (await riskProviders.findById(id)) ?? notFound(id)
        await riskProviders.delete(id)
        await journal.riskProviderChanged({ kind: 'delete', provider, before: provider, by })
      }),
  }
}

async function requireServiceApp(
  serviceApps: Pick<ServiceAppStore, 'find'>,
  clientId: string,
): Promise<void> {
  if ((await serviceApps.find(clientId)) !== undefined) return
  throw invalidRiskProvider([
    { field: 'clientId', message: 'There is no service app with this client id; make one first' },
  ])
}

const uniqueMembers = [
  ['name', 'risk_provider.name_taken'],
  ['clientId', 'risk_provider.client_taken'],
] as const

function notFound(id: string): never {
  throw new HubError('risk_provider.not_found', {
    detail: `There is no risk provider with the id ${id.slice(0, 50)}.`,
    facts: { id, type: 'RiskProvider' },
  })
}

function limitReached(providersMax: number): HubError {
  const detail = `There are ${providersMax} risk providers already, as many as the hub takes; delete one first, or raise WATCHBELL_RISK_PROVIDERS_MAX.`
  return new HubError('risk_provider.limit_reached', { detail })
}
