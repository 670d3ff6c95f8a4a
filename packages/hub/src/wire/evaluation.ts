import { outcomes } from '../policy/outcome.ts'
import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'
import { riskLevel } from './subjects.ts'

/** The outcome of a question. */
export const decisionOutcome = shape.oneOf(outcomes)

export const groundBody = shape.named(
  'Ground',
  shape.object({
    text: shape.text('One sentence for people.'),
    about: shape.text('`user`, `device`, `session` or `address`.'),
    level: shape.nullable(riskLevel),
    source: shape.object({
      kind: shape.oneOf(['security_events_provider', 'risk_provider', 'admin']),
      id: shape.text(),
      name: shape.text(),
    }),
    occurred_at: shape.time(),
    expires_at: shape.nullable(shape.time()),
    signal_id: shape.optional(shape.text()),
  }),
)

const opinionMembers = {
  outcome: decisionOutcome,
  level: riskLevel,
  reasons: shape.list(groundBody, 'The weightiest, worst first.'),
  reasons_total: shape.optional(shape.integer('How many there are, when that is more.')),
} as const

export type GroundBody = ShapeOf<typeof groundBody>

export const opinionBody = shape.named('Opinion', shape.object(opinionMembers))
export type OpinionBody = ShapeOf<typeof opinionBody>

/** The answer to a valid question (Authorization API 1.0 §6.2). */
export const decisionBody = shape.named(
  'Decision',
  shape.object({
    decision: shape.flag('Whether to let the user in now: only the outcome `allow` is a yes.'),
    context: shape.object({
      ...opinionMembers,
      reported: opinionBody,
      user: shape.optional(shape.text('The id of the user here.')),
      notes: shape.optional(shape.list(shape.text(), 'What the question left open.')),
    }),
  }),
)
export type DecisionBody = ShapeOf<typeof decisionBody>

/** The answer to an invalid question among several (§7.2.1). */
export const unreadableDecision = shape.named(
  'UnreadableDecision',
  shape.object({
    decision: shape.constant(false),
    context: shape.object({ error: shape.object({ status: shape.integer(), message: shape.text() }) }),
  }),
)

export type UnreadableDecisionBody = ShapeOf<typeof unreadableDecision>

export const decisionsBody = shape.named(
  'Decisions',
  shape.object({ evaluations: shape.list(shape.anyOf([decisionBody, unreadableDecision])) }),
)
export type DecisionsBody = ShapeOf<typeof decisionsBody>

const questionMembers = {
  subject: shape.openObject({
    type: shape.constant('user'),
    id: shape.text('Sign-in name, email address or entity id.'),
    properties: shape.optional(
      shape.openObject({
        iss: shape.optional(shape.nullable(shape.text())),
        ip_address: shape.optional(shape.nullable(shape.text())),
        device_id: shape.optional(shape.nullable(shape.text())),
      }),
    ),
  }),
  action: shape.openObject({ name: shape.text() }),
  resource: shape.openObject({ type: shape.text(), id: shape.text() }),
  context: shape.optional(
    shape.openObject({
      ip: shape.optional(shape.nullable(shape.text())),
      device: shape.optional(shape.nullable(shape.text())),
      device_iss: shape.optional(shape.nullable(shape.text())),
      session: shape.optional(shape.nullable(shape.text())),
      session_iss: shape.optional(shape.nullable(shape.text())),
      user_agent: shape.optional(shape.nullable(shape.text())),
      issued_at: shape.optional(
        shape.nullable(
          shape.anyOf(
            [shape.text(), shape.number()],
            'When the session began: ISO 8601, or seconds since 1970.',
          ),
        ),
      ),
    }),
  ),
} as const

export const questionRequest = shape.named('Question', shape.openObject(questionMembers))
export type QuestionRequestBody = ShapeOf<typeof questionRequest>

export const questionsRequest = shape.named(
  'Questions',
  shape.openObject({
    subject: shape.optional(questionMembers.subject),
    action: shape.optional(questionMembers.action),
    resource: shape.optional(questionMembers.resource),
    context: questionMembers.context,
    evaluations: shape.optional(
      shape.list(
        shape.anyObject('Members of a question; those that are left out are as in the whole.'),
        undefined,
        {
          maxItems: 100,
        },
      ),
    ),
    options: shape.optional(
      shape.openObject({
        evaluations_semantic: shape.optional(
          shape.oneOf(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']),
        ),
      }),
    ),
  }),
)
export type QuestionsRequestBody = ShapeOf<typeof questionsRequest>

/** The metadata document of the evaluation API (Authorization API 1.0 §9). */
export const authzenConfigurationBody = shape.named(
  'AuthzenConfiguration',
  shape.object({
    policy_decision_point: shape.uri(),
    access_evaluation_endpoint: shape.uri(),
    access_evaluations_endpoint: shape.uri(),
  }),
)
export type AuthzenConfigurationBody = ShapeOf<typeof authzenConfigurationBody>

const tag = 'Sign-in'
const access = 'watchbell.access.evaluate'
const requestId = shape.optional(shape.text('Comes back with the answer (§10.1.9).'))
const echoed = { 'X-Request-ID': requestId } as const

const verdictHeaders = {
  'X-Watchbell-Risk': shape.optional(riskLevel),
  'X-Watchbell-Revocation': shape.optional(
    shape.oneOf(['session_over', 'sign_in_again', 'ignored'], 'What a revocation of sessions did.'),
  ),
  'X-Watchbell-Error': shape.optional(shape.text('What the proxy did wrong.')),
} as const

/** The question at sign-in (Authorization API 1.0 §6, §7), and the question of a reverse proxy. */
export const evaluationOperations = {
  'POST /access/v1/evaluation': {
    id: 'evaluate',
    tag,
    summary: 'Ask whether a user may sign in now',
    access,
    apart: true,
    refusals: 'authzen',
    headers: echoed,
    body: json(questionRequest),
    answers: { 200: { description: 'The decision.', ...json(decisionBody), headers: echoed } },
    errors: ['evaluation.invalid'],
  },
  'POST /access/v1/evaluations': {
    id: 'evaluateAll',
    tag,
    summary: 'Ask several questions at once',
    access,
    apart: true,
    refusals: 'authzen',
    headers: echoed,
    body: json(questionsRequest),
    answers: {
      200: {
        description:
          'The decisions in the order of the questions; one alone when there are no `evaluations`.',
        ...json(shape.anyOf([decisionsBody, decisionBody])),
        headers: echoed,
      },
    },
    errors: ['evaluation.invalid'],
  },
  'GET /.well-known/authzen-configuration': {
    id: 'getAuthzenConfiguration',
    tag,
    summary: 'Describe the evaluation API (Authorization API 1.0 §9)',
    access: 'anyone',
    unlimited: true,
    answers: { 200: { description: 'The metadata.', ...json(authzenConfigurationBody) } },
  },
  'ALL /access/v1/forward-auth': {
    id: 'forwardAuth',
    tag,
    summary: 'Answer a reverse proxy before it lets a request through',
    description:
      'Every method is taken, and every path behind this one. Which headers name user, address, session and time of sign-in ' +
      'is up to the settings; a body is ignored. A trusted proxy gets no body.',
    access: 'trusted_proxy',
    apart: true,
    unlimited: true,
    headers: {
      'X-Forwarded-User': shape.optional(
        shape.text('The user who is signed in, unless the settings name another header.'),
      ),
      'X-Forwarded-For': shape.optional(shape.text('The address of the client, with proxies behind it.')),
      'X-Forwarded-Host': shape.optional(shape.text('What is asked for.')),
      'X-Watchbell-Token': shape.optional(shape.text('What the setting says, where it says something.')),
    },
    answers: {
      200: { description: 'Let the request through.', headers: verdictHeaders },
      401: {
        description: 'No user is signed in, or a new sign-in is needed: `WWW-Authenticate` says which.',
        headers: { ...verdictHeaders, 'WWW-Authenticate': shape.text() },
      },
      403: {
        description: 'Deny the request, or the caller is not a trusted proxy.',
        headers: verdictHeaders,
      },
    },
    errors: ['access.forbidden', 'request.invalid'],
  },
} as const satisfies Operations
