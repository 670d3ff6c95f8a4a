import { actorOf } from '../access/caller.ts'
import { readRiskProviderDraft } from '../risk/risk-provider-draft.ts'
import type { RiskProvider } from '../risk/risk-provider.ts'
import type { RiskProviders } from '../risk/risk-providers.ts'
import type { RiskProviderBody } from '../wire/risk.ts'
import { pathOf } from '../wire/operation.ts'
import { actorFacts, routesOf, type Route } from './route.ts'

export interface RiskProviderRoutesDeps {
  readonly origin: string
  readonly riskProviders: RiskProviders
}

const base = pathOf('GET /api/v1/risk/providers')

/** Risk Providers (OKTA §4). */
export function riskProviderRoutes({ origin, riskProviders }: RiskProviderRoutesDeps): readonly Route[] {
  const body = (provider: RiskProvider): RiskProviderBody => providerBody(origin, provider)
  return routesOf({
    'GET /api/v1/risk/providers': async () => ({
      status: 200,
      body: (await riskProviders.list()).map(body),
    }),
    'POST /api/v1/risk/providers': async (request, caller) => {
      const draft = readRiskProviderDraft(request.json)
      const provider = await riskProviders.create(draft, actorOf(caller, actorFacts(request)))
      return { status: 201, body: body(provider) } // OKTA-K2
    },
    'GET /api/v1/risk/providers/:id': async ({ params }) => ({
      status: 200,
      body: body(await riskProviders.get(params['id'] ?? '')),
    }),
    'PUT /api/v1/risk/providers/:id': async (request, caller) => {
      const id = request.params['id'] ?? ''
      await riskProviders.get(id) // An unknown id is reported before an invalid body.
      const draft = readRiskProviderDraft(request.json)
      const provider = await riskProviders.replace(id, draft, actorOf(caller, actorFacts(request)))
      return { status: 200, body: body(provider) }
    },
    'DELETE /api/v1/risk/providers/:id': async (request, caller) => {
      await riskProviders.delete(request.params['id'] ?? '', actorOf(caller, actorFacts(request)))
      return { status: 204 } // OKTA-K5
    },
  })
}

/** Okta's shape (OKTA-K20 to OKTA-K26). */
function providerBody(origin: string, provider: RiskProvider): RiskProviderBody {
  const { id, name, clientId, action, createdAt, updatedAt } = provider
  return {
    id,
    name,
    clientId,
    action,
    created: createdAt.toISOString(),
    lastUpdated: updatedAt.toISOString(),
    _links: { self: { href: `${origin}${base}/${id}`, hints: { allow: ['GET', 'PUT', 'DELETE'] } } },
  }
}

/** When Okta's specification removed these paths, as a date of RFC 9745 §2: seconds since 1970. */
export const deprecatedSince = '@1759276800' // 2025-10-01

/** Marks every answer of a route as deprecated (RFC 9745). */
export function deprecated(routes: readonly Route[]): readonly Route[] {
  return routes.map((route): Route => ({ ...route, headers: { deprecation: deprecatedSince } }))
}
