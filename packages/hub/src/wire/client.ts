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

/** What an operation answers with when it did what was asked; undefined when there is no body. */
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

/** What belongs to a call: parameters of the path where it has some, a body where one is needed, and a query. */
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

/** The last arguments of a call: none where nothing belongs to it. */
export type CallArguments<Name extends CallableOperation> =
  object extends CallOf<Name> ? [call?: CallOf<Name>] : [call: CallOf<Name>]

/** A request in the words of HTTP; `path` begins with a slash and has the query. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  /** To be sent as JSON. */
  readonly body: object | undefined
}

/** What must be sent for a call. */
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
