import { actorOf } from '../access/caller.ts'
import type { Provider } from '../providers/provider.ts'
import { readProviderDraft, type UrlProblem } from '../providers/provider-draft.ts'
import type { Providers } from '../providers/providers.ts'
import { actorFacts, type Route } from './route.ts'

export interface ProviderRoutesDeps {
  readonly origin: string
  readonly providers: Providers
  readonly urlProblem: UrlProblem
}

const base = '/api/v1/security-events-providers'
const read = 'okta.securityEventsProviders.read'
const manage = 'okta.securityEventsProviders.manage'

/** Security Events Providers (OKTA §1). */
export function providerRoutes({ origin, providers, urlProblem }: ProviderRoutesDeps): readonly Route[] {
  const body = (provider: Provider): object => providerBody(origin, provider)
  return [
    {
      method: 'GET',
      path: base,
      scope: read,
      body: 'none',
      handle: async () => ({ status: 200, body: (await providers.list()).map(body) }),
    },
    {
      method: 'POST',
      path: base,
      scope: manage,
      body: 'json',
      handle: async (request, caller) => {
        const draft = readProviderDraft(request.json ?? null, urlProblem)
        const provider = await providers.create(draft, actorOf(caller, actorFacts(request)))
        return { status: 200, body: body(provider) } // OKTA-R2: not 201
      },
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      scope: read,
      body: 'none',
      handle: async ({ params }) => ({ status: 200, body: body(await providers.get(params['id'] ?? '')) }),
    },
    {
      method: 'PUT',
      path: `${base}/:id`,
      scope: manage,
      body: 'json',
      handle: async (request, caller) => {
        await providers.get(request.params['id'] ?? '') // an unknown id is told before a bad body
        const draft = readProviderDraft(request.json ?? null, urlProblem)
        const provider = await providers.replace(
          request.params['id'] ?? '',
          draft,
          actorOf(caller, actorFacts(request)),
        )
        return { status: 200, body: body(provider) }
      },
    },
    {
      method: 'DELETE',
      path: `${base}/:id`,
      scope: manage,
      body: 'none',
      handle: async (request, caller) => {
        await providers.delete(request.params['id'] ?? '', actorOf(caller, actorFacts(request)))
        return { status: 204 }
      },
    },
    ...(['activate', 'deactivate'] as const).map((verb): Route => ({
      method: 'POST',
      path: `${base}/:id/lifecycle/${verb}`,
      scope: manage,
      body: 'none', // OKTA-A8
      handle: async (request, caller) => {
        const provider = await providers[verb](
          request.params['id'] ?? '',
          actorOf(caller, actorFacts(request)),
        )
        return { status: 200, body: body(provider) }
      },
    })),
  ]
}

/** Okta's shape, members in its order (OKTA §1.3): what is not there is left out, never null (OKTA-R42). */
function providerBody(origin: string, provider: Provider): object {
  const { id, name, type, status, issuer, jwksUrl, wellKnownUrl } = provider
  const self = `${origin}${base}/${id}`
  const next = status === 'ACTIVE' ? 'deactivate' : 'activate'
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
      [next]: { href: `${self}/lifecycle/${next}`, hints: { allow: ['POST'] } },
    },
  }
}
