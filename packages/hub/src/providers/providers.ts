import type { Actor } from '../base/actor.ts'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { Transact, Transaction } from '../base/transaction.ts'
import { requireUntaken } from '../base/untaken.ts'
import type { World } from '../base/world.ts'
import { invalidProvider, type ProviderDraft } from './provider-draft.ts'
import type { ProviderStore } from './provider-store.ts'
import type { Provider, ProviderStatus } from './provider.ts'

/** One committed change of a provider, for the System Log (OKTA-L60). */
export interface ProviderChange {
  readonly kind: 'create' | 'update' | 'delete' | 'activate' | 'deactivate'
  /** After the change; for `delete`, the deleted provider. */
  readonly provider: Provider
  /** Before the change; undefined for `create`. */
  readonly before: Provider | undefined
  readonly by: Actor
}

export interface ProviderJournal {
  providerChanged(change: ProviderChange): Promise<void>
}

interface ProviderStores {
  readonly providers: ProviderStore
}

/** Further effects of a provider's change, in the same transaction and before the journal entry. */
export type ProviderConsequence<Stores, Journal> = (
  tx: Transaction<Stores, Journal>,
  change: ProviderChange,
) => Promise<void>

export interface ProvidersDeps<
  Stores extends ProviderStores = ProviderStores,
  Journal extends ProviderJournal = ProviderJournal,
> {
  readonly world: Pick<World, 'now' | 'newId'>
  /** For reads outside a transaction. */
  readonly store: Pick<ProviderStore, 'list' | 'findById'>
  readonly transaction: Transact<Stores, Journal>
  /** Run in this order. None unless given. */
  readonly consequences?: readonly ProviderConsequence<Stores, Journal>[]
  /** Resolves a well-known URL (OKTA-R43). @throws HubError `provider.metadata_unusable` */
  readonly readMetadata: (url: string) => Promise<{ readonly issuer: string; readonly jwksUrl: string }>
  /** When given, a JWKS URL must return a usable key before it is accepted (OKTA-R64). @throws HubError with the reason */
  readonly checkKeys: ((jwksUrl: string) => Promise<void>) | undefined
  readonly providersMax: number
}

/** The providers, and the operations on them. */
export interface Providers {
  /** In the order of creation. */
  list(): Promise<Provider[]>
  /** @throws HubError `provider.not_found` */
  get(id: string): Promise<Provider>
  /** @throws HubError `provider.invalid`, `provider.name_taken`, `provider.issuer_taken`, `provider.limit_reached` */
  create(draft: ProviderDraft, by: Actor): Promise<Provider>
  /**
   * Replaces name, type and settings; the status stays (OKTA-R28, OKTA-R30).
   * @throws HubError `provider.not_found`, `provider.invalid`, `provider.name_taken`, `provider.issuer_taken`
   */
  replace(id: string, draft: ProviderDraft, by: Actor): Promise<Provider>
  /** Also deletes an ACTIVE provider (OKTA-R10). @throws HubError `provider.not_found` */
  delete(id: string, by: Actor): Promise<void>
  /** Changes and journals nothing when it is ACTIVE already (OKTA-R8). @throws HubError `provider.not_found` */
  activate(id: string, by: Actor): Promise<Provider>
  /** Changes and journals nothing when it is INACTIVE already (OKTA-R9). @throws HubError `provider.not_found` */
  deactivate(id: string, by: Actor): Promise<Provider>
  /**
   * The provider that may send this issuer's SETs, from memory.
   * @throws HubError `set.unknown_issuer`, `set.provider_inactive`
   */
  activeByIssuer(iss: string): Provider
  /** The provider with this issuer, whatever its status, from memory. */
  findByIssuer(iss: string): Provider | undefined
  /** Reloads memory from the store: at the start, and after another node's change. @returns all providers */
  refresh(): Promise<readonly Provider[]>
}

/** Creates the room over its store, with every issuer in memory. Reads the store once before it resolves. */
export async function createProviders<Stores extends ProviderStores, Journal extends ProviderJournal>(
  deps: ProvidersDeps<Stores, Journal>,
): Promise<Providers> {
  const { world, store, transaction, consequences = [] } = deps
  let byIssuer = new Map<string, Provider>()
  let lastChange: Promise<unknown> = Promise.resolve()

  /** One change at a time, so that memory changes in the order of the commits. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = lastChange.then(change)
    lastChange = turn.catch(() => undefined)
    return turn
  }

  function refresh(): Promise<readonly Provider[]> {
    return inTurn(async () => {
      const known = await store.list()
      byIssuer = new Map(known.map((provider) => [provider.issuer, provider]))
      return known
    })
  }

  async function get(id: string): Promise<Provider> {
    return (await store.findById(id)) ?? notFound(id)
  }

  /** Issuer and JWKS URL of a draft. Requests the transmitter's metadata, so never call it inside a transaction. */
  async function resolve({ settings }: ProviderDraft): Promise<Resolved> {
    if (settings.wellKnownUrl === undefined) {
      const { issuer, jwksUrl } = settings
      await blaming('jwks_url', async () => deps.checkKeys?.(jwksUrl))
      return { issuer, jwksUrl, wellKnownUrl: undefined }
    }
    const { wellKnownUrl } = settings
    return blaming('well_known_url', async () => {
      const { issuer, jwksUrl } = await deps.readMetadata(wellKnownUrl)
      await deps.checkKeys?.(jwksUrl)
      return { issuer, jwksUrl, wellKnownUrl }
    })
  }

  async function changed(tx: Transaction<Stores, Journal>, change: ProviderChange): Promise<void> {
    for (const consequence of consequences) await consequence(tx, change)
    await tx.journal.providerChanged(change)
  }

  function findById(id: string): Provider | undefined {
    return [...byIssuer.values()].find((provider) => provider.id === id)
  }

  function remember(provider: Provider): void {
    const stale = findById(provider.id)
    if (stale !== undefined) byIssuer.delete(stale.issuer)
    byIssuer.set(provider.issuer, provider)
  }

  /** Refuses a provider's SETs before the commit that stops it, and accepts them again if the commit fails. */
  async function stoppedAhead<T>(id: string, commit: () => Promise<T>): Promise<T> {
    const known = findById(id)
    if (known !== undefined) byIssuer.set(known.issuer, { ...known, status: 'INACTIVE' })
    try {
      return await commit()
    } catch (error) {
      if (known !== undefined) byIssuer.set(known.issuer, known)
      throw error
    }
  }

  async function commitStatus(id: string, status: ProviderStatus, by: Actor): Promise<Provider> {
    const provider = await transaction(async (tx) => {
      const before = (await tx.stores.providers.findById(id)) ?? notFound(id)
      if (before.status === status) return before
      const provider = { ...before, status, updatedAt: world.now() }
      await tx.stores.providers.replace(provider)
      await changed(tx, { kind: status === 'ACTIVE' ? 'activate' : 'deactivate', provider, before, by })
      return provider
    })
    remember(provider)
    return provider
  }

  const providers: Providers = {
    list: () => store.list(),
    get,
    async create(draft, by) {
      const resolved = await resolve(draft)
      return inTurn(async () => {
        const now = world.now()
        const provider: Provider = {
          id: world.newId('sse'),
          name: draft.name,
          type: draft.type,
          status: 'ACTIVE',
          ...resolved,
          createdAt: now,
          updatedAt: now,
        }
        await transaction(async (tx) => {
          const others = await tx.stores.providers.list()
          requireUntaken(provider, others, uniqueMembers)
          if (others.length >= deps.providersMax) throw limitReached(deps.providersMax)
          await tx.stores.providers.insert(provider)
          await changed(tx, { kind: 'create', provider, before: undefined, by })
        })
        remember(provider)
        return provider
      })
    },
    async replace(id, draft, by) {
      await get(id)
      const resolved = await resolve(draft)
      return inTurn(async () => {
        const provider = await transaction(async (tx) => {
          const before = (await tx.stores.providers.findById(id)) ?? notFound(id)
          const provider = {
            ...before,
            name: draft.name,
            type: draft.type,
            ...resolved,
            updatedAt: world.now(),
          }
          requireUntaken(provider, await tx.stores.providers.list(), uniqueMembers)
          await tx.stores.providers.replace(provider)
          await changed(tx, { kind: 'update', provider, before, by })
          return provider
        })
        remember(provider)
        return provider
      })
    },
    delete(id, by) {
      return inTurn(() =>
        stoppedAhead(id, async () => {
          const gone = await transaction(async (tx) => {
            const before = (await tx.stores.providers.findById(id)) ?? notFound(id)
            await tx.stores.providers.delete(id)
            await changed(tx, { kind: 'delete', provider: before, before, by })
            return before
          })
          byIssuer.delete(findById(id)?.issuer ?? gone.issuer)
        }),
      )
    },
    activate: (id, by) => inTurn(() => commitStatus(id, 'ACTIVE', by)),
    deactivate: (id, by) => inTurn(() => stoppedAhead(id, () => commitStatus(id, 'INACTIVE', by))),
    activeByIssuer(iss) {
      const provider = byIssuer.get(iss)
      if (provider === undefined) {
        throw new HubError('set.unknown_issuer', {
          detail: `No provider is registered with the issuer ${JSON.stringify(iss.slice(0, 700))}.`,
        })
      }
      if (provider.status === 'ACTIVE') return provider
      throw new HubError('set.provider_inactive', {
        detail: `The provider ${provider.id} (${provider.name}) with this issuer is deactivated.`,
      })
    },
    findByIssuer: (iss) => byIssuer.get(iss),
    refresh,
  }
  await refresh()
  return providers
}

export interface ProviderFollowers {
  /** Called after a provider was replaced. */
  readonly replaced: () => Promise<void>
  /** Called after a provider was deleted. */
  readonly deleted: (id: string) => void
}

/** The same providers; after each change it updates what other rooms remember of them. */
export function followedProviders(providers: Providers, { replaced, deleted }: ProviderFollowers): Providers {
  return {
    ...providers,
    async replace(...args) {
      const provider = await providers.replace(...args)
      await replaced()
      return provider
    },
    async delete(id, by) {
      await providers.delete(id, by)
      deleted(id)
    },
  }
}

type Resolved = Pick<Provider, 'issuer' | 'jwksUrl' | 'wellKnownUrl'>

/** Turns a transmitter's fault into a problem of the field that named its URL (OKTA-R63). */
async function blaming<T>(field: 'well_known_url' | 'jwks_url', work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isHubError(error)) throw error
    throw invalidProvider(
      [{ field: `settings.${field}`, message: `${field} is not valid: ${error.detail}` }],
      error,
    )
  }
}

function notFound(id: string): never {
  const shown = id.slice(0, 50)
  throw new HubError('provider.not_found', {
    detail: `There is no provider with the id ${shown}.`,
    facts: { id: shown, type: 'SecurityEventsProvider' },
  })
}

const uniqueMembers = [
  ['name', 'provider.name_taken'],
  ['issuer', 'provider.issuer_taken'],
] as const

function limitReached(providersMax: number): HubError {
  return new HubError('provider.limit_reached', {
    detail: `There are ${providersMax} providers already, as many as the hub takes; delete one first.`,
  })
}
