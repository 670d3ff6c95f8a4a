import { createHash } from 'node:crypto'
import { scopes } from '../access/scopes.ts'
import type { SigningKeys } from '../access/signing-keys.ts'
import type { IssuedToken, AccessTokenRequest } from '../access/token-endpoint.ts'
import { setAlgorithms } from '@watchbell/receiver/set'
import type { AuthorizationServerBody, OrganizationBody } from '../wire/oauth.ts'
import { tokenErrorAnswer } from './token-errors.ts'
import { routesOf, type AnswerTo, type Route } from './route.ts'

export interface OAuthRoutesDeps {
  readonly origin: string
  readonly issueToken: (request: AccessTokenRequest) => Promise<IssuedToken>
  readonly signingKeys: Pick<SigningKeys, 'publicKeys'>
}

/** The token endpoint (OKTA §11.2, OKTA §11.3), the hub's public keys (OKTA-O30) and its two public descriptions. */
export function oauthRoutes({ origin, issueToken, signingKeys }: OAuthRoutesDeps): readonly Route[] {
  const token = routesOf(
    {
      'POST /oauth2/v1/token': async (request) => {
        const issued = await issueToken({
          form: request.form,
          authorization: request.header('authorization'),
          dpop: request.header('dpop'),
        })
        return tokenAnswer(issued)
      },
    },
    {
      answerError: (error, request) =>
        tokenErrorAnswer(error, { origin, authorization: request.header('authorization') }),
    },
  )
  const documents = routesOf({
    'GET /oauth2/v1/keys': async () => ({
      status: 200,
      body: { keys: await signingKeys.publicKeys() },
    }),
    'GET /.well-known/oauth-authorization-server': async () => ({
      status: 200,
      body: serverMetadata(origin),
    }),
    'GET /.well-known/okta-organization': async () => ({ status: 200, body: organization(origin) }),
  })
  return [...token, ...documents]
}

/** OKTA-O13; RFC 6749 §5.1 forbids storing it. */
function tokenAnswer({
  type,
  expiresInS,
  accessToken,
  scopes,
}: IssuedToken): AnswerTo<'POST /oauth2/v1/token'> {
  return {
    status: 200,
    body: { token_type: type, expires_in: expiresInS, access_token: accessToken, scope: scopes.join(' ') },
    headers: { 'Cache-Control': 'no-store' },
  }
}

/** RFC 8414 §2. Without an authorization endpoint: no supported grant uses one. */
function serverMetadata(origin: string): AuthorizationServerBody {
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

/** OKTA-O32. The id is derived from the origin: the same on every node and after every restart. */
function organization(origin: string): OrganizationBody {
  return {
    id: `00o${createHash('sha256').update(origin).digest('hex').slice(0, 17)}`,
    cell: 'watchbell',
    _links: { organization: { href: origin } },
    pipeline: 'idx',
    settings: { analyticsCollectionEnabled: false, bugReportingEnabled: false, omEnabled: false },
  }
}
