import { outcomes } from '../policy/outcome.ts'
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
  number,
  object,
  oneOf,
  openObject,
  optional,
  text,
  time,
  uri,
  type ShapeOf,
} from './schema.ts'
import { riskLevel } from './subjects.ts'

/** What comes of a question. */
export const decisionOutcome = oneOf(outcomes)

export const groundBody = named(
  'Ground',
  object({
    text: text('One sentence for people.'),
    about: text('`user`, `device`, `session` or `address`.'),
    level: nullable(riskLevel),
    source: object({
      kind: oneOf(['security_events_provider', 'risk_provider', 'admin']),
      id: text(),
      name: text(),
    }),
    occurred_at: time(),
    expires_at: nullable(time()),
    signal_id: optional(text()),
  }),
)

const opinionMembers = {
  outcome: decisionOutcome,
  level: riskLevel,
  reasons: list(groundBody, 'The weightiest, worst first.'),
  reasons_total: optional(integer('How many there are, when that is more.')),
} as const

export type GroundBody = ShapeOf<typeof groundBody>

export const opinionBody = named('Opinion', object(opinionMembers))
export type OpinionBody = ShapeOf<typeof opinionBody>

/** The answer to a question that could be read (Authorization API 1.0 §6.2). */
export const decisionBody = named(
  'Decision',
  object({
    decision: flag('Whether to let the user in now: only the outcome `allow` is a yes.'),
    context: object({
      ...opinionMembers,
      reported: opinionBody,
      user: optional(text('The id of the user here.')),
      notes: optional(list(text(), 'What the question left open.')),
    }),
  }),
)
export type DecisionBody = ShapeOf<typeof decisionBody>

/** The answer to one of several that could not be read (§7.2.1). */
export const unreadableDecision = named(
  'UnreadableDecision',
  object({
    decision: constant(false),
    context: object({ error: object({ status: integer(), message: text() }) }),
  }),
)

export type UnreadableDecisionBody = ShapeOf<typeof unreadableDecision>

export const decisionsBody = named(
  'Decisions',
  object({ evaluations: list(anyOf([decisionBody, unreadableDecision])) }),
)
export type DecisionsBody = ShapeOf<typeof decisionsBody>

const questionMembers = {
  subject: openObject({
    type: constant('user'),
    id: text('Sign-in name, email address or entity id.'),
    properties: optional(
      openObject({
        iss: optional(nullable(text())),
        ip_address: optional(nullable(text())),
        device_id: optional(nullable(text())),
      }),
    ),
  }),
  action: openObject({ name: text() }),
  resource: openObject({ type: text(), id: text() }),
  context: optional(
    openObject({
      ip: optional(nullable(text())),
      device: optional(nullable(text())),
      device_iss: optional(nullable(text())),
      session: optional(nullable(text())),
      session_iss: optional(nullable(text())),
      user_agent: optional(nullable(text())),
      issued_at: optional(
        nullable(anyOf([text(), number()], 'When the session began: ISO 8601, or seconds since 1970.')),
      ),
    }),
  ),
} as const

export const questionRequest = named('Question', openObject(questionMembers))
export type QuestionRequest = ShapeOf<typeof questionRequest>

export const questionsRequest = named(
  'Questions',
  openObject({
    subject: optional(questionMembers.subject),
    action: optional(questionMembers.action),
    resource: optional(questionMembers.resource),
    context: questionMembers.context,
    evaluations: optional(
      list(anyObject('Members of a question; those that are left out are as in the whole.'), undefined, {
        maxItems: 100,
      }),
    ),
    options: optional(
      openObject({
        evaluations_semantic: optional(
          oneOf(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']),
        ),
      }),
    ),
  }),
)
export type QuestionsRequest = ShapeOf<typeof questionsRequest>

/** Where to ask (Authorization API 1.0 §9). */
export const authzenConfigurationBody = named(
  'AuthzenConfiguration',
  object({
    policy_decision_point: uri(),
    access_evaluation_endpoint: uri(),
    access_evaluations_endpoint: uri(),
  }),
)
export type AuthzenConfigurationBody = ShapeOf<typeof authzenConfigurationBody>

const tag = 'Sign-in'
const access = 'watchbell.access.evaluate'
const requestId = optional(text('Comes back with the answer (§10.1.9).'))
const echoed = { 'X-Request-ID': requestId } as const

const verdictHeaders = {
  'X-Watchbell-Risk': optional(riskLevel),
  'X-Watchbell-Revocation': optional(
    oneOf(['session_over', 'sign_in_again', 'ignored'], 'What a revocation of sessions did.'),
  ),
  'X-Watchbell-Error': optional(text('What the proxy did wrong.')),
} as const

/** The question at sign-in (Authorization API 1.0 §6, §7), and what a reverse proxy asks. */
export const evaluationOperations = {
  'POST /access/v1/evaluation': {
    id: 'evaluate',
    tag,
    summary: 'Ask whether a user may come in now',
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
        ...json(anyOf([decisionsBody, decisionBody])),
        headers: echoed,
      },
    },
    errors: ['evaluation.invalid'],
  },
  'GET /.well-known/authzen-configuration': {
    id: 'getAuthzenConfiguration',
    tag,
    summary: 'Tell where to ask (Authorization API 1.0 §9)',
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
      'X-Forwarded-User': optional(
        text('The user who is signed in, unless the settings name another header.'),
      ),
      'X-Forwarded-For': optional(text('The address of the client, with proxies behind it.')),
      'X-Forwarded-Host': optional(text('What is asked for.')),
      'X-Watchbell-Token': optional(text('What the setting says, where it says something.')),
    },
    answers: {
      200: { description: 'Let the request through.', headers: verdictHeaders },
      401: {
        description: 'Nobody is signed in, or signing in again is needed: `WWW-Authenticate` says which.',
        headers: { ...verdictHeaders, 'WWW-Authenticate': text() },
      },
      403: { description: 'Let nobody through, or the caller is no trusted proxy.', headers: verdictHeaders },
    },
    errors: ['access.forbidden', 'request.invalid'],
  },
} as const satisfies Operations
