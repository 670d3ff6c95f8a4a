import { riskActions } from '../risk/risk-action.ts'
import { hintedLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

/** A Security Events Provider (OKTA §1.3). */
export const providerBody = shape.named(
  'SecurityEventsProvider',
  shape.object({
    id: shape.text('`sse` + 17.'),
    name: shape.text(),
    type: shape.text('What kind of application it is, such as `okta`.'),
    status: shape.oneOf(['ACTIVE', 'INACTIVE']),
    settings: shape.object({
      well_known_url: shape.optional(shape.text('Where its metadata is, when it was registered by that.')),
      issuer: shape.text('The `iss` of its tokens, character for character.'),
      jwks_url: shape.text('Where it publishes its keys.'),
    }),
    _links: shape.object({
      self: hintedLink,
      activate: shape.optional(hintedLink),
      deactivate: shape.optional(hintedLink),
    }),
  }),
)
export type ProviderBody = ShapeOf<typeof providerBody>

/** The body of create and replace (OKTA §1.2). */
export const providerRequest = shape.named(
  'SecurityEventsProviderRequest',
  shape.openObject({
    name: shape.text('Unique.', { minLength: 1, maxLength: 100 }),
    type: shape.text('What kind of application it is, any word.', { minLength: 1, maxLength: 255 }),
    settings: shape.anyOf(
      [
        shape.openObject({ well_known_url: shape.uri('The hub reads issuer and JWKS URL there.') }),
        shape.openObject({
          issuer: shape.text('The `iss` of its tokens.', { maxLength: 700 }),
          jwks_url: shape.uri(),
        }),
      ],
      'When `well_known_url` is given, it wins.',
    ),
  }),
)
export type ProviderRequestBody = ShapeOf<typeof providerRequest>

/** The keys that this node checks the SETs of a provider with. */
export const providerKeysBody = shape.named(
  'ProviderKeys',
  shape.object({
    jwks_url: shape.text(),
    fetched_at: shape.nullable(shape.time()),
    last_error: shape.nullable(shape.text('Why the latest fetch failed.')),
    next_fetch_at: shape.nullable(
      shape.time('No fetch before then, unless a token has a key that is not known.'),
    ),
    keys: shape.list(
      shape.object({
        kid: shape.nullable(shape.text()),
        algorithms: shape.list(shape.text()),
        unusable: shape.nullable(shape.text('Why it is not used.')),
      }),
    ),
  }),
)
export type ProviderKeysBody = ShapeOf<typeof providerKeysBody>

/** The action of a provider: what its statements count for. */
export const riskAction = shape.oneOf(
  riskActions,
  'What the word of a source counts for: nothing, something to see, or something to act on.',
)
export const providerActionBody = shape.named('ProviderAction', shape.object({ action: riskAction }))
export type ProviderActionBody = ShapeOf<typeof providerActionBody>

/** One identifier of a user, device, session or address. */
export const identifierBody = shape.named(
  'Identifier',
  shape.object({
    format: shape.text('The format of RFC 9493, or `ip`.'),
    value: shape.text(),
    issuer: shape.nullable(shape.text('To whom the value means something, when not to everybody.')),
  }),
)

const refusedClaim = shape.object({
  reason: shape.nullable(shape.text('Why it is not believed.')),
  said_at: shape.time(),
  identifiers: shape.list(identifierBody, 'What the provider said is one.'),
})

/** The subjects that a provider may speak of, and what it may join (docs/trust.md). */
export const providerTrustBody = shape.named(
  'ProviderTrust',
  shape.object({
    speaks_of: shape.object({
      domains: shape.nullable(shape.list(shape.text())),
      issuers: shape.nullable(shape.list(shape.text())),
      events: shape.nullable(shape.list(shape.text())),
    }),
    joins: shape.object({
      everything: shape.flag(),
      domains: shape.list(shape.text()),
      issuers: shape.list(shape.text()),
    }),
    precedence: shape.nullable(shape.integer()),
    refused_claims: shape.object({ total: shape.integer(), newest: shape.list(refusedClaim) }),
  }),
)
export type ProviderTrustBody = ShapeOf<typeof providerTrustBody>

const texts = shape.optional(shape.nullable(shape.list(shape.text(), undefined, { maxItems: 1_000 })))
export const providerTrustRequest = shape.named(
  'ProviderTrustRequest',
  shape.object({
    speaks_of: shape.optional(
      shape.nullable(shape.object({ domains: texts, issuers: texts, events: texts })),
    ),
    joins: shape.optional(
      shape.nullable(
        shape.object({
          everything: shape.optional(shape.nullable(shape.flag())),
          domains: texts,
          issuers: texts,
        }),
      ),
    ),
    precedence: shape.optional(shape.nullable(shape.integer(undefined, { minimum: 1, maximum: 1_000_000 }))),
  }),
)
export type ProviderTrustRequestBody = ShapeOf<typeof providerTrustRequest>

const tag = 'Security Events Providers'
const read = 'okta.securityEventsProviders.read'
const manage = 'okta.securityEventsProviders.manage'
const actions = 'watchbell.providers.manage'
const provider = { description: 'The provider.', ...json(providerBody) }
const keys = { description: 'The keys as this node has them.', ...json(providerKeysBody) }
const action = { description: 'The action.', ...json(providerActionBody) }
const trust = { description: 'What holds.', ...json(providerTrustBody) }

/** Security Events Providers (OKTA §1), and their members that Okta does not have. */
export const providerOperations = {
  'GET /api/v1/security-events-providers': {
    id: 'listSecurityEventsProviders',
    tag,
    summary: 'List all Security Events Providers',
    access: read,
    answers: { 200: { description: 'All of them.', ...json(shape.list(providerBody)) } },
  },
  'POST /api/v1/security-events-providers': {
    id: 'createSecurityEventsProvider',
    tag,
    summary: 'Create a Security Events Provider',
    access: manage,
    body: json(providerRequest),
    answers: { 200: provider },
    errors: [
      'provider.invalid',
      'provider.name_taken',
      'provider.issuer_taken',
      'provider.limit_reached',
      'provider.metadata_unusable',
    ],
  },
  'GET /api/v1/security-events-providers/:id': {
    id: 'getSecurityEventsProvider',
    tag,
    summary: 'Retrieve a Security Events Provider',
    access: read,
    answers: { 200: provider },
    errors: ['provider.not_found'],
  },
  'PUT /api/v1/security-events-providers/:id': {
    id: 'replaceSecurityEventsProvider',
    tag,
    summary: 'Replace a Security Events Provider',
    access: manage,
    body: json(providerRequest),
    answers: { 200: provider },
    errors: [
      'provider.not_found',
      'provider.invalid',
      'provider.name_taken',
      'provider.issuer_taken',
      'provider.metadata_unusable',
    ],
  },
  'DELETE /api/v1/security-events-providers/:id': {
    id: 'deleteSecurityEventsProvider',
    tag,
    summary: 'Delete a Security Events Provider',
    access: manage,
    answers: { 204: { description: 'Deleted. Its signals stay.' } },
    errors: ['provider.not_found'],
  },
  'POST /api/v1/security-events-providers/:id/lifecycle/activate': {
    id: 'activateSecurityEventsProvider',
    tag,
    summary: 'Activate a Security Events Provider',
    access: manage,
    answers: { 200: provider },
    errors: ['provider.not_found'],
  },
  'POST /api/v1/security-events-providers/:id/lifecycle/deactivate': {
    id: 'deactivateSecurityEventsProvider',
    tag,
    summary: 'Deactivate a Security Events Provider',
    access: manage,
    answers: { 200: provider },
    errors: ['provider.not_found'],
  },
  'GET /v1/providers/:id/keys': {
    id: 'getProviderKeys',
    tag,
    summary: 'Show the verification keys of a provider',
    access: read,
    answers: { 200: keys },
    errors: ['provider.not_found'],
  },
  'POST /v1/providers/:id/keys/refresh': {
    id: 'refreshProviderKeys',
    tag,
    summary: 'Fetch the keys of a provider now',
    access: manage,
    answers: { 200: keys },
    errors: ['provider.not_found'],
  },
  'GET /v1/providers/:id/action': {
    id: 'getProviderAction',
    tag,
    summary: 'Show the action of a provider',
    access: actions,
    answers: { 200: action },
    errors: ['provider.not_found'],
  },
  'PUT /v1/providers/:id/action': {
    id: 'setProviderAction',
    tag,
    summary: 'Set the action of a provider',
    access: actions,
    body: json(providerActionBody),
    answers: { 200: action },
    errors: ['provider.not_found', 'request.invalid'],
  },
  'GET /v1/providers/:id/trust': {
    id: 'getProviderTrust',
    tag,
    summary: 'Show the trust in a provider',
    access: actions,
    answers: { 200: trust },
    errors: ['provider.not_found'],
  },
  'PUT /v1/providers/:id/trust': {
    id: 'setProviderTrust',
    tag,
    summary: 'Set the trust in a provider',
    access: actions,
    body: json(providerTrustRequest),
    answers: { 200: trust },
    errors: ['provider.not_found', 'request.invalid'],
  },
} as const satisfies Operations
