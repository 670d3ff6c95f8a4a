import { plainLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

/** OKTA-O13. */
export const tokenBody = shape.named(
  'AccessToken',
  shape.object({
    token_type: shape.oneOf(['Bearer', 'DPoP']),
    expires_in: shape.integer('In seconds.'),
    access_token: shape.text(),
    scope: shape.text('Parted by spaces.'),
  }),
)
export type TokenBody = ShapeOf<typeof tokenBody>

/** OKTA-O10, OKTA-O11: in the body or the query. */
export const tokenRequest = shape.named(
  'TokenRequest',
  shape.openObject({
    grant_type: shape.constant('client_credentials'),
    scope: shape.text('Parted by spaces.'),
    client_assertion_type: shape.constant('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
    client_assertion: shape.text('A JWT that the client signed (RFC 7523).'),
    client_id: shape.optional(shape.text()),
  }),
)
export type TokenRequestBody = ShapeOf<typeof tokenRequest>

const jwk = shape.anyObject('A public JWK (RFC 7517).')

export const jwksBody = shape.named('Jwks', shape.object({ keys: shape.list(jwk) }))
export type JwksBody = ShapeOf<typeof jwksBody>

/** RFC 8414 §2. */
export const authorizationServerBody = shape.named(
  'AuthorizationServer',
  shape.object({
    issuer: shape.uri(),
    token_endpoint: shape.uri(),
    jwks_uri: shape.uri(),
    registration_endpoint: shape.uri(),
    scopes_supported: shape.list(shape.text()),
    response_types_supported: shape.list(shape.text()),
    grant_types_supported: shape.list(shape.text()),
    token_endpoint_auth_methods_supported: shape.list(shape.text()),
    token_endpoint_auth_signing_alg_values_supported: shape.list(shape.text()),
    dpop_signing_alg_values_supported: shape.list(shape.text()),
  }),
)
export type AuthorizationServerBody = ShapeOf<typeof authorizationServerBody>

/** OKTA-O32. */
export const organizationBody = shape.named(
  'Organization',
  shape.object({
    id: shape.text('`00o` + 17.'),
    cell: shape.text(),
    _links: shape.object({ organization: plainLink }),
    pipeline: shape.text(),
    settings: shape.object({
      analyticsCollectionEnabled: shape.flag(),
      bugReportingEnabled: shape.flag(),
      omEnabled: shape.flag(),
    }),
  }),
)
export type OrganizationBody = ShapeOf<typeof organizationBody>

const clientMembers = {
  client_id: shape.text('`0oa` + 17.'),
  client_id_issued_at: shape.integer('Seconds since 1970.'),
  client_name: shape.text(),
  application_type: shape.constant('service'),
  token_endpoint_auth_method: shape.constant('private_key_jwt'),
  grant_types: shape.list(shape.constant('client_credentials')),
  response_types: shape.list(shape.constant('token')),
} as const
const grantMembers = {
  scope: shape.text('Parted by spaces.'),
  dpop_bound_access_tokens: shape.flag(),
} as const

/** A service app (RFC 7591 §3.2.1). */
export const clientBody = shape.named(
  'Client',
  shape.anyOf([
    shape.object({ ...clientMembers, jwks: jwksBody, ...grantMembers }),
    shape.object({ ...clientMembers, jwks_uri: shape.text(), ...grantMembers }),
  ]),
)
export type ClientBody = ShapeOf<typeof clientBody>

/** Client metadata (RFC 7591 §2); missing and null members get the values of a service app. */
export const clientRequest = shape.named(
  'ClientRequest',
  shape.openObject({
    client_id: shape.optional(shape.nullable(shape.text('On replacing, the same as in the path.'))),
    client_name: shape.text(undefined, { minLength: 1, maxLength: 100 }),
    application_type: shape.optional(shape.nullable(shape.oneOf(['service']))),
    token_endpoint_auth_method: shape.optional(shape.nullable(shape.oneOf(['private_key_jwt']))),
    grant_types: shape.optional(shape.nullable(shape.list(shape.constant('client_credentials')))),
    response_types: shape.optional(shape.nullable(shape.list(shape.constant('token')))),
    jwks: shape.optional(shape.nullable(shape.openObject({ keys: shape.list(jwk) }))),
    jwks_uri: shape.optional(shape.nullable(shape.uri())),
    scope: shape.optional(shape.nullable(shape.text('Parted by spaces.'))),
    dpop_bound_access_tokens: shape.optional(shape.nullable(shape.flag())),
  }),
)
export type ClientRequestBody = ShapeOf<typeof clientRequest>

/** The user of an API token (OKTA-O31). */
export const currentUserBody = shape.named(
  'CurrentUser',
  shape.object({
    id: shape.text(),
    status: shape.constant('ACTIVE'),
    created: shape.time(),
    activated: shape.time(),
    statusChanged: shape.time(),
    lastLogin: shape.nullable(shape.time()),
    lastUpdated: shape.time(),
    passwordChanged: shape.constant(null),
    type: shape.object({ id: shape.text() }),
    profile: shape.object({
      firstName: shape.text(),
      lastName: shape.text(),
      mobilePhone: shape.constant(null),
      secondEmail: shape.constant(null),
      login: shape.text(),
      email: shape.constant(null),
    }),
    credentials: shape.object({ provider: shape.object({ type: shape.text(), name: shape.text() }) }),
    _links: shape.object({ self: plainLink }),
  }),
)
export type CurrentUserBody = ShapeOf<typeof currentUserBody>

const tag = 'OAuth'
const read = 'okta.clients.read'
const manage = 'okta.clients.manage'
const client = { description: 'The service app.', ...json(clientBody) }

/** Access tokens, service apps, and the metadata that clients read first. */
export const oauthOperations = {
  'POST /oauth2/v1/token': {
    id: 'issueToken',
    tag,
    summary: 'Get an access token (client credentials with private_key_jwt)',
    description: 'Every parameter may stand in the query instead of the body.',
    access: 'client_assertion',
    refusals: 'oauth',
    headers: { DPoP: shape.optional(shape.text('A proof (RFC 9449), of a client that is bound to a key.')) },
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
      'hub.secret_unreadable',
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
      after: shape.optional(shape.text('The id that the last page ended with.')),
      limit: shape.optional(shape.integer('50 unless given; 200 at most.', { minimum: 1 })),
    },
    answers: {
      200: {
        description: 'A page.',
        ...json(shape.list(clientBody)),
        headers: { Link: shape.text('`<…>; rel="self"`, and `<…>; rel="next"` while there is a next page.') },
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
    answers: { 204: { description: 'Deleted. Its access tokens are refused.' } },
    errors: ['client.not_found'],
  },
  'GET /api/v1/users/me': {
    id: 'getCurrentUser',
    tag,
    summary: 'Retrieve the user of an API token',
    access: 'okta.userRisk.read',
    answers: { 200: { description: 'The user.', ...json(currentUserBody) } },
    errors: ['access.forbidden'],
  },
} as const satisfies Operations
