import { createHash } from 'node:crypto'
import { scopes } from '../access/scopes.ts'
import type { SigningKeys } from '../access/signing-keys.ts'
import type { IssuedToken, TokenRequest } from '../access/token-endpoint.ts'
import { setAlgorithms } from '@watchbell/receiver/set'
import { tokenErrorAnswer } from './token-errors.ts'
import type { Answer, Route } from './route.ts'

export interface OAuthRoutesDeps {
  readonly origin: string
  readonly issueToken: (request: TokenRequest) => Promise<IssuedToken>
  readonly signingKeys: Pick<SigningKeys, 'publicKeys'>
}

/** The token endpoint (OKTA §11.2, OKTA §11.3), the hub's public keys (OKTA-O30) and its two public descriptions. */
export function oauthRoutes({ origin, issueToken, signingKeys }: OAuthRoutesDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/oauth2/v1/token',
      body: 'form',
      scope: 'public',
      async handle(request) {
        const issued = await issueToken({
          form: request.form,
          authorization: request.header('authorization'),
          dpop: request.header('dpop'),
        })
        return tokenAnswer(issued)
      },
      answerError: (error, request) =>
        tokenErrorAnswer(error, { origin, authorization: request.header('authorization') }),
    },
    open('/oauth2/v1/keys', async () => ({ keys: await signingKeys.publicKeys() })),
    open('/.well-known/oauth-authorization-server', async () => serverMetadata(origin)),
    open('/.well-known/okta-organization', async () => organization(origin)),
  ]
}

/** A public document; free of rate limits (OKTA-Q6). */
function open(path: string, body: () => Promise<unknown>): Route {
  return {
    method: 'GET',
    path,
    body: 'none',
    scope: 'public',
    unlimited: true,
    handle: async () => ({ status: 200, body: await body() }),
  }
}

/** OKTA-O13; RFC 6749 §5.1 forbids storing it. */
function tokenAnswer({ type, expiresInS, accessToken, scopes }: IssuedToken): Answer {
  return {
    status: 200,
    body: { token_type: type, expires_in: expiresInS, access_token: accessToken, scope: scopes.join(' ') },
    headers: { 'Cache-Control': 'no-store' },
  }
}

/** RFC 8414 §2. There is no authorization endpoint, as no grant of ours uses one. */
function serverMetadata(origin: string): object {
  return {
    issuer: origin,
    token_endpoint: `${origin}/oauth2/v1/token`,
    jwks_uri: `${origin}/oauth2/v1/keys`,
    registration_endpoint: `${origin}/oauth2/v1/clients`,
    scopes_supported: scopes,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: setAlgorithms,
    dpop_signing_alg_values_supported: setAlgorithms,
  }
}

/** OKTA-O32. The id is made from the origin: the same on every node and after every restart. */
function organization(origin: string): object {
  return {
    id: `00o${createHash('sha256').update(origin).digest('hex').slice(0, 17)}`,
    cell: 'watchbell',
    _links: { organization: { href: origin } },
    pipeline: 'idx',
    settings: { analyticsCollectionEnabled: false, bugReportingEnabled: false, omEnabled: false },
  }
}
