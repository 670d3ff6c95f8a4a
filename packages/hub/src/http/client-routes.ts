import { readClientMetadata } from '../access/client-metadata.ts'
import type { ServiceApp } from '../access/service-app.ts'
import type { ServiceApps } from '../access/service-apps.ts'
import { HubError } from '../base/hub-error.ts'
import type { ClientBody } from '../wire/oauth.ts'
import { pathOf } from '../wire/operation.ts'
import { actorFacts, routesOf, type ApiRequest, type Route } from './route.ts'

export interface ClientRoutesDeps {
  readonly origin: string
  readonly serviceApps: ServiceApps
}

const path = pathOf('GET /oauth2/v1/clients')
const pageLimitDefault = 50
const pageLimitMax = 200

/** Service apps over HTTP (RFC 7591 §3, RFC 7592 §2). */
export function clientRoutes({ origin, serviceApps }: ClientRoutesDeps): readonly Route[] {
  const idOf = (request: ApiRequest): string => request.params['clientId'] ?? ''
  return routesOf({
    'POST /oauth2/v1/clients': async (request, caller) => {
      const app = await serviceApps.create(readClientMetadata(request.json), caller, actorFacts(request))
      return { status: 201, body: metadataOf(app), headers: { 'Cache-Control': 'no-store' } }
    },
    'GET /oauth2/v1/clients': async ({ query }) => {
      const limit = readLimit(query.get('limit'))
      const after = query.get('after') ?? undefined
      // One more than the limit shows whether there is a next page.
      const apps = await serviceApps.list({ after, limit: limit + 1 })
      const page = apps.slice(0, limit)
      const last = page.at(-1)
      const links = [linkTo(origin, { after, limit }, 'self')]
      if (apps.length > limit && last !== undefined) {
        links.push(linkTo(origin, { after: last.clientId, limit }, 'next'))
      }
      return { status: 200, body: page.map(metadataOf), headers: { Link: links } }
    },
    'GET /oauth2/v1/clients/:clientId': async (request) => ({
      status: 200,
      body: metadataOf(await serviceApps.get(idOf(request))),
    }),
    'PUT /oauth2/v1/clients/:clientId': async (request, caller) => {
      const clientId = idOf(request)
      const draft = readClientMetadata(request.json, clientId)
      const app = await serviceApps.replace(clientId, draft, caller, actorFacts(request))
      return { status: 200, body: metadataOf(app) }
    },
    'DELETE /oauth2/v1/clients/:clientId': async (request, caller) => {
      await serviceApps.delete(idOf(request), caller, actorFacts(request))
      return { status: 204 }
    },
  })
}

/** RFC 7591 §3.2.1, with `dpop_bound_access_tokens` of RFC 9449 §5.2. */
function metadataOf({ clientId, name, keys, scopes, dpopBound, createdAt }: ServiceApp): ClientBody {
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(createdAt.getTime() / 1_000),
    client_name: name,
    application_type: 'service',
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    response_types: ['token'],
    ...('jwks' in keys ? { jwks: { keys: keys.jwks } } : { jwks_uri: keys.jwksUri }),
    scope: scopes.join(' '),
    dpop_bound_access_tokens: dpopBound,
  }
}

function readLimit(text: string | null): number {
  if (text === null) return pageLimitDefault
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Math.min(Number(text), pageLimitMax)
  throw new HubError('request.invalid', {
    detail: `limit must be a number from 1 to ${pageLimitMax}`,
    problems: [{ field: 'limit', message: `The field must be a number from 1 to ${pageLimitMax}` }],
  })
}

function linkTo(
  origin: string,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
  rel: 'self' | 'next',
): string {
  const query = new URLSearchParams({ ...(after !== undefined && { after }), limit: String(limit) })
  return `<${origin}${path}?${query.toString()}>; rel="${rel}"`
}
