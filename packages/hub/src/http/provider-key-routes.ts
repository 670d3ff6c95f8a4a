import type { KeyCache, KeyStatus } from '@watchbell/receiver/jwks'
import type { Providers } from '../providers/providers.ts'
import type { ProviderKeysBody } from '../wire/providers.ts'
import { routesOf, type Route } from './route.ts'

export interface ProviderKeyRoutesDeps {
  readonly providers: Pick<Providers, 'get'>
  readonly keys: Pick<KeyCache, 'status' | 'refresh'>
}

/** The cached verification keys of a provider. Each node has its own cache. */
export function providerKeyRoutes({ providers, keys }: ProviderKeyRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /v1/providers/:id/keys': async ({ params }) => {
      const { id, jwksUrl } = await providers.get(params['id'] ?? '')
      const known = keys.status(id)
      return { status: 200, body: keysBody(known?.jwksUrl === jwksUrl ? known : { ...unfetched, jwksUrl }) }
    },
    'POST /v1/providers/:id/keys/refresh': async ({ params }) => {
      const provider = await providers.get(params['id'] ?? '')
      return { status: 200, body: keysBody(await keys.refresh(provider)) }
    },
  })
}

const unfetched = {
  keys: [],
  fetchedAt: undefined,
  ageMs: undefined,
  lastError: undefined,
  nextTryAt: undefined,
}

function keysBody({ jwksUrl, keys, fetchedAt, lastError, nextTryAt }: KeyStatus): ProviderKeysBody {
  return {
    jwks_url: jwksUrl,
    fetched_at: fetchedAt?.toISOString() ?? null,
    last_error: lastError ?? null,
    next_fetch_at: nextTryAt?.toISOString() ?? null,
    keys: keys.map(({ kid, algorithms, unusable }) => ({
      kid: kid ?? null,
      algorithms,
      unusable: unusable ?? null,
    })),
  }
}
