import type { Caller, RequestFacts } from '../access/caller.ts'
import { isScope, type Scope } from '../access/scopes.ts'
import type { HubError } from '../base/hub-error.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import type { BodyOfAnswer, Method, Operation, OperationAnswer } from '../wire/operation.ts'
import { operations, type AllOperations, type KnownOperation } from '../wire/operations.ts'

/** A request that passed its guard, independent of the HTTP framework. */
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
  /** Sent as JSON; no body when undefined. */
  readonly body?: unknown
  readonly headers?: AnswerHeaders
}

/** A list sends one header for each entry. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>

interface RouteBase {
  readonly method: Method
  /** `/api/v1/things/:id` */
  readonly path: string
  /** The media type of the body. `none` ignores a body and needs no media type (OKTA-A8). */
  readonly body: 'json' | 'form' | 'none'
  /** Headers of every answer of the route, including refusals. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A route for SSWS tokens with the role for it, and OAuth tokens with the scope. */
export interface GuardedRoute extends RouteBase {
  readonly scope: Scope
  /** The rate limit of the route, when it has its own. */
  readonly budget?: 'risk_events'
  handle(request: ApiRequest, caller: Caller): Promise<Answer>
}

/** A route without credentials; `unlimited` ones have no rate limit (OKTA-Q6). */
export interface PublicRoute extends RouteBase {
  readonly scope: 'public'
  readonly unlimited?: boolean
  /** The answer to errors that have their own form on this route; undefined for all others. */
  answerError?(error: HubError, request: ApiRequest): Answer | undefined
  handle(request: ApiRequest): Promise<Answer>
}

export type Route = GuardedRoute | PublicRoute

type AnswerWith<Status, A extends OperationAnswer> = {
  readonly status: Status
  readonly headers?: AnswerHeaders
} & (BodyOfAnswer<A> extends undefined ? { readonly body?: undefined } : { readonly body: BodyOfAnswer<A> })

/** The answers of an operation: one of its statuses, with the body of that status. */
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

/** The handler of each operation. The description of the wire has everything else of its route. */
export type Handlers = {
  readonly [
    Name in KnownOperation as AllOperations[Name] extends { readonly apart: true } ? never : Name
  ]?: Handler<Name>
}

/** The routes of operations. @param more - members of the public routes */
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

/** The actor of a change, with the request for the System Log. */
export function actorFacts(request: ApiRequest): RequestFacts {
  return { ip: request.ip, userAgent: request.header('user-agent'), requestId: request.requestId }
}
