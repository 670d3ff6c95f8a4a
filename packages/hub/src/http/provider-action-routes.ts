import { actorOf } from '../access/caller.ts'
import { readAction, type ProviderActions } from '../risk/provider-actions.ts'
import { readSourceTrust, trustBody, type SourceTrust } from '../risk/source-trust.ts'
import { formatOf, scopeOf, valueOf } from '../subjects/identifier.ts'
import type { KnownClaim } from '../subjects/subject-store.ts'
import { actorFacts, type Route } from './route.ts'

const path = '/v1/providers/:id/action'
const trustPath = '/v1/providers/:id/trust'
const scope = 'watchbell.providers.manage'

/** What a security events provider's word counts for (`none`, `log_only`, `enforce_and_log`), and what it may say. */
export function providerActionRoutes(actions: ProviderActions): readonly Route[] {
  return [
    {
      method: 'GET',
      path,
      scope,
      body: 'none',
      handle: async ({ params }) => ({ status: 200, body: { action: actions.get(params['id'] ?? '') } }),
    },
    {
      method: 'PUT',
      path,
      scope,
      body: 'json',
      handle: async (request, caller) => {
        const id = request.params['id'] ?? ''
        actions.get(id) // an unknown id is told before a bad body
        const action = await actions.set(id, readAction(request.json), actorOf(caller, actorFacts(request)))
        return { status: 200, body: { action } }
      },
    },
    {
      method: 'GET',
      path: trustPath,
      scope,
      body: 'none',
      async handle({ params }) {
        const id = params['id'] ?? ''
        return { status: 200, body: await shownTrust(actions, id, actions.trust(id)) }
      },
    },
    {
      method: 'PUT',
      path: trustPath,
      scope,
      body: 'json',
      async handle(request, caller) {
        const id = request.params['id'] ?? ''
        actions.trust(id) // an unknown id is told before a bad body
        const by = actorOf(caller, actorFacts(request))
        const trust = await actions.setTrust(id, readSourceTrust(request.json), by)
        return { status: 200, body: await shownTrust(actions, id, trust) }
      },
    },
  ]
}

/** With the claims of the provider that are not believed, and why: what to permit, or to ask its operator about. */
async function shownTrust(actions: ProviderActions, id: string, trust: SourceTrust): Promise<object> {
  const { total, newest } = await actions.refusedClaims(id)
  return { ...trustBody(trust), refused_claims: { total, newest: newest.map(claimBody) } }
}

function claimBody({ identifiers, refused, last }: KnownClaim): object {
  return {
    reason: refused ?? null,
    said_at: new Date(last.at),
    identifiers: identifiers.map((identifier) => ({
      format: formatOf(identifier),
      value: valueOf(identifier),
      issuer: scopeOf(identifier) ?? null,
    })),
  }
}
