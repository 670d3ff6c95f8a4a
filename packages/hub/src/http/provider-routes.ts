import { actorOf } from '../access/caller.ts'
import type { Provider } from '../providers/provider.ts'
import { readProviderDraft, type UrlProblem } from '../providers/provider-draft.ts'
import type { Providers } from '../providers/providers.ts'
import type { ProviderBody } from '../wire/providers.ts'
import { pathOf } from '../wire/operation.ts'
import { actorFacts, routesOf, type Route } from './route.ts'

export interface ProviderRoutesDeps {
  readonly origin: string
  readonly providers: Providers
  readonly urlProblem: UrlProblem
}

const base = pathOf('GET /api/v1/security-events-providers')

/** Security Events Providers (OKTA §1). */
export function providerRoutes({ origin, providers, urlProblem }: ProviderRoutesDeps): readonly Route[] {
  const body = (provider: Provider): ProviderBody => providerBody(origin, provider)
  return routesOf({
    'GET /api/v1/security-events-providers': async () => ({
      status: 200,
      body: (await providers.list()).map(body),
    }),
    'POST /api/v1/security-events-providers': async (request, caller) => {
      const draft = readProviderDraft(request.json ?? null, urlProblem)
      const provider = await providers.create(draft, actorOf(caller, actorFacts(request)))
      return { status: 200, body: body(provider) } // OKTA-R2: not 201
    },
    'GET /api/v1/security-events-providers/:id': async ({ params }) => ({
      status: 200,
      body: body(await providers.get(params['id'] ?? '')),
    }),
    'PUT /api/v1/security-events-providers/:id': async (request, caller) => {
      await providers.get(request.params['id'] ?? '') // An unknown id is reported before an invalid body.
      const draft = readProviderDraft(request.json ?? null, urlProblem)
      const provider = await providers.replace(
        request.params['id'] ?? '',
        draft,
        actorOf(caller, actorFacts(request)),
      )
      return { status: 200, body: body(provider) }
    },
    'DELETE /api/v1/security-events-providers/:id': async (request, caller) => {
      await providers.delete(request.params['id'] ?? '', actorOf(caller, actorFacts(request)))
      return { status: 204 }
    },
    'POST /api/v1/security-events-providers/:id/lifecycle/activate': async (request, caller) => {
      const by = actorOf(caller, actorFacts(request))
      return { status: 200, body: body(await providers.activate(request.params['id'] ?? '', by)) }
    },
    'POST /api/v1/security-events-providers/:id/lifecycle/deactivate': async (request, caller) => {
      const by = actorOf(caller, actorFacts(request))
      return { status: 200, body: body(await providers.deactivate(request.params['id'] ?? '', by)) }
    },
  })
}

/** Okta's shape and order of members (OKTA §1.3); missing members are left out, never null (OKTA-R42). */
function providerBody(origin: string, provider: Provider): ProviderBody {
  const { id, name, type, status, issuer, jwksUrl, wellKnownUrl } = provider
  const self = `${origin}${base}/${id}`
  const link = (verb: 'activate' | 'deactivate') =>
    ({ href: `${self}/lifecycle/${verb}`, hints: { allow: ['POST'] } }) as const
  return {
    id,
    name,
    type,
    status,
    settings: {
      ...(wellKnownUrl !== undefined && { well_known_url: wellKnownUrl }),
      issuer,
      jwks_url: jwksUrl,
    },
    _links: {
      self: { href: self, hints: { allow: ['GET', 'PUT', 'DELETE'] } },
      ...(status === 'ACTIVE' ? { deactivate: link('deactivate') } : { activate: link('activate') }),
    },
  }
}
