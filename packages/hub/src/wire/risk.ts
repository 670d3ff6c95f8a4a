import { hintedLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import { riskAction } from './providers.ts'
import { shape, type ShapeOf } from './schema.ts'
import { riskLevel } from './subjects.ts'

/** A Risk Provider (OKTA §4). */
export const riskProviderBody = shape.named(
  'RiskProvider',
  shape.object({
    id: shape.text('`rkp` + 17.'),
    name: shape.text(),
    clientId: shape.text('The service app that sends.'),
    action: riskAction,
    created: shape.time(),
    lastUpdated: shape.time(),
    _links: shape.object({ self: hintedLink }),
  }),
)
export type RiskProviderBody = ShapeOf<typeof riskProviderBody>

export const riskProviderRequest = shape.named(
  'RiskProviderRequest',
  shape.openObject({
    name: shape.text('Unique.', { maxLength: 50 }),
    clientId: shape.text(undefined, { maxLength: 100 }),
    action: shape.optional(shape.nullable(riskAction)),
  }),
)
export type RiskProviderRequestBody = ShapeOf<typeof riskProviderRequest>

export const riskEventCounts = shape.named(
  'RiskEventCounts',
  shape.object({ taken: shape.integer(), ignored: shape.integer() }),
)
export type RiskEventCountsBody = ShapeOf<typeof riskEventCounts>

/** Risk events (OKTA §5). */
export const riskEventsRequest = shape.named(
  'RiskEvents',
  shape.list(
    shape.openObject({
      timestamp: shape.optional(shape.nullable(shape.time())),
      expiresAt: shape.optional(shape.nullable(shape.time())),
      subjects: shape.list(
        shape.openObject({
          ip: shape.text('An IPv4 or IPv6 address.'),
          riskLevel: shape.oneOf(['LOW', 'MEDIUM', 'HIGH', 'NONE']),
          message: shape.optional(shape.nullable(shape.text())),
        }),
      ),
    }),
    'All events are stored, or none.',
    { minItems: 1 },
  ),
)
export type RiskEventsRequestBody = ShapeOf<typeof riskEventsRequest>

/** A user's risk (OKTA §7.1). */
export const userRiskBody = shape.named(
  'UserRisk',
  shape.object({
    riskLevel,
    reason: shape.optional(shape.text('The worst; there is none of NONE.')),
    _links: shape.object({ self: hintedLink, user: hintedLink }),
  }),
)
export type UserRiskBody = ShapeOf<typeof userRiskBody>

export const userRiskRequest = shape.named(
  'UserRiskRequest',
  shape.openObject({
    riskLevel: shape.oneOf(['HIGH', 'MEDIUM', 'LOW']),
    riskReason: shape.optional(
      shape.nullable(shape.text('Letters, digits, spaces and - , .', { maxLength: 500 })),
    ),
  }),
)
export type UserRiskRequestBody = ShapeOf<typeof userRiskRequest>

const tag = 'Risk'
const read = 'okta.riskProviders.read'
const manage = 'okta.riskProviders.manage'
const provider = { description: 'The risk provider.', ...json(riskProviderBody) }
const userRisk = { description: 'The risk of the user.', ...json(userRiskBody) }
const refusedProvider = [
  'risk_provider.invalid',
  'risk_provider.name_taken',
  'risk_provider.client_taken',
] as const
const deprecation = shape.optional(
  shape.text('When Okta called the path deprecated (RFC 9745), unless that is switched off.'),
)
const deprecated = { answerHeaders: { Deprecation: deprecation } } as const

/** Risk providers, their events, and a user's risk, as at Okta. */
export const riskOperations = {
  'GET /api/v1/risk/providers': {
    id: 'listRiskProviders',
    tag,
    ...deprecated,
    summary: 'List all Risk Providers',
    access: read,
    answers: { 200: { description: 'All of them.', ...json(shape.list(riskProviderBody)) } },
  },
  'POST /api/v1/risk/providers': {
    id: 'createRiskProvider',
    tag,
    ...deprecated,
    summary: 'Create a Risk Provider',
    access: manage,
    body: json(riskProviderRequest),
    answers: { 201: { ...provider } },
    errors: [...refusedProvider, 'risk_provider.limit_reached'],
  },
  'GET /api/v1/risk/providers/:id': {
    id: 'getRiskProvider',
    tag,
    ...deprecated,
    summary: 'Retrieve a Risk Provider',
    access: read,
    answers: { 200: { ...provider } },
    errors: ['risk_provider.not_found'],
  },
  'PUT /api/v1/risk/providers/:id': {
    id: 'replaceRiskProvider',
    tag,
    ...deprecated,
    summary: 'Replace a Risk Provider',
    access: manage,
    body: json(riskProviderRequest),
    answers: { 200: { ...provider } },
    errors: ['risk_provider.not_found', ...refusedProvider],
  },
  'DELETE /api/v1/risk/providers/:id': {
    id: 'deleteRiskProvider',
    tag,
    ...deprecated,
    summary: 'Delete a Risk Provider',
    access: manage,
    answers: { 204: { description: 'Deleted. Its reports no longer count.' } },
    errors: ['risk_provider.not_found'],
  },
  'POST /api/v1/risk/events/ip': {
    id: 'sendRiskEvents',
    tag,
    ...deprecated,
    summary: 'Send risk events about IP addresses',
    access: 'okta.riskEvents.manage',
    budget: 'risk_events', // OKTA-V17
    body: json(riskEventsRequest),
    answers: { 202: { description: 'All of them are durable.' } },
    errors: ['risk_event.invalid', 'access.forbidden', 'hub.standby'],
  },
  'GET /v1/risk/providers/:id/counts': {
    id: 'countRiskEvents',
    tag,
    summary: 'Count the events of a Risk Provider',
    access: read,
    answers: { 200: { description: 'The counts.', ...json(riskEventCounts) } },
    errors: ['risk_provider.not_found'],
  },
  'GET /api/v1/users/:userId/risk': {
    id: 'getUserRisk',
    tag,
    summary: "Retrieve a user's risk",
    access: 'okta.userRisk.read',
    answers: { 200: userRisk },
    errors: ['subject.not_found', 'subject.ambiguous'],
  },
  'PUT /api/v1/users/:userId/risk': {
    id: 'setUserRisk',
    tag,
    summary: "Set a user's risk",
    access: 'okta.userRisk.manage',
    body: json(userRiskRequest),
    answers: {
      200: { ...userRisk, description: 'It was set before.' },
      201: { ...userRisk, description: 'It is set for the first time.' },
    },
    errors: ['subject.not_found', 'subject.ambiguous', 'user_risk.invalid'],
  },
} as const satisfies Operations
