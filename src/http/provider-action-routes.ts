import { actorOf } from '../access/caller.ts'
import { readAction, type ProviderActions } from '../risk/provider-actions.ts'
import { actorFacts, type Route } from './route.ts'

const path = '/v1/providers/:id/action'
const scope = 'watchbell.providers.manage'

/** What a security events provider's word counts for: `none`, `log_only` or `enforce_and_log`. */
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
  ]
}
