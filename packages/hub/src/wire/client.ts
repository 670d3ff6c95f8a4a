import type { Scope } from '../access/scopes.ts'
import {
  pathOf,
  type BodyOfAnswer,
  type BodyOfRequest,
  type Operation,
  type OperationAnswer,
  type QueryOf,
} from './operation.ts'
import type { AllOperations, KnownOperation } from './operations.ts'

/** Operations of an API with JSON and a scope: what administrators and their programs call. */
export type CallableOperation = {
  [Name in KnownOperation]: AllOperations[Name]['access'] extends Scope ? Name : never
}[KnownOperation]

type Good = 200 | 201 | 202 | 204

/** The body of a successful answer; undefined when it has none. */
export type ResultOf<Name extends CallableOperation> = Name extends unknown ? ResultOfOne<Name> : never

type ResultOfOne<Name extends CallableOperation> = {
  [Status in keyof AllOperations[Name]['answers']]: Status extends Good
    ? AllOperations[Name]['answers'][Status] extends infer A extends OperationAnswer
      ? BodyOfAnswer<A>
      : never
    : never
}[keyof AllOperations[Name]['answers']]

type ParameterNames<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | ParameterNames<`/${More}`>
    : Rest
  : never

type PathOfName<Name extends string> = Name extends `${string} ${infer Path}` ? Path : never

/** The arguments of a call: path parameters, body and query, as the operation needs them. */
export type CallOf<Name extends CallableOperation> = ([ParameterNames<PathOfName<Name>>] extends [never]
  ? object
  : { readonly params: Readonly<Record<ParameterNames<PathOfName<Name>>, string>> }) &
  BodyPart<AllOperations[Name]> & {
    readonly query?: QueryOf<AllOperations[Name]> | URLSearchParams
  }

type BodyPart<O extends Operation> =
  undefined extends BodyOfRequest<O>
    ? object
    : O extends { readonly body: { readonly optional: true } }
      ? { readonly body?: BodyOfRequest<O> }
      : { readonly body: BodyOfRequest<O> }

/** The last argument of a call; none when the operation needs no arguments. */
export type CallArguments<Name extends CallableOperation> =
  object extends CallOf<Name> ? [call?: CallOf<Name>] : [call: CallOf<Name>]

/** An HTTP request; `path` begins with a slash and includes the query. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  /** To be sent as JSON. */
  readonly body: object | undefined
}

/** The HTTP request of a call. */
export function requestOf<Name extends CallableOperation>(
  name: Name,
  ...[call]: CallArguments<Name>
): WireRequest {
  const {
    params = {},
    query,
    body,
  } = (call ?? {}) as {
    readonly params?: Readonly<Record<string, string>>
    readonly query?: object
    readonly body?: object
  } // one of the members that a call may have
  const path = pathOf(name).replaceAll(/:(\w+)/g, (_, parameter: string) =>
    encodeURIComponent(params[parameter] ?? ''),
  )
  const search = query instanceof URLSearchParams ? query : searchOf(query)
  return {
    method: name.slice(0, name.indexOf(' ')),
    path: search.size === 0 ? path : `${path}?${search.toString()}`,
    body,
  }
}

function searchOf(query: object = {}): URLSearchParams {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))
}
