import { actorOf } from '../access/caller.ts'
import { readAction, type ProviderActions } from '../risk/provider-actions.ts'
import { readSourceTrust, trustBody, type SourceTrust } from '../risk/source-trust.ts'
import { formatOf, scopeOf, valueOf } from '../subjects/identifier.ts'
import type { KnownClaim } from '../subjects/subject-store.ts'
import type { ProviderTrustBody } from '../wire/providers.ts'
import { actorFacts, routesOf, type Route } from './route.ts'

/** The action (`none`, `log_only`, `enforce_and_log`) and the trust of a security events provider. */
export function providerActionRoutes(actions: ProviderActions): readonly Route[] {
  return routesOf({
    'GET /v1/providers/:id/action': async ({ params }) => ({
      status: 200,
      body: { action: actions.get(params['id'] ?? '') },
    }),
    'PUT /v1/providers/:id/action': async (request, caller) => {
      const id = request.params['id'] ?? ''
      actions.get(id) // an unknown id is told before a bad body
      const action = await actions.set(id, readAction(request.json), actorOf(caller, actorFacts(request)))
      return { status: 200, body: { action } }
    },
    'GET /v1/providers/:id/trust': async ({ params }) => {
      const id = params['id'] ?? ''
      return { status: 200, body: await shownTrust(actions, id, actions.trust(id)) }
    },
    'PUT /v1/providers/:id/trust': async (request, caller) => {
      const id = request.params['id'] ?? ''
      actions.trust(id) // an unknown id is told before a bad body
      const by = actorOf(caller, actorFacts(request))
      const trust = await actions.setTrust(id, readSourceTrust(request.json), by)
      return { status: 200, body: await shownTrust(actions, id, trust) }
    },
  })
}

/** The trust, with the provider's claims that are not believed and why. */
async function shownTrust(
  actions: ProviderActions,
  id: string,
  trust: SourceTrust,
): Promise<ProviderTrustBody> {
  const { total, newest } = await actions.refusedClaims(id)
  return { ...trustBody(trust), refused_claims: { total, newest: newest.map(claimBody) } }
}

function claimBody({
  identifiers,
  refused,
  last,
}: KnownClaim): ProviderTrustBody['refused_claims']['newest'][number] {
  return {
    reason: refused ?? null,
    said_at: new Date(last.at).toISOString(),
    identifiers: identifiers.map((identifier) => ({
      format: formatOf(identifier),
      value: valueOf(identifier),
      issuer: scopeOf(identifier) ?? null,
    })),
  }
}
