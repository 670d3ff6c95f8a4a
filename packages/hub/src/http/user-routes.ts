import type { ApiTokenStore } from '../access/api-token.ts'
import { userIdOf } from '../access/caller.ts'
import { HubError } from '../base/hub-error.ts'
import { routesOf, type Route } from './route.ts'

export interface UserRoutesDeps {
  readonly origin: string
  readonly apiTokens: Pick<ApiTokenStore, 'find'>
}

/** The user of an API token: Terraform requests it at its start (OKTA-O31). */
export function userRoutes({ origin, apiTokens }: UserRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /api/v1/users/me': async (_request, caller) => {
      const token = caller.kind === 'token' ? await apiTokens.find(caller.id) : undefined
      if (token === undefined) {
        throw new HubError('access.forbidden', {
          detail: 'Only the holder of an API token has a user here.',
        })
      }
      const id = userIdOf(token.id)
      const created = token.createdAt.toISOString()
      return {
        status: 200,
        body: {
          id,
          status: 'ACTIVE',
          created,
          activated: created,
          statusChanged: created,
          lastLogin: token.lastUsedAt?.toISOString() ?? null,
          lastUpdated: created,
          passwordChanged: null,
          type: { id: `oty${id.slice(3)}` },
          profile: {
            firstName: 'Watchbell',
            lastName: token.name,
            mobilePhone: null,
            secondEmail: null,
            login: token.name,
            email: null,
          },
          credentials: { provider: { type: 'OKTA', name: 'OKTA' } },
          _links: { self: { href: `${origin}/api/v1/users/${id}` } },
        },
      }
    },
  })
}
