import { plainLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import {
  anyObject,
  anyOf,
  constant,
  flag,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  openObject,
  optional,
  text,
  time,
  uri,
  type ShapeOf,
} from './schema.ts'

/** OKTA-O13. */
export const tokenBody = named(
  'AccessToken',
  object({
    token_type: oneOf(['Bearer', 'DPoP']),
    expires_in: integer('In seconds.'),
    access_token: text(),
    scope: text('Parted by spaces.'),
  }),
)
export type TokenBody = ShapeOf<typeof tokenBody>

/** OKTA-O10, OKTA-O11: in the body or the query. */
export const tokenRequest = named(
  'TokenRequest',
  openObject({
    grant_type: constant('client_credentials'),
    scope: text('Parted by spaces.'),
    client_assertion_type: constant('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
    client_assertion: text('A JWT that the client signed (RFC 7523).'),
    client_id: optional(text()),
  }),
)
export type TokenRequest = ShapeOf<typeof tokenRequest>

const jwk = anyObject('A public JWK (RFC 7517).')

export const jwksBody = named('Jwks', object({ keys: list(jwk) }))
export type JwksBody = ShapeOf<typeof jwksBody>

/** RFC 8414 §2. */
export const authorizationServerBody = named(
  'AuthorizationServer',
  object({
    issuer: uri(),
    token_endpoint: uri(),
    jwks_uri: uri(),
    registration_endpoint: uri(),
    scopes_supported: list(text()),
    response_types_supported: list(text()),
    grant_types_supported: list(text()),
    token_endpoint_auth_methods_supported: list(text()),
    token_endpoint_auth_signing_alg_values_supported: list(text()),
    dpop_signing_alg_values_supported: list(text()),
  }),
)
export type AuthorizationServerBody = ShapeOf<typeof authorizationServerBody>

/** OKTA-O32. */
export const organizationBody = named(
  'Organization',
  object({
    id: text('`00o` + 17.'),
    cell: text(),
    _links: object({ organization: plainLink }),
    pipeline: text(),
    settings: object({
      analyticsCollectionEnabled: flag(),
      bugReportingEnabled: flag(),
      omEnabled: flag(),
    }),
  }),
)
export type OrganizationBody = ShapeOf<typeof organizationBody>

const clientMembers = {
  client_id: text('`0oa` + 17.'),
  client_id_issued_at: integer('Seconds since 1970.'),
  client_name: text(),
  application_type: constant('service'),
  token_endpoint_auth_method: constant('private_key_jwt'),
  grant_types: list(constant('client_credentials')),
  response_types: list(constant('token')),
} as const
const grantMembers = { scope: text('Parted by spaces.'), dpop_bound_access_tokens: flag() } as const

/** A service app (RFC 7591 §3.2.1). */
export const clientBody = named(
  'Client',
  anyOf([
    object({ ...clientMembers, jwks: jwksBody, ...grantMembers }),
    object({ ...clientMembers, jwks_uri: uri(), ...grantMembers }),
  ]),
)
export type ClientBody = ShapeOf<typeof clientBody>

/** Client metadata (RFC 7591 §2); what is left out or null is as a service app has it anyway. */
export const clientRequest = named(
  'ClientRequest',
  openObject({
    client_id: optional(nullable(text('On replacing, the same as in the path.'))),
    client_name: text(undefined, { minLength: 1, maxLength: 100 }),
    application_type: optional(nullable(oneOf(['service']))),
    token_endpoint_auth_method: optional(nullable(oneOf(['private_key_jwt']))),
    grant_types: optional(nullable(list(constant('client_credentials')))),
    response_types: optional(nullable(list(constant('token')))),
    jwks: optional(nullable(openObject({ keys: list(jwk) }))),
    jwks_uri: optional(nullable(uri())),
    scope: optional(nullable(text('Parted by spaces.'))),
    dpop_bound_access_tokens: optional(nullable(flag())),
  }),
)
export type ClientRequest = ShapeOf<typeof clientRequest>

/** The user whom an API token stands for (OKTA-O31). */
export const currentUserBody = named(
  'CurrentUser',
  object({
    id: text(),
    status: constant('ACTIVE'),
    created: time(),
    activated: time(),
    statusChanged: time(),
    lastLogin: nullable(time()),
    lastUpdated: time(),
    passwordChanged: constant(null),
    type: object({ id: text() }),
    profile: object({
      firstName: text(),
      lastName: text(),
      mobilePhone: constant(null),
      secondEmail: constant(null),
      login: text(),
      email: constant(null),
    }),
    credentials: object({ provider: object({ type: text(), name: text() }) }),
    _links: object({ self: plainLink }),
  }),
)
export type CurrentUserBody = ShapeOf<typeof currentUserBody>

const tag = 'OAuth'
const read = 'okta.clients.read'
const manage = 'okta.clients.manage'
const client = { description: 'The service app.', ...json(clientBody) }

/** Access tokens, the service apps that get them, and what clients ask about the hub before. */
export const oauthOperations = {
  'POST /oauth2/v1/token': {
    id: 'issueToken',
    tag,
    summary: 'Get an access token (client credentials with private_key_jwt)',
    description: 'Every parameter may stand in the query instead of the body.',
    access: 'client_assertion',
    refusals: 'oauth',
    headers: { DPoP: optional(text('A proof (RFC 9449), of a client that is bound to a key.')) },
    body: { content: { 'application/x-www-form-urlencoded': tokenRequest }, optional: true },
    answers: { 200: { description: 'The token.', ...json(tokenBody) } },
    errors: [
      'oauth.invalid_request',
      'oauth.invalid_client',
      'oauth.invalid_scope',
      'oauth.consent_required',
      'oauth.unsupported_grant_type',
      'oauth.invalid_dpop_proof',
      'oauth.use_dpop_nonce',
    ],
  },
  'GET /oauth2/v1/keys': {
    id: 'listSigningKeys',
    tag,
    summary: 'List the public keys that access tokens are signed with',
    access: 'anyone',
    unlimited: true,
    answers: { 200: { description: 'The keys.', ...json(jwksBody) } },
  },
  'GET /.well-known/oauth-authorization-server': {
    id: 'getAuthorizationServer',
    tag,
    summary: 'Describe the authorization server (RFC 8414)',
    access: 'anyone',
    unlimited: true,
    answers: { 200: { description: 'The metadata.', ...json(authorizationServerBody) } },
  },
  'GET /.well-known/okta-organization': {
    id: 'getOrganization',
    tag,
    summary: 'Describe the organization as Okta does',
    access: 'anyone',
    unlimited: true,
    answers: { 200: { description: 'The organization.', ...json(organizationBody) } },
  },
  'POST /oauth2/v1/clients': {
    id: 'createClient',
    tag,
    summary: 'Register a service app',
    access: manage,
    body: json(clientRequest),
    answers: { 201: client },
    errors: ['oauth.invalid_client_metadata'],
  },
  'GET /oauth2/v1/clients': {
    id: 'listClients',
    tag,
    summary: 'List service apps by their ids',
    access: read,
    query: {
      after: optional(text('The id that the last page ended with.')),
      limit: optional(integer('50 unless given; 200 at most.', { minimum: 1 })),
    },
    answers: {
      200: {
        description: 'A page.',
        ...json(list(clientBody)),
        headers: { Link: text('`<…>; rel="self"`, and `<…>; rel="next"` while there is a next page.') },
      },
    },
    errors: ['request.invalid'],
  },
  'GET /oauth2/v1/clients/:clientId': {
    id: 'getClient',
    tag,
    summary: 'Retrieve a service app',
    access: read,
    answers: { 200: client },
    errors: ['client.not_found'],
  },
  'PUT /oauth2/v1/clients/:clientId': {
    id: 'replaceClient',
    tag,
    summary: 'Replace a service app',
    access: manage,
    body: json(clientRequest),
    answers: { 200: client },
    errors: ['client.not_found', 'oauth.invalid_client_metadata'],
  },
  'DELETE /oauth2/v1/clients/:clientId': {
    id: 'deleteClient',
    tag,
    summary: 'Delete a service app',
    access: manage,
    answers: { 204: { description: 'It is gone, and its tokens are good no longer.' } },
    errors: ['client.not_found'],
  },
  'GET /api/v1/users/me': {
    id: 'getCurrentUser',
    tag,
    summary: 'Retrieve the user whom an API token stands for',
    access: 'okta.userRisk.read',
    answers: { 200: { description: 'The user.', ...json(currentUserBody) } },
    errors: ['access.forbidden'],
  },
} as const satisfies Operations
