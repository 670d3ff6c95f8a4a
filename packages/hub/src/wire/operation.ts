import type { Scope } from '../access/scopes.ts'
import type { HubErrorCode } from '../base/hub-error.ts'
import type { ShapeOfMembers, WireMembers, WireSchema } from './schema.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** `GET /v1/signals/:id` */
export type OperationName = `${Method | 'ALL'} /${string}`

/** One operation of an API: credentials, request and answers. */
export interface Operation {
  /** Unique; generated clients use it as the name. */
  readonly id: string
  readonly tag: Tag
  readonly summary: string
  readonly description?: string
  /** The required scope, or another kind of credential. */
  readonly access: Scope | OpenAccess
  /** Without a rate limit (OKTA-Q6). */
  readonly unlimited?: true
  /** Its own rate limit, instead of that of the whole API. */
  readonly budget?: 'risk_events'
  /** Outside the route table, which would require that the client accepts JSON. */
  readonly apart?: true
  /** Its own listener, instead of the common one. */
  readonly listener?: 'metrics'
  /** The form of refusals, instead of Okta's error object. */
  readonly refusals?: 'set' | 'oauth' | 'authzen'
  readonly query?: WireMembers
  readonly headers?: WireMembers
  readonly body?: RequestBody
  readonly answers: Readonly<Record<number, OperationAnswer>>
  /** Headers of every answer, including refusals. */
  readonly answerHeaders?: WireMembers
  /** Its own error codes, besides the common ones. */
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
 * `anyone`: no credential. `signed_token`: the signature of the token in the body. `push_authorization`: the Authorization
 * value that the transmitter was given. `client_assertion`: a JWT in the form (RFC 7523).
 * `trusted_proxy`: the address of the connection, and a token where one is set.
 */
export type OpenAccess =
  'anyone' | 'signed_token' | 'push_authorization' | 'client_assertion' | 'trusted_proxy'

/** The media types of a body and their schemas. */
export interface RequestBody {
  readonly content: Readonly<Record<string, WireSchema>>
  /** Whether the body is optional. */
  readonly optional?: true
}

export interface OperationAnswer {
  readonly description: string
  /** Schemas by media type; no body when undefined. */
  readonly content?: Readonly<Record<string, WireSchema>>
  /** Headers besides those of every answer. */
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

/** The JSON body of the answer with this status; undefined when it has none. */
export type BodyOfAnswer<A extends OperationAnswer> = A extends {
  readonly content: { readonly 'application/json': WireSchema<infer Shape> }
}
  ? Shape
  : undefined

/** The JSON body of a request; undefined when it has none. */
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
