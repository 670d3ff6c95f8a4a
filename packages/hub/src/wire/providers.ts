import { riskActions } from '../risk/risk-action.ts'
import { hintedLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import {
  anyOf,
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

/** A Security Events Provider (OKTA §1.3). */
export const providerBody = named(
  'SecurityEventsProvider',
  object({
    id: text('`sse` + 17.'),
    name: text(),
    type: text('What kind of application it is, such as `okta`.'),
    status: oneOf(['ACTIVE', 'INACTIVE']),
    settings: object({
      well_known_url: optional(uri('Where its metadata is, when it was registered by that.')),
      issuer: text('The `iss` of its tokens, character for character.'),
      jwks_url: uri('Where it publishes its keys.'),
    }),
    _links: object({
      self: hintedLink,
      activate: optional(hintedLink),
      deactivate: optional(hintedLink),
    }),
  }),
)
export type ProviderBody = ShapeOf<typeof providerBody>

/** What somebody asks a provider to be (OKTA §1.2). */
export const providerRequest = named(
  'SecurityEventsProviderRequest',
  openObject({
    name: text('Unique.', { minLength: 1, maxLength: 100 }),
    type: text('What kind of application it is, any word.', { minLength: 1, maxLength: 255 }),
    settings: anyOf(
      [
        openObject({ well_known_url: uri('The hub reads issuer and JWKS URL there.') }),
        openObject({ issuer: text('The `iss` of its tokens.', { maxLength: 700 }), jwks_url: uri() }),
      ],
      'When `well_known_url` is given, it wins.',
    ),
  }),
)
export type ProviderRequest = ShapeOf<typeof providerRequest>

/** The keys that this node checks the SETs of a provider with. */
export const providerKeysBody = named(
  'ProviderKeys',
  object({
    jwks_url: uri(),
    fetched_at: nullable(time()),
    last_error: nullable(text('Why the latest fetch failed.')),
    next_fetch_at: nullable(time('No fetch before then, unless a token has a key that is not known.')),
    keys: list(
      object({
        kid: nullable(text()),
        algorithms: list(text()),
        unusable: nullable(text('Why it is not used.')),
      }),
    ),
  }),
)
export type ProviderKeysBody = ShapeOf<typeof providerKeysBody>

/** What the word of a provider counts for. */
export const riskAction = oneOf(
  riskActions,
  'What the word of a source counts for: nothing, something to see, or something to act on.',
)
export const providerActionBody = named('ProviderAction', object({ action: riskAction }))
export type ProviderActionBody = ShapeOf<typeof providerActionBody>

/** One identifier of a user, device, session or address. */
export const identifierBody = named(
  'Identifier',
  object({
    format: text('The format of RFC 9493, or `ip`.'),
    value: text(),
    issuer: nullable(text('To whom the value means something, when not to everybody.')),
  }),
)

const refusedClaim = object({
  reason: nullable(text('Why it is not believed.')),
  said_at: time(),
  identifiers: list(identifierBody, 'What the provider said is one.'),
})

/** Of whom a provider may speak, and what it may join (docs/trust.md). */
export const providerTrustBody = named(
  'ProviderTrust',
  object({
    speaks_of: object({
      domains: nullable(list(text())),
      issuers: nullable(list(text())),
      events: nullable(list(uri())),
    }),
    joins: object({ everything: flag(), domains: list(text()), issuers: list(text()) }),
    precedence: nullable(integer()),
    refused_claims: object({ total: integer(), newest: list(refusedClaim) }),
  }),
)
export type ProviderTrustBody = ShapeOf<typeof providerTrustBody>

const texts = optional(nullable(list(text(), undefined, { maxItems: 1_000 })))
export const providerTrustRequest = named(
  'ProviderTrustRequest',
  object({
    speaks_of: optional(nullable(object({ domains: texts, issuers: texts, events: texts }))),
    joins: optional(
      nullable(object({ everything: optional(nullable(flag())), domains: texts, issuers: texts })),
    ),
    precedence: optional(nullable(integer(undefined, { minimum: 1, maximum: 1_000_000 }))),
  }),
)
export type ProviderTrustRequest = ShapeOf<typeof providerTrustRequest>

const tag = 'Security Events Providers'
const read = 'okta.securityEventsProviders.read'
const manage = 'okta.securityEventsProviders.manage'
const actions = 'watchbell.providers.manage'
const provider = { description: 'The provider.', ...json(providerBody) }
const keys = { description: 'The keys as this node has them.', ...json(providerKeysBody) }
const action = { description: 'The action.', ...json(providerActionBody) }
const trust = { description: 'What holds.', ...json(providerTrustBody) }

/** Security Events Providers (OKTA §1), and what is ours about them. */
export const providerOperations = {
  'GET /api/v1/security-events-providers': {
    id: 'listSecurityEventsProviders',
    tag,
    summary: 'List all Security Events Providers',
    access: read,
    answers: { 200: { description: 'All of them.', ...json(list(providerBody)) } },
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
    answers: { 204: { description: 'It is gone. What it sent stays.' } },
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
    summary: 'Show the keys that a provider is checked with',
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
    summary: 'Show what the word of a provider counts for',
    access: actions,
    answers: { 200: action },
    errors: ['provider.not_found'],
  },
  'PUT /v1/providers/:id/action': {
    id: 'setProviderAction',
    tag,
    summary: 'Set what the word of a provider counts for',
    access: actions,
    body: json(providerActionBody),
    answers: { 200: action },
    errors: ['provider.not_found', 'request.invalid'],
  },
  'GET /v1/providers/:id/trust': {
    id: 'getProviderTrust',
    tag,
    summary: 'Show of whom a provider may speak and what it may join',
    access: actions,
    answers: { 200: trust },
    errors: ['provider.not_found'],
  },
  'PUT /v1/providers/:id/trust': {
    id: 'setProviderTrust',
    tag,
    summary: 'Set of whom a provider may speak and what it may join',
    access: actions,
    body: json(providerTrustRequest),
    answers: { 200: trust },
    errors: ['provider.not_found', 'request.invalid'],
  },
} as const satisfies Operations
