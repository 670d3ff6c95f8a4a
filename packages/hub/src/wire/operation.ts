import type { Scope } from '../access/scopes.ts'
import type { HubErrorCode } from '../base/hub-error.ts'
import type { ShapeOfMembers, WireMembers, WireSchema } from './schema.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** `GET /v1/signals/:id` */
export type OperationName = `${Method | 'ALL'} /${string}`

/** Everything that can be asked of the hub in one way: who may, with what, and what comes back. */
export interface Operation {
  /** Unique; what generated clients call it. */
  readonly id: string
  readonly tag: Tag
  readonly summary: string
  readonly description?: string
  /** The scope that is needed, or what else opens it. */
  readonly access: Scope | OpenAccess
  /** Not taken from any budget (OKTA-Q6). */
  readonly unlimited?: true
  /** The budget it is taken from, other than that of the whole API. */
  readonly budget?: 'risk_events'
  /** Answered apart from the route table, which would ask whether the client accepts JSON. */
  readonly apart?: true
  /** Where it is served, other than with everything else. */
  readonly listener?: 'metrics'
  /** How refusals look, other than Okta's error object. */
  readonly refusals?: 'set' | 'oauth' | 'authzen'
  readonly query?: WireMembers
  readonly headers?: WireMembers
  readonly body?: RequestBody
  readonly answers: Readonly<Record<number, OperationAnswer>>
  /** Of every answer, refusals too. */
  readonly answerHeaders?: WireMembers
  /** What it may be refused with, beside what everything like it may be. */
  readonly errors?: readonly HubErrorCode[]
}

export type Tag =
  | 'Security events'
  | 'Security Events Providers'
  | 'Streams'
  | 'Signals'
  | 'Subjects'
  | 'Risk'
  | 'Sign-in'
  | 'System Log'
  | 'OAuth'
  | 'Service'

/**
 * `anyone`: nothing has to be shown. `signed_token`: the body is a token, whose signature is the credential. `push_authorization`:
 * the Authorization value that was agreed on with the transmitter. `client_assertion`: a JWT in the form (RFC 7523).
 * `trusted_proxy`: the address of the connection, and a token where one is set.
 */
export type OpenAccess =
  'anyone' | 'signed_token' | 'push_authorization' | 'client_assertion' | 'trusted_proxy'

/** Which media types a body may have, and what is in it. */
export interface RequestBody {
  readonly content: Readonly<Record<string, WireSchema>>
  /** Whether a request without one is as good as any. */
  readonly optional?: true
}

export interface OperationAnswer {
  readonly description: string
  /** By media type; an answer without has no body. */
  readonly content?: Readonly<Record<string, WireSchema>>
  /** Beside those that every answer has. */
  readonly headers?: WireMembers
}

export type Operations = Readonly<Record<OperationName, Operation>>

/** A JSON body. */
export function json<Shape>(schema: WireSchema<Shape>): { readonly content: JsonContent<Shape> } {
  return { content: { 'application/json': schema } }
}

/** A body of JSON; a declaration of an operation names this type. */
export interface JsonContent<Shape> extends Readonly<Record<string, WireSchema>> {
  readonly 'application/json': WireSchema<Shape>
}

/** What a JSON answer with this status holds; undefined when it has no body. */
export type BodyOfAnswer<A extends OperationAnswer> = A extends {
  readonly content: { readonly 'application/json': WireSchema<infer Shape> }
}
  ? Shape
  : undefined

/** What a JSON request holds; undefined when it has no body. */
export type BodyOfRequest<O extends Operation> = O extends {
  readonly body: { readonly content: { readonly 'application/json': WireSchema<infer Shape> } }
}
  ? Shape
  : undefined

export type QueryOf<O extends Operation> = O extends { readonly query: infer M extends WireMembers }
  ? ShapeOfMembers<M>
  : undefined

/** `/v1/signals/:id` of `GET /v1/signals/:id` */
export function pathOf<Name extends OperationName>(name: Name): PathOf<Name> {
  return name.slice(name.indexOf(' ') + 1) as PathOf<Name>
}

export type PathOf<Name extends OperationName> = Name extends `${string} ${infer Path}` ? Path : never
