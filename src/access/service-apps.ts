import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { Caller } from './caller.ts'
import type { ServiceAppDraft } from './client-metadata.ts'
import { permits, type Scope } from './scopes.ts'
import type { ServiceApp, ServiceAppStore } from './service-app.ts'

/** Who changes a service app: a caller, or whoever runs the command line on the hub's own machine. */
export type Registrar = Caller | 'operator'

/** The verbs for service apps. A service app can grant no scope that it does not hold, and cannot change itself. */
export interface ServiceApps {
  /** @throws HubError `access.forbidden` */
  create(draft: ServiceAppDraft, by: Registrar): Promise<ServiceApp>
  list(page: { readonly after: string | undefined; readonly limit: number }): Promise<readonly ServiceApp[]>
  /** @throws HubError `client.not_found` */
  get(clientId: string): Promise<ServiceApp>
  /** Takes effect at once, for tokens that were issued before too. @throws HubError `client.not_found`, `access.forbidden` */
  replace(clientId: string, draft: ServiceAppDraft, by: Registrar): Promise<ServiceApp>
  /** Its tokens stop working at once. @throws HubError `client.not_found`, `access.forbidden` */
  delete(clientId: string, by: Registrar): Promise<void>
}

export interface ServiceAppsDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  readonly store: ServiceAppStore
}

export function createServiceApps({ world, store }: ServiceAppsDeps): ServiceApps {
  async function get(clientId: string): Promise<ServiceApp> {
    return (await store.find(clientId)) ?? notFound(clientId)
  }

  return {
    async create({ name, keys, scopes, dpopBound }, by) {
      requireMayGrant(by, scopes)
      const now = world.now()
      const clientId = world.newId('0oa')
      const app: ServiceApp = { clientId, name, keys, scopes, dpopBound, createdAt: now, updatedAt: now }
      await store.insert(app)
      return app
    },
    list: (page) => store.list(page),
    get,
    async replace(clientId, { name, keys, scopes, dpopBound }, by) {
      requireOther(by, clientId)
      requireMayGrant(by, scopes)
      const app = { ...(await get(clientId)), name, keys, scopes, dpopBound, updatedAt: world.now() }
      if (!(await store.replace(app))) notFound(clientId)
      return app
    },
    async delete(clientId, by) {
      requireOther(by, clientId)
      if (!(await store.delete(clientId))) notFound(clientId)
    },
  }
}

function requireMayGrant(by: Registrar, wanted: readonly Scope[]): void {
  if (by === 'operator' || by.kind === 'token') return
  const missing = wanted.filter((scope) => !permits(by.scopes, scope))
  if (missing.length === 0) return
  throw new HubError('access.forbidden', {
    detail: `A service app can grant only scopes that its own access token has; this one lacks ${missing.join(', ')}.`,
  })
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
