import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Credentials } from '../access/authenticator.ts'
import { actorOf, type Caller } from '../access/caller.ts'
import type { Scope } from '../access/scopes.ts'
import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import type { Evaluator } from '../policy/evaluator.ts'
import type { Ground, Opinion, Verdict } from '../policy/evaluate.ts'
import type { Question } from '../policy/question.ts'
import {
  isUnreadable,
  readEvaluation,
  readEvaluations,
  type EvaluationsRequest,
  type Unreadable,
} from './authzen-request.ts'
import { oktaErrorAnswer } from './okta-errors.ts'
import { routesOf, type Route } from './route.ts'
import type { BodyRoom } from './body-room.ts'
import { withRequestBody } from './read-body.ts'
import {
  apiBodyBytesMax,
  asHubError,
  errorHeaders,
  logCause,
  readJson,
  spend,
  type ServerDeps,
} from './server.ts'
import type {
  DecisionBody,
  DecisionsBody,
  GroundBody,
  OpinionBody,
  UnreadableDecisionBody,
} from '../wire/evaluation.ts'
import { pathOf, type BodyOfAnswer } from '../wire/operation.ts'
import { operations, type AllOperations } from '../wire/operations.ts'
import { challengeOf } from './www-authenticate.ts'

export interface EvaluationDeps extends Pick<ServerDeps, 'world' | 'logger' | 'origin' | 'takeBudget'> {
  readonly evaluator: Evaluator
  /** Where questions are read into, once their caller is known. */
  readonly room: BodyRoom
  authenticate(credentials: Credentials, needed: Scope): Promise<Caller>
}

/** The metadata document of the evaluation API (Authorization API 1.0 §9). */
export function authzenMetadataRoutes(origin: string): readonly Route[] {
  return routesOf({
    'GET /.well-known/authzen-configuration': async () => ({
      status: 200,
      body: {
        policy_decision_point: origin,
        access_evaluation_endpoint: origin + pathOf('POST /access/v1/evaluation'),
        access_evaluations_endpoint: origin + pathOf('POST /access/v1/evaluations'),
      },
    }),
  })
}

/**
 * The question at sign-in (Authorization API 1.0 §6, §7, §10). Outside the route table because it runs at every sign-in:
 * callers with the scope for it have no rate limit, and errors are strings as in that API. A `read_only` token is rate
 * limited for each question, because each question writes an entry of the System Log about a user.
 */
export function mountEvaluation(app: FastifyInstance, deps: EvaluationDeps): void {
  const { evaluator } = deps
  /** Takes so many questions from the rate limit, before any is answered; the request itself pays the first. @throws HubError `request.rate_limited` */
  type Pay = (questions: number) => Promise<void>
  const mount = <Name extends 'POST /access/v1/evaluation' | 'POST /access/v1/evaluations'>(
    name: Name,
    work: (
      body: JsonValue | undefined,
      by: Actor,
      pay: Pay,
    ) => Promise<BodyOfAnswer<AllOperations[Name]['answers'][200]>>,
  ): void => {
    const path = pathOf(name)
    app.route({
      method: 'POST',
      url: path,
      onRequest(request, reply, done) {
        echoRequestId(request, reply)
        done()
      },
      handler: async (request, reply) => {
        const caller = await requireCaller(deps, request, reply, operations[name].access, path)
        const by = actorOf(caller, {
          ip: request.ip,
          userAgent: request.headers['user-agent'],
          requestId: request.id,
        })
        const pay: Pay = async (questions) => {
          if (caller.kind !== 'token' || caller.role !== 'read_only') return
          for (let paid = 0; paid < questions; paid++) await spend(deps, reply, caller)
        }
        await pay(1)
        const answer = await withRequestBody(
          request.raw,
          { bytesMax: apiBodyBytesMax, room: deps.room },
          async (body) => work(readJson(body, request), by, pay),
        )
        return reply.header('content-type', 'application/json').send(JSON.stringify(answer))
      },
      errorHandler: (error, request, reply) => refuse(deps, asHubError(error), request, reply),
    })
  }
  mount('POST /access/v1/evaluation', async (body, by) =>
    decision(await evaluator.answer(readEvaluation(body, deps.world.now()), by)),
  )
  mount('POST /access/v1/evaluations', async (body, by, pay) => {
    const asked = readEvaluations(body, deps.world.now())
    if ('user' in asked) return decision(await evaluator.answer(asked, by))
    await pay(asked.questions.length - 1)
    return { evaluations: await answerAll(asked, async (one) => decision(await evaluator.answer(one, by))) }
  })
}

/** §10.1.9: every answer repeats the id of the request. */
function echoRequestId(request: FastifyRequest, reply: FastifyReply): void {
  const id = request.headers['x-request-id']
  if (id !== undefined) reply.header('x-request-id', id)
}

async function requireCaller(
  deps: EvaluationDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  scope: Scope,
  path: string,
): Promise<Caller> {
  const { authorization, dpop } = request.headers
  try {
    return await deps.authenticate(
      {
        authorization,
        dpop: Array.isArray(dpop) ? dpop.join(', ') : dpop,
        method: 'POST',
        url: deps.origin + path,
        resource: path,
      },
      scope,
    )
  } catch (error) {
    await spend(deps, reply, { ip: request.ip })
    throw error
  }
}

/** Answers in the order of the questions; semantics that stop early omit the rest (§7.1.2.1). */
async function answerAll(
  { semantic, questions }: EvaluationsRequest,
  answer: (question: Question) => Promise<DecisionBody>,
): Promise<DecisionsBody['evaluations']> {
  const one = async (question: Question | Unreadable): Promise<DecisionsBody['evaluations'][number]> =>
    isUnreadable(question) ? closed(question) : answer(question)
  if (semantic === 'execute_all') return Promise.all(questions.map(one))
  const stopAt = semantic === 'permit_on_first_permit'
  const decisions: DecisionsBody['evaluations'][number][] = []
  for (const question of questions) {
    const made = await one(question)
    decisions.push(made)
    if (made.decision === stopAt) break
  }
  return decisions
}

/** An evaluation that cannot be made permits nothing (§7.2.1). */
function closed({ problem }: Unreadable): UnreadableDecisionBody {
  return { decision: false, context: { error: { status: 400, message: `${problem}.` } } }
}

/** Only the outcome `allow` is the decision true; `challenge` is false. */
function decision(verdict: Verdict): DecisionBody {
  const { outcome, reported, notes, userId } = verdict
  return {
    decision: outcome === 'allow',
    context: {
      ...opinionBody(verdict),
      reported: opinionBody(reported),
      ...(userId !== undefined && { user: userId }),
      ...(notes.length > 0 && { notes }),
    },
  }
}

function opinionBody({ outcome, level, grounds, groundsTotal }: Opinion): OpinionBody {
  return {
    outcome,
    level,
    reasons: grounds.map(groundBody),
    ...(groundsTotal > grounds.length && { reasons_total: groundsTotal }),
  }
}

function groundBody({ text, about, level, source, occurredAt, expiresAt, signalId }: Ground): GroundBody {
  return {
    text,
    about,
    level: level ?? null,
    source,
    occurred_at: occurredAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
    ...(signalId !== undefined && { signal_id: signalId }),
  }
}

/** Errors are strings (§10.1.7), and missing credentials 401 rather than Okta's 403. */
function refuse(deps: EvaluationDeps, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const errorId = deps.world.newId('oae')
  const send = (status: number, message: string): void => {
    void reply.code(status).header('content-type', 'application/json').send(JSON.stringify(message))
  }
  if (!(error instanceof HubError)) {
    // Without the query: it may hold the name of a user.
    deps.logger.error({ err: error, errorId, path: request.url.split('?')[0] }, 'an evaluation failed')
    return send(500, `Internal error ${errorId}.`)
  }
  const missing = error.code === 'access.no_credentials'
  const challenge = missing ? `Bearer realm="${deps.origin}"` : challengeOf(error, deps.origin)
  if (challenge !== undefined) reply.header('www-authenticate', challenge)
  reply.headers(errorHeaders(error))
  const status = missing ? 401 : oktaErrorAnswer(error, errorId).status
  logCause(deps.logger, error, { status, errorId })
  send(status, error.detail)
}
