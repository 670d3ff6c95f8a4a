import type { Caller, RequestFacts } from '../access/caller.ts'
import { isScope, type Scope } from '../access/scopes.ts'
import type { HubError } from '../base/hub-error.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import type { BodyOfAnswer, Method, Operation, OperationAnswer } from '../wire/operation.ts'
import { operations, type AllOperations, type KnownOperation } from '../wire/operations.ts'

/** A request that passed its guard. Knows nothing of the HTTP framework. */
export interface ApiRequest {
  readonly method: Method
  /** Path and query as they came, normalised (OKTA-A6, OKTA-A7). */
  readonly target: string
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Parsed JSON of a `json` route; undefined when there was no body. */
  readonly json: JsonValue | undefined
  /** Members of a `form` route, from the body and the query (OKTA-O11). */
  readonly form: URLSearchParams
  /** One header; a repeated one is joined with `, `. */
  header(name: string): string | undefined
  readonly requestId: string
  readonly ip: string
}

export interface Answer {
  readonly status: number
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown
  readonly headers?: AnswerHeaders
}

/** A list sends one header for each entry. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>

interface RouteBase {
  readonly method: Method
  /** `/api/v1/things/:id` */
  readonly path: string
  /** What the body may be. `none` ignores a body and needs no media type (OKTA-A8). */
  readonly body: 'json' | 'form' | 'none'
  /** Of every answer of the route, refusals too. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Who may call: whoever holds an SSWS token with the role for it, or an OAuth token with the scope. */
export interface GuardedRoute extends RouteBase {
  readonly scope: Scope
  /** Which budget a request is taken from, when it is not that of the whole API. */
  readonly budget?: 'risk_events'
  handle(request: ApiRequest, caller: Caller): Promise<Answer>
}

/** Open to everyone; `unlimited` ones are also free of rate limits (OKTA-Q6). */
export interface PublicRoute extends RouteBase {
  readonly scope: 'public'
  readonly unlimited?: boolean
  /** Errors that look different here than everywhere else; undefined for the others. */
  answerError?(error: HubError, request: ApiRequest): Answer | undefined
  handle(request: ApiRequest): Promise<Answer>
}

export type Route = GuardedRoute | PublicRoute

type AnswerWith<Status, A extends OperationAnswer> = {
  readonly status: Status
  readonly headers?: AnswerHeaders
} & (BodyOfAnswer<A> extends undefined ? { readonly body?: undefined } : { readonly body: BodyOfAnswer<A> })

/** What an operation may be answered with: one of its statuses, with the body that belongs to it. */
export type AnswerTo<Name extends KnownOperation> = {
  [
    Status in keyof AllOperations[Name]['answers'] & number
  ]: AllOperations[Name]['answers'][Status] extends infer A extends OperationAnswer
    ? AnswerWith<Status, A>
    : never
}[keyof AllOperations[Name]['answers'] & number]

type Handler<Name extends KnownOperation> = AllOperations[Name]['access'] extends Scope
  ? (request: ApiRequest, caller: Caller) => Promise<AnswerTo<Name>>
  : (request: ApiRequest) => Promise<AnswerTo<Name>>

/** What answers each operation: all else of its route stands in the description of the wire. */
export type Handlers = {
  readonly [
    Name in KnownOperation as AllOperations[Name] extends { readonly apart: true } ? never : Name
  ]?: Handler<Name>
}

/** The routes of operations. @param more - of those that everyone may call */
export function routesOf(handlers: Handlers, more: Pick<PublicRoute, 'answerError'> = {}): readonly Route[] {
  const named = Object.entries(handlers) as [KnownOperation, GuardedRoute['handle']][] // as their type says
  return named.map(([name, handle]): Route => {
    const { access, budget, unlimited, body }: Operation = operations[name]
    const [method = '', path = ''] = name.split(' ')
    const base: RouteBase = {
      method: method as Method, // of its name
      path,
      body: body === undefined ? 'none' : bodyKind(body.content),
    }
    if (isScope(access)) return { ...base, scope: access, ...(budget && { budget }), handle }
    const open = handle as PublicRoute['handle'] // without a scope there is no caller
    return { ...base, scope: 'public', ...(unlimited && { unlimited }), ...more, handle: open }
  })
}

function bodyKind(content: object): 'json' | 'form' {
  return 'application/json' in content ? 'json' : 'form'
}

/** What the System Log tells of the request behind a change. */
export function actorFacts(request: ApiRequest): RequestFacts {
  return { ip: request.ip, userAgent: request.header('user-agent'), requestId: request.requestId }
}
