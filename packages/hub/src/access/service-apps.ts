import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import { operator, type ServiceAppChange } from './access-journal.ts'
import type { AccessStorage, AppDuties } from './access-storage.ts'
import { actorOf, type Caller, type RequestFacts } from './caller.ts'
import type { ServiceAppDraft } from './client-metadata.ts'
import { permits, type Scope } from './scopes.ts'
import type { ServiceApp } from './service-app.ts'

/** The one that changes a service app: a caller, or the operator at the hub's command line. */
export type Registrar = Caller | 'operator'

/**
 * The operations on service apps. A service app cannot grant a scope that it does not hold, cannot change another that holds
 * more or acts as a risk provider that it may not manage, and cannot change itself. Every change is journaled, with
 * the origin of its request (`from`) if it came over HTTP.
 */
export interface ServiceApps {
  /** @throws HubError `access.forbidden` */
  create(draft: ServiceAppDraft, by: Registrar, from?: RequestFacts): Promise<ServiceApp>
  list(page: { readonly after: string | undefined; readonly limit: number }): Promise<readonly ServiceApp[]>
  /** @throws HubError `client.not_found` */
  get(clientId: string): Promise<ServiceApp>
  /** Takes effect at once, also for tokens that were issued before. @throws HubError `client.not_found`, `access.forbidden` */
  replace(clientId: string, draft: ServiceAppDraft, by: Registrar, from?: RequestFacts): Promise<ServiceApp>
  /** Its tokens stop working at once. @throws HubError `client.not_found`, `access.forbidden` */
  delete(clientId: string, by: Registrar, from?: RequestFacts): Promise<void>
}

export interface ServiceAppsDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  readonly storage: AccessStorage
}

export function createServiceApps({ world, storage }: ServiceAppsDeps): ServiceApps {
  const store = storage.stores.serviceApps

  return {
    async create({ name, keys, scopes, dpopBound }, by, from) {
      requireMayGrant(by, scopes)
      const now = world.now()
      const clientId = world.newId('0oa')
      const app: ServiceApp = { clientId, name, keys, scopes, dpopBound, createdAt: now, updatedAt: now }
      return storage.transaction(async ({ stores: { serviceApps }, journal }) => {
        await serviceApps.insert(app)
        await journal.serviceAppChanged(change('create', app, by, from))
        return app
      })
    },
    list: (page) => store.list(page),
    get: async (clientId) => (await store.find(clientId)) ?? notFound(clientId),
    async replace(clientId, { name, keys, scopes, dpopBound }, by, from) {
      requireOther(by, clientId)
      requireMayGrant(by, scopes)
      return storage.transaction(async ({ stores, journal }) => {
        const before = (await stores.serviceApps.find(clientId)) ?? notFound(clientId)
        await requireMayTouch(by, before, stores)
        const app = { ...before, name, keys, scopes, dpopBound, updatedAt: world.now() }
        await stores.serviceApps.replace(app)
        await journal.serviceAppChanged(change('update', app, by, from))
        return app
      })
    },
    async delete(clientId, by, from) {
      requireOther(by, clientId)
      await storage.transaction(async ({ stores, journal }) => {
        const app = (await stores.serviceApps.find(clientId)) ?? notFound(clientId)
        await requireMayTouch(by, app, stores)
        await stores.serviceApps.delete(clientId)
        await journal.serviceAppChanged(change('delete', app, by, from))
      })
    },
  }
}

function change(
  kind: ServiceAppChange['kind'],
  app: ServiceApp,
  by: Registrar,
  from: RequestFacts | undefined,
): ServiceAppChange {
  return { kind, app, by: by === 'operator' ? operator : actorOf(by, from) }
}

function requireMayGrant(by: Registrar, wanted: readonly Scope[]): void {
  const missing = lacking(by, wanted)
  if (missing.length === 0) return
  throw new HubError('access.forbidden', {
    detail: `A service app can grant only scopes that its own access token has; this one lacks ${missing.join(', ')}.`,
  })
}

/** A caller that can replace an app's keys can act as that app with all its scopes. */
async function requireMayTouch(by: Registrar, app: ServiceApp, { riskProviders }: AppDuties): Promise<void> {
  const missing = lacking(by, app.scopes)
  if (missing.length > 0) {
    throw new HubError('access.forbidden', {
      detail: `A service app can change or delete only those whose scopes its own access token has; this one lacks ${missing.join(', ')}.`,
    })
  }
  const [unmanaged] = lacking(by, ['okta.riskProviders.manage'])
  if (unmanaged === undefined || (await riskProviders.findByClientId(app.clientId)) === undefined) return
  throw new HubError('access.forbidden', {
    detail: `The service app speaks as a risk provider: to change or delete it takes ${unmanaged} too.`,
  })
}

/** The scopes that the caller does not hold. */
function lacking(by: Registrar, scopes: readonly Scope[]): readonly Scope[] {
  if (by === 'operator' || by.kind === 'token') return []
  return scopes.filter((scope) => !permits(by.scopes, scope))
}

function requireOther(by: Registrar, clientId: string): void {
  if (by === 'operator' || by.kind === 'token' || by.clientId !== clientId) return
  throw new HubError('access.forbidden', { detail: 'A service app cannot change or delete itself.' })
}

function notFound(clientId: string): never {
  throw new HubError('client.not_found', {
    detail: `There is no service app with the client id ${clientId.slice(0, 50)}.`,
    facts: { id: clientId },
  })
}
