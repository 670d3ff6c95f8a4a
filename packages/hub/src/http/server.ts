import { METHODS, type IncomingMessage } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Caller } from '../access/caller.ts'
import { rateLimited } from '../access/rate-limits.ts'
import type { Scope } from '../access/scopes.ts'
import { HubError } from '../base/hub-error.ts'
import { parseIJson, type JsonValue, type Logger, printable } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import { anonymousBodyBytesMax, createBodyRoom, provenBodyBytesMax, type BodyRoom } from './body-room.ts'
import { plainForwardedFor } from './forwarded-for.ts'
import { internalErrorAnswer, oktaErrorAnswer } from './okta-errors.ts'
import { answerParserError, parsedHeadBytesMax } from './parser-errors.ts'
import { withRequestBody } from './read-body.ts'
import { observeRequests, type RequestObserver } from './request-observer.ts'
import type { Answer, ApiRequest, GuardedRoute, Route } from './route.ts'
import type { OktaErrorBody } from '../wire/common.ts'
import type { Method } from '../wire/operation.ts'
import { normaliseTarget } from './target.ts'
import { challengeOf } from './www-authenticate.ts'

/** The rest of a caller's rate limit; `resetAt` is epoch seconds (OKTA-Q1). */
export interface Budget {
  readonly limit: number
  readonly remaining: number
  readonly resetAt: number
  readonly exceeded: boolean
}

export interface ServerDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  readonly logger: Logger
  /** `https://hub.example`, without a trailing slash. */
  readonly origin: string
  readonly routes: readonly Route[]
  /** Plugins outside the route table. */
  readonly mount: (app: FastifyInstance, rooms: BodyRooms) => void
  /** @see Authenticator.authenticate */
  authenticate(request: ApiRequest, needed: Scope, admit: (caller: Caller) => Promise<void>): Promise<Caller>
  /** Takes one request from the rate limit of a caller, or of an address before authentication. */
  takeBudget(
    of: Caller | { readonly ip: string },
    budget?: GuardedRoute['budget'],
  ): Promise<Budget | undefined>
  /** Proxies whose `X-Forwarded-For` is believed: addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[]
  /**
   * The path of the forward-auth route. Every method and every suffix of the path are routed to it, with any head that HTTP
   * allows; a body is ignored.
   */
  readonly openPath: string
  readonly observer?: RequestObserver | undefined
}

/** Memory for bodies, by whether the credentials were checked before. */
export interface BodyRooms {
  readonly anonymous: BodyRoom
  readonly proven: BodyRoom
}

/** Bytes of a JSON body. */
export const apiBodyBytesMax = 1_048_576
/** Bytes of path and headers, but for {@link ServerDeps.openPath}. */
const headBytesMax = 16_384
/** As long as the head, so that an id of any length is an unknown id (OKTA-R12). */
const paramCharsMax = headBytesMax
/** Bytes of a form, which needs no credentials; the largest parameter is a client's assertion. */
export const formBodyBytesMax = 65_536
/** Parameters of a form, including those in the query. */
export const formParametersMax = 50
/** How long head and body of a request may take to arrive, and how often Node.js checks. */
const requestTimeoutMs = 30_000
const timeoutsCheckedMs = 5_000

/** The HTTP server: mounts the route table behind its guards, and turns errors into answers in one place. */
export function createServer(deps: ServerDeps): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: () => deps.world.newId('req'),
    requestIdHeader: false,
    requestTimeout: requestTimeoutMs,
    http: {
      maxHeaderSize: parsedHeadBytesMax,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: timeoutsCheckedMs,
    },
    forceCloseConnections: 'idle',
    trustProxy: deps.trustedProxies.length > 0 ? [...deps.trustedProxies] : false,
    // Runs first, and is the only hook before the address of the client is computed.
    rewriteUrl(request) {
      if (deps.trustedProxies.length > 0) tidyForwardedFor(request)
      const target = normaliseTarget(request.url ?? '/')
      if (!isAtOrBehind(deps.openPath, target)) return target
      ignoreBody(request)
      return deps.openPath
    },
    routerOptions: { maxParamLength: paramCharsMax, querystringParser: () => ({}) },
    clientErrorHandler: ({ code }, socket) => answerParserError(deps.world, code, socket),
    frameworkErrors: (error, request, reply) => {
      markAnswer(request, reply)
      const flaw = headFlaw(deps, request)
      if (flaw !== undefined) reply.header('connection', 'close')
      void refuse(deps, reply, flaw ?? error, request)
    },
  })
  app.removeAllContentTypeParsers()
  // The route reads the body, after the credentials were checked: see withRequestBody.
  app.addContentTypeParser('*', (_request, _unread, done) => done(null))
  const rooms: BodyRooms = {
    anonymous: createBodyRoom(anonymousBodyBytesMax),
    proven: createBodyRoom(provenBodyBytesMax),
  }

  observeRequests(app, deps.observer)
  app.addHook('onRequest', (request, reply, done) => {
    markAnswer(request, reply)
    const flaw = headFlaw(deps, request)
    if (flaw === undefined) return done()
    reply.header('connection', 'close')
    void refuseHead(deps, reply, request, flaw, done)
  })
  // A request during the shutdown must not leave an idle connection: the close would wait for it.
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close')
    done(null, payload)
  })
  app.setNotFoundHandler(async (request, reply) => {
    await spend(deps, reply, { ip: request.ip })
    throw new HubError('request.path_not_found')
  })
  app.setErrorHandler(async (thrown, request, reply) => refuse(deps, reply, thrown, request))

  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    known.set(url, new Set([...(known.get(url) ?? []), ...[method].flat()]))
  })
  for (const route of deps.routes) {
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => send(reply, await answer(deps, rooms, route, request, reply)),
      errorHandler: (thrown, request, reply) => void refuse(deps, reply, thrown, request, route),
    })
  }
  const usualMethods = app.supportedMethods
  for (const method of METHODS) {
    const taken = method === 'CONNECT' || (usualMethods.includes(method) && method !== 'QUERY')
    if (!taken) app.addHttpMethod(method, { overrideExisting: true }) // for the open path
  }
  deps.mount(app, rooms)
  refuseOtherMethods(deps, app, { known: new Map(known), methods: usualMethods })
  return app
}

/** The error in the head of a request, independent of its route. */
function headFlaw({ openPath }: Pick<ServerDeps, 'openPath'>, request: FastifyRequest): HubError | undefined {
  if (countHosts(request) > 1) {
    return new HubError('request.invalid', { detail: 'The request has more than one Host header.' })
  }
  if (request.url === openPath || headBytes(request) <= headBytesMax) return undefined
  return new HubError('request.head_too_large', {
    detail: `Path and headers are larger than ${headBytesMax / 1024} KiB.`,
  })
}

function headBytes({ raw: { rawHeaders, url = '' } }: FastifyRequest): number {
  let bytes = url.length
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

/** @param target - path and query */
function isAtOrBehind(path: string, target: string): boolean {
  return (
    target.startsWith(path) && (target.length === path.length || '/?'.includes(target[path.length] ?? ''))
  )
}

/** Without these headers the framework reads no body; Node.js drops it after the answer. */
function ignoreBody({ headers }: Pick<IncomingMessage, 'headers'>): void {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name]
}

/** More than one Host header is 400 (RFC 9112 §3.2): a proxy before the hub may have used the other. */
function countHosts({ raw: { rawHeaders } }: FastifyRequest): number {
  const isHost = (text: string, at: number): boolean =>
    at % 2 === 0 && text.length === 4 && text.toLowerCase() === 'host' // names and values take turns
  return rawHeaders.filter(isHost).length
}

async function refuseHead(
  deps: ServerDeps,
  reply: FastifyReply,
  request: FastifyRequest,
  flaw: HubError,
  done: (refused: Error) => void,
): Promise<void> {
  done((await verdictOn(deps, reply, request, flaw)) as Error) // or the storage's
}

/** Takes a refused request from the rate limit of its address. @returns the error, or `request.rate_limited` */
function verdictOn(
  deps: ServerDeps,
  reply: FastifyReply,
  { ip }: FastifyRequest,
  error: unknown,
): Promise<unknown> {
  return spend(deps, reply, { ip }).then(
    () => error,
    (limited: unknown) => limited,
  )
}

function tidyForwardedFor({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const given = headers['x-forwarded-for']
  if (given === undefined) return
  const plain = plainForwardedFor([given].flat().join(','))
  if (plain === undefined) delete headers['x-forwarded-for']
  else headers['x-forwarded-for'] = plain
}

/**
 * Answers an error, in the form of its route if that has its own. Errors of the framework, such as a body that is too
 * large, were not taken from a rate limit yet.
 */
async function refuse(
  deps: ServerDeps,
  reply: FastifyReply,
  thrown: unknown,
  request: FastifyRequest,
  route?: Route,
): Promise<FastifyReply> {
  const error = asHubError(thrown)
  const verdict = error === thrown ? error : await verdictOn(deps, reply, request, error)
  const own =
    verdict instanceof HubError && route?.scope === 'public'
      ? route.answerError?.(verdict, apiRequest(request))
      : undefined
  if (own === undefined) return sendError(deps, reply, verdict, request)
  if (verdict instanceof HubError) reply.headers(errorHeaders(verdict))
  return send(reply, own)
}

/** Headers of every answer. */
function markAnswer(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-okta-request-id', request.id) // OKTA-A9
  reply.header('cache-control', 'no-cache, no-store')
  reply.header('x-content-type-options', 'nosniff')
}

async function answer(
  deps: ServerDeps,
  rooms: BodyRooms,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Answer> {
  reply.headers(route.headers ?? {})
  const bare = apiRequest(request)
  if (route.scope === 'public') {
    if (route.unlimited !== true) await spend(deps, reply, { ip: request.ip })
    requireAcceptable(request)
    return withBody(route, bare, request, rooms.anonymous, (whole) => route.handle(whole))
  }
  let spent = false
  const admit = async (caller: Caller): Promise<void> => {
    spent = true
    await spend(deps, reply, caller, route.budget)
  }
  const caller = await deps.authenticate(bare, route.scope, admit).catch(async (error: unknown) => {
    if (!spent) await spend(deps, reply, { ip: request.ip })
    throw error
  })
  callers.set(request, caller)
  requireAcceptable(request)
  return withBody(route, bare, request, rooms.proven, (whole) => route.handle(whole, caller))
}

/** Takes one request from a rate limit and sends the rest in headers (OKTA-Q1, OKTA-Q2). */
export async function spend(
  deps: Pick<ServerDeps, 'world' | 'takeBudget'>,
  reply: FastifyReply,
  of: Caller | { readonly ip: string },
  from?: GuardedRoute['budget'],
): Promise<void> {
  const budget = await deps.takeBudget(of, from)
  if (budget === undefined) return
  reply.headers(rateLimitHeaders(budget))
  if (budget.exceeded) throw rateLimited(deps.world, budget)
}

/** OKTA-Q1. */
function rateLimitHeaders(of: Readonly<Record<'limit' | 'remaining' | 'resetAt', number | string>>): {
  readonly [name: string]: number | string
} {
  return {
    'x-rate-limit-limit': of.limit,
    'x-rate-limit-remaining': of.remaining,
    'x-rate-limit-reset': of.resetAt,
  }
}

function apiRequest(request: FastifyRequest): ApiRequest {
  const queryAt = request.url.indexOf('?')
  const query = new URLSearchParams(queryAt === -1 ? '' : request.url.slice(queryAt + 1))
  return {
    method: request.method as Method, // the router accepts only these
    target: request.url,
    params: request.params as Record<string, string>, // of the route's own path
    query,
    json: undefined,
    form: new URLSearchParams(),
    header(name) {
      const value = request.headers[name.toLowerCase()]
      return Array.isArray(value) ? value.join(', ') : value
    },
    requestId: request.id,
    ip: request.ip,
  }
}

async function withBody(
  { body: kind }: Route,
  bare: ApiRequest,
  request: FastifyRequest,
  room: BodyRoom,
  handle: (whole: ApiRequest) => Promise<Answer>,
): Promise<Answer> {
  switch (kind) {
    case 'none':
      return handle(bare)
    case 'json':
      return withRequestBody(request.raw, { bytesMax: apiBodyBytesMax, room }, async (body) =>
        handle({ ...bare, json: readJson(body, request) }),
      )
    case 'form':
      return withRequestBody(request.raw, { bytesMax: formBodyBytesMax, room }, async (body) =>
        handle({ ...bare, form: readForm(body, bare.query, request) }),
      )
  }
}

/** @throws HubError `request.media_type`, `request.malformed_json` */
export function readJson(body: Buffer, request: FastifyRequest): JsonValue | undefined {
  if (body.length === 0) return undefined
  requireMediaType(request, 'application/json')
  const parsed = parseIJson(body)
  if (!parsed.ok) throw new HubError('request.malformed_json', { detail: parsed.reason })
  return parsed.value
}

/** Counts the parameters before decoding them. @throws HubError `request.media_type`, `request.invalid` */
function readForm(body: Buffer, query: URLSearchParams, request: FastifyRequest): URLSearchParams {
  if (body.length > 0) requireMediaType(request, 'application/x-www-form-urlencoded')
  const count = query.size + (body.length === 0 ? 0 : body.filter((byte) => byte === ampersand).length + 1)
  if (count > formParametersMax) {
    throw new HubError('request.invalid', {
      detail: `The request has more than ${formParametersMax} parameters.`,
    })
  }
  return new URLSearchParams([...query, ...new URLSearchParams(body.toString('utf8'))])
}

const ampersand = 38

/** @throws HubError `request.content_encoding`, `request.media_type` */
export function requireMediaType(request: FastifyRequest, ...allowed: readonly string[]): void {
  requirePlainBody(request)
  const given = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (given !== undefined && allowed.includes(given)) return
  throw new HubError('request.media_type', { detail: `The Content-Type must be ${allowed.join(' or ')}.` })
}

/**
 * Compressed bodies are refused: their size is unknown before decompression.
 * @throws HubError `request.content_encoding`; its answer has an Accept-Encoding header (RFC 9110 §15.5.16)
 */
export function requirePlainBody({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding']?.trim() ?? ''
  if (encoding === '' || encoding.toLowerCase() === 'identity') return
  throw new HubError('request.content_encoding', {
    detail: `The Content-Encoding is ${printable(encoding, encodingShownCharsMax)}; send the body without one.`,
  })
}

const encodingShownCharsMax = 50

/** Headers of the answer to this error, for every shape of the body. */
export function errorHeaders({ code, retryAfterS }: HubError): Readonly<Record<string, string>> {
  return {
    ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
    ...(code === 'request.content_encoding' && { 'accept-encoding': 'identity' }),
  }
}

/** @throws HubError `request.not_acceptable` when the Accept header allows no JSON (RFC 9110 §12.5.1) */
function requireAcceptable({ headers: { accept } }: FastifyRequest): void {
  if (accept === undefined || accept.split(',').some((range) => json.test(range) && !refused.test(range)))
    return
  throw new HubError('request.not_acceptable')
}

const json = /^\s*(\*\/\*|application\/(\*|json|[\w.-]+\+json))\s*(;|$)/i
const refused = /;\s*q\s*=\s*0(\.0*)?\s*(;|$)/i

function send(reply: FastifyReply, { status, body, headers = {} }: Answer): FastifyReply {
  for (const [name, value] of Object.entries(headers)) {
    reply.header(name, typeof value === 'string' ? value : [...value])
  }
  reply.code(status)
  if (body === undefined) return reply.send()
  return reply.header('content-type', 'application/json').send(JSON.stringify(body))
}

/** Answers every error. One that is not a HubError is a failure of ours: logged in full, answered without details. */
export function sendError(
  deps: Pick<ServerDeps, 'world' | 'logger' | 'origin'>,
  reply: FastifyReply,
  error: unknown,
  request?: FastifyRequest,
): FastifyReply {
  const errorId = deps.world.newId('oae')
  if (!(error instanceof HubError)) {
    // Without the query: it may hold a client's assertion or the name of a user.
    const path = request?.url.split('?')[0]
    const facts = { errorId, path, method: request?.method }
    // Every client can close the connection in the middle of a body.
    if (request !== undefined && request.raw.errored === error)
      deps.logger.debug(facts, 'the client closed the connection before the whole request was read')
    else deps.logger.error({ err: error, ...facts }, 'a request failed')
    return send(reply, internalErrorAnswer(errorId))
  }
  const { status, body } = oktaErrorAnswer(error, errorId)
  logCause(deps.logger, error, { status, errorId })
  if (request !== undefined) logRefusal(deps.logger, request, { status, errorId, error, body })
  const headers: Record<string, string> = { ...errorHeaders(error) }
  const { limit, resetAt } = error.facts
  if (error.code === 'request.rate_limited' && limit !== undefined && resetAt !== undefined) {
    reply.headers(rateLimitHeaders({ limit, remaining: 0, resetAt })) // OKTA-Q3
  }
  const challenge = challengeOf(error, deps.origin)
  if (challenge !== undefined) headers['www-authenticate'] = challenge
  // OKTA-X13: a missing scope is reported in the header only.
  return send(reply, { status, headers, ...(error.code !== 'access.scope_missing' && { body }) })
}

/** The caller of each request, after authentication. */
const callers = new WeakMap<FastifyRequest, Caller>()

/**
 * Logs a refused write of an administrator at level info, because some clients hide the answer (Okta's Terraform
 * provider); all other refusals at level debug, because every client can cause them.
 */
function logRefusal(
  logger: Logger,
  request: FastifyRequest,
  { status, errorId, error, body }: { status: number; errorId: string; error: HubError; body: OktaErrorBody },
): void {
  const caller = callers.get(request)
  const causes = body.errorCauses.map(({ errorSummary }) => printable(errorSummary, causeCharsMax))
  const facts = {
    status,
    code: error.code,
    errorId,
    method: request.method,
    path: printable(request.url.split('?')[0] ?? '', causeCharsMax), // without the query: it may hold a secret or the name of a user
    requestId: request.id,
    ...(caller !== undefined && { by: caller.name }),
    ...(causes.length > 0 && { causes: causes.slice(0, causesMax) }),
  }
  if (caller !== undefined && request.method !== 'GET') {
    logger.info(facts, `a change was refused: ${printable(body.errorSummary, causeCharsMax)}`)
  } else if (status < 500) {
    logger.debug(facts, `a request was refused: ${printable(body.errorSummary, causeCharsMax)}`)
  }
}

const causesMax = 20

/** Logs the cause of an error: in full for failures of ours, in one line for errors of the caller, who may repeat them. */
export function logCause(
  logger: Logger,
  { cause, code, message }: HubError,
  { status, errorId }: { readonly status: number; readonly errorId: string },
): void {
  if (cause === undefined) return
  const shown = status < 500 && cause instanceof Error ? { cause: inALine(cause) } : { err: cause }
  logger.warn({ ...shown, code, errorId }, message)
}

function inALine(error: Error): object {
  const { message } = error
  return {
    message: printable(message, causeCharsMax),
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
  }
}

const causeCharsMax = 500

/** Converts errors of the framework about the request to a HubError. */
export function asHubError(error: unknown): unknown {
  if (error instanceof HubError || !(error instanceof Error) || !('statusCode' in error)) return error
  if (error.statusCode === 413) return new HubError('request.too_large')
  if (error.statusCode === 415) {
    return new HubError('request.media_type', {
      detail: 'The Content-Type is missing or is not a media type.',
    })
  }
  if (error.statusCode === 414) return new HubError('request.path_not_found') // no id is that long
  if (typeof error.statusCode === 'number' && error.statusCode < 500) {
    return new HubError('request.invalid', { detail: error.message })
  }
  return error
}

/** A known path with a method that it does not have is 405, not 404 (OKTA §9.2). */
function refuseOtherMethods(
  deps: ServerDeps,
  app: FastifyInstance,
  {
    known,
    methods,
  }: {
    readonly known: ReadonlyMap<string, ReadonlySet<string>>
    readonly methods: readonly string[]
  },
): void {
  for (const [url, allowed] of known) {
    app.route({
      method: methods.filter((method) => !allowed.has(method)),
      url,
      handler: async (request, reply) => {
        await spend(deps, reply, { ip: request.ip })
        reply.header('allow', [...allowed].join(', '))
        throw new HubError('request.method_not_allowed')
      },
    })
  }
}
