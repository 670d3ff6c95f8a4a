import { isScope, scopes, type Scope } from '../access/scopes.ts'
import { HubError, hubErrors, type HubErrorCode } from '../base/hub-error.ts'
import { authzenError, oauthError, oktaError, setError } from '../wire/common.ts'
import type { Operation, OperationAnswer, Operations, Tag } from '../wire/operation.ts'
import { operations } from '../wire/operations.ts'
import { shape, WireSchema, type WireMembers } from '../wire/schema.ts'
import { internalErrorAnswer, oktaErrorAnswer } from './okta-errors.ts'
import { setErrorAnswer } from './set-errors.ts'
import { tokenErrorAnswer } from './token-errors.ts'

type Json = Readonly<Record<string, unknown>>

/** The OpenAPI 3.1 document of all APIs of the hub; the same for every hub of this version. */
export function openapiDocument(): Json {
  const paths = new Map<string, Record<string, unknown>>()
  const schemas = new Map<string, unknown>()
  const headers = new Map<string, Json>()
  const parts: Parts = { render: renderer(schemas), headers }
  for (const [name, operation] of Object.entries<Operation>(operations satisfies Operations)) {
    const [method = '', route = ''] = name.split(' ')
    const path = route.replaceAll(/:(\w+)/g, '{$1}')
    const item = paths.get(path) ?? pathItem(route, operation, parts)
    paths.set(path, item)
    for (const verb of method === 'ALL' ? everyMethod : [method.toLowerCase()]) {
      const id = method === 'ALL' ? operation.id + verb[0]?.toUpperCase() + verb.slice(1) : operation.id
      item[verb] = operationObject({ ...operation, id }, parts)
    }
  }
  const shared = shareResponses(paths.values())
  return {
    openapi: '3.1.1',
    info: {
      title: 'Watchbell',
      version: '1', // version of the APIs; the version of the hub would help attackers
      summary: 'A self-hosted Shared Signals hub',
      description: about,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The hub that serves this document.' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      responses: {
        ...shared,
        UnknownPath: refusal([oktaRefusal('request.path_not_found')], parts),
        OtherMethod: refusal([oktaRefusal('request.method_not_allowed')], parts, {
          Allow: shape.text('The methods that the path takes.'),
        }),
      },
      headers: Object.fromEntries(headers),
      securitySchemes,
    },
    'x-unknown-path': { $ref: '#/components/responses/UnknownPath' },
  }
}

const about = `Okta's own paths (\`/api/v1\`, \`/security/api/v1\`, \`/oauth2/v1\`) answer as Okta does; \`/v1\`, \`/ssf\` and \`/access\`
are the hub's. Clients ignore members that they do not know. Every \`GET\` can be asked with \`HEAD\`. What a path says to other
methods is \`x-other-methods\` of the path; what the hub says at any other path is \`x-unknown-path\`. The codes in the descriptions
of refusals are those of docs/errors.md, which the log of the hub has, too.`

const tags: Readonly<Record<Tag, string>> = {
  'Security events': 'Where transmitters push Security Event Tokens to.',
  'Security Events Providers': 'Who may send, and what their word counts for.',
  Streams: 'Our side of the streams at transmitters.',
  Signals: 'What arrived, and the verdict on it.',
  Subjects: 'Users, devices, sessions and addresses, and how risky they are.',
  Risk: 'Risk providers, their events, and the risk of users, as at Okta.',
  'Sign-in': 'The question at sign-in, and what reverse proxies ask.',
  'System Log': 'What happened.',
  OAuth: 'Access tokens, and the service apps that get them.',
  Service: 'Whether the hub is well, and what it is.',
}

const scopeMeanings: Readonly<Record<Scope, string>> = {
  'okta.securityEventsProviders.read': 'Read Security Events Providers and their keys.',
  'okta.securityEventsProviders.manage': 'Create, replace and delete Security Events Providers.',
  'okta.logs.read': 'Read the System Log.',
  'okta.riskProviders.read': 'Read Risk Providers.',
  'okta.riskProviders.manage': 'Create, replace and delete Risk Providers.',
  'okta.riskEvents.manage': 'Send risk events.',
  'okta.userRisk.read': 'Read the risk of users.',
  'okta.userRisk.manage': 'Set the risk of users.',
  'okta.clients.read': 'Read service apps.',
  'okta.clients.manage': 'Register, replace and delete service apps.',
  'watchbell.signals.read': 'Read signals and their verdicts.',
  'watchbell.subjects.read': 'Read users, devices, sessions and addresses.',
  'watchbell.subjects.manage': 'Load, erase and set the risk of users, devices, sessions and addresses.',
  'watchbell.providers.manage': 'Set the action of, and the trust in, a provider.',
  'watchbell.streams.read': 'Read streams.',
  'watchbell.streams.manage': 'Connect, change and delete streams.',
  'watchbell.access.evaluate': 'Ask whether a user may sign in.',
}

const securitySchemes: Json = {
  oauth2: {
    type: 'oauth2',
    description:
      'An access token of a service app: `Authorization: Bearer …`, or `DPoP …` with a proof (RFC 9449) when it is bound to a key. ' +
      'The client authenticates with private_key_jwt. A `.manage` scope includes the `.read` scope of the same name.',
    flows: {
      clientCredentials: {
        tokenUrl: '/oauth2/v1/token',
        scopes: Object.fromEntries(scopes.map((scope) => [scope, scopeMeanings[scope]])),
      },
    },
  },
  apiToken: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description:
      '`SSWS ` and an API token. One with the role `admin` opens everything, one with `read_only` what ends in `.read`, and evaluations.',
  },
  pushAuthorization: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: 'The whole value that the hub agreed on with the transmitter when it connected the stream.',
  },
  proxyToken: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Watchbell-Token',
    description:
      'What the setting says, where it says something; beside it the address of the proxy is looked at.',
  },
}

const everyMethod = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

const parameterMeanings: Readonly<Record<string, string>> = {
  id: 'The id of what the path is about. Of subjects also an identifier: a sign-in name, an email address, an IP address.',
  userId: 'The id of a user, its sign-in name, or an email address.',
  clientId: 'The client id of a service app.',
  reason: 'The id of a reason.',
}

type Render = (schema: WireSchema) => unknown

/** The document's components, collected while the paths are built. */
interface Parts {
  readonly render: Render
  readonly headers: Map<string, Json>
}

/** Moves named schemas to `schemas` and returns references to them. */
function renderer(schemas: Map<string, unknown>): Render {
  const within = (value: unknown): unknown => {
    if (value instanceof WireSchema) return render(value)
    if (Array.isArray(value)) return value.map(within)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, within(member)]))
  }
  const render: Render = ({ json, name }) => {
    if (name === undefined) return within(json)
    if (!schemas.has(name)) schemas.set(name, within(json))
    return { $ref: `#/components/schemas/${name}` }
  }
  return render
}

function pathItem(route: string, { listener, access }: Operation, parts: Parts): Record<string, unknown> {
  const parameters = [...route.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: parameterMeanings[name],
    schema: parts.render(shape.text()),
  }))
  if (listener !== undefined) {
    const address = { default: '127.0.0.1:9464', description: 'The setting WATCHBELL_METRICS_LISTEN.' }
    return {
      servers: [{ url: 'http://{address}', variables: { address } }],
      'x-other-methods': {
        description: 'Only GET and HEAD are answered.',
        headers: headersOf({ Allow: shape.text() }, parts),
        content: contentOf({ 'text/plain': shape.text() }, parts),
      },
    }
  }
  return {
    ...(parameters.length > 0 && { parameters }),
    ...(access !== 'trusted_proxy' && {
      'x-other-methods': { $ref: '#/components/responses/OtherMethod' },
    }),
  }
}

function operationObject(operation: Operation, parts: Parts): Json {
  const { id, tag, summary, description, query, headers, body, access } = operation
  const parameters = [...membersAs('query', query, parts), ...membersAs('header', headers, parts)]
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: securityOf(access),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: body.optional !== true, content: contentOf(body.content, parts) },
    }),
    responses: responsesOf(operation, parts),
  }
}

function securityOf(access: Operation['access']): readonly Json[] {
  switch (access) {
    case 'anyone':
    case 'signed_token':
    case 'client_assertion':
      return []
    case 'push_authorization':
      return [{ pushAuthorization: [] }]
    case 'trusted_proxy':
      return [{ proxyToken: [] }, {}]
    default: {
      const managing = access.replace(/\.read$/, '.manage')
      const wider = managing !== access && isScope(managing) ? [{ oauth2: [managing] }] : []
      return [{ apiToken: [] }, { oauth2: [access] }, ...wider]
    }
  }
}

function membersAs(place: 'query' | 'header', members: WireMembers = {}, parts: Parts): readonly Json[] {
  return Object.entries(members).map(([name, member]) => {
    const schema = member instanceof WireSchema ? member : member.schema
    const { description, ...json } = schema.json
    return {
      name,
      in: place,
      required: member instanceof WireSchema,
      ...(description !== undefined && { description }),
      schema: parts.render(new WireSchema(json, schema.name)),
    }
  })
}

function contentOf(content: NonNullable<OperationAnswer['content']>, parts: Parts): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: parts.render(schema) }]),
  )
}

/** Headers of every answer; the numbers when a rate limit was checked. */
const everyHeader = {
  'X-Okta-Request-Id': shape.text('The id of the request, which the System Log has, too (OKTA-A9).'),
  'X-Content-Type-Options': shape.text(undefined, { const: 'nosniff' }),
  'Cache-Control': shape.text(),
  'X-Rate-Limit-Limit': shape.optional(shape.integer('Requests in a minute (OKTA-Q1).')),
  'X-Rate-Limit-Remaining': shape.optional(shape.integer('What is left of them.')),
  'X-Rate-Limit-Reset': shape.optional(shape.integer('When the next minute begins, in seconds since 1970.')),
} as const satisfies WireMembers

/** One refusal of a request. */
interface Refusal {
  readonly code: HubErrorCode | undefined
  readonly meaning: string
  readonly status: number
  /** The shape of the body, and the member by which a program tells refusals apart; undefined when there is no body. */
  readonly body?: { readonly shape: WireSchema; readonly member?: string; readonly value?: string }
}

function responsesOf(operation: Operation, parts: Parts): Json {
  const answers = Object.entries(operation.answers)
  if (operation.listener !== undefined) {
    return Object.fromEntries(
      answers.map(([status, { description, content = {}, headers = {} }]) => [
        status,
        { description, headers: headersOf(headers, parts), content: contentOf(content, parts) },
      ]),
    )
  }
  const refusals = Map.groupBy(refusalsOf(operation), ({ status }) => status)
  const responses: Record<string, unknown> = {}
  for (const [status, { description, content, headers }] of answers) {
    const refused = refusals.get(Number(status)) ?? []
    refusals.delete(Number(status))
    responses[status] = {
      description: [description, ...describe(refused)].join('\n'),
      headers: headersOf({ ...everyHeader, ...refusalHeaders(operation, Number(status)), ...headers }, parts),
      ...contentOfAnswer(content, refused, parts),
    }
  }
  for (const [status, refused] of refusals) {
    responses[status] = refusal(refused, parts, refusalHeaders(operation, status))
  }
  return responses
}

function contentOfAnswer(
  content: OperationAnswer['content'],
  refused: readonly Refusal[],
  parts: Parts,
): Json {
  const shapes = shapesOf(refused)
  if (content === undefined && shapes.length === 0) return {}
  const given = content?.['application/json']
  const all = [...(given === undefined ? [] : [given]), ...shapes]
  return {
    content: {
      ...contentOf(content ?? {}, parts),
      ...(all.length > 0 && { 'application/json': { schema: anyRendered(all, parts) } }),
    },
  }
}

function refusal(refused: readonly Refusal[], parts: Parts, headers: WireMembers = {}): Json {
  const shapes = shapesOf(refused)
  return {
    description: describe(refused).join('\n'),
    headers: headersOf({ ...everyHeader, ...headers }, parts),
    ...(shapes.length > 0 && { content: { 'application/json': { schema: anyRendered(shapes, parts) } } }),
  }
}

function describe(refused: readonly Refusal[]): readonly string[] {
  return refused.map(({ code, meaning, body }) => {
    const name = code === undefined ? '' : `\`${code}\`: `
    return `- ${name}${meaning}${body === undefined ? ' There is no body.' : ''}`
  })
}

/** One schema for each shape, with its error codes. */
function shapesOf(refused: readonly Refusal[]): readonly WireSchema[] {
  const byShape = Map.groupBy(
    refused.flatMap(({ body }) => (body === undefined ? [] : [body])),
    ({ shape }) => shape,
  )
  return [...byShape].map(([shape, bodies]) => {
    const member = bodies[0]?.member
    if (member === undefined) return shape
    const values = [...new Set(bodies.map(({ value }) => value))]
    return new WireSchema({
      allOf: [shape, new WireSchema({ type: 'object', properties: { [member]: { enum: values } } })],
    })
  })
}

function anyRendered(schemas: readonly WireSchema[], parts: Parts): unknown {
  const [only, ...more] = schemas
  return only !== undefined && more.length === 0 ? parts.render(only) : { anyOf: schemas.map(parts.render) }
}

/** A header that is the same on all routes becomes a component. */
function headersOf(members: WireMembers, parts: Parts): Json {
  return Object.fromEntries(
    membersAs('header', members, parts).map(({ name: given, in: _place, required, ...rest }) => {
      const name = String(given)
      const header = { ...(required === true && { required }), ...rest }
      const shared = parts.headers.get(name) ?? header
      parts.headers.set(name, shared)
      const isShared = JSON.stringify(shared) === JSON.stringify(header)
      return [name, isShared ? { $ref: `#/components/headers/${name}` } : header]
    }),
  )
}

function refusalHeaders({ refusals, access, answerHeaders }: Operation, status: number): WireMembers {
  const isSet = refusals === 'set' && status >= 400 && status < 500
  return {
    ...answerHeaders,
    ...([429, 502, 503].includes(status) && {
      'Retry-After': shape.optional(shape.integer('After how many seconds another try makes sense.')),
    }),
    ...((status === 401 || status === 403) && {
      'WWW-Authenticate': shape.optional(shape.text('Why the credentials do not do (OKTA-X12 to OKTA-X15).')),
    }),
    ...(status === 415 && {
      'Accept-Encoding': shape.optional(shape.text(undefined, { const: 'identity' })),
    }),
    ...(isSet && { 'Content-Language': shape.optional(shape.text()) }),
    ...(refusals === 'oauth' &&
      status === 400 && { 'DPoP-Nonce': shape.optional(shape.text('The nonce to use.')) }),
    ...(refusals === 'authzen' && { 'X-Request-ID': shape.optional(shape.text('As the request had it.')) }),
    ...(access === 'trusted_proxy' && {
      'X-Watchbell-Error': shape.optional(shape.text('What the proxy did wrong.')),
    }),
  }
}

const unreadHead = ['request.invalid', 'request.head_too_large'] as const
const always = [...unreadHead, 'request.rate_limited', 'hub.unavailable'] as const
const guardedBy = [
  'access.no_credentials',
  'access.token_invalid',
  'access.oauth_token_invalid',
  'access.dpop_invalid',
  'access.scope_missing',
  'access.forbidden',
] as const
const withBody = [
  'request.media_type',
  'request.content_encoding',
  'request.too_large',
  'hub.overloaded',
] as const

function refusalsOf({ access, apart, body, refusals, errors = [] }: Operation): readonly Refusal[] {
  const codes = new Set<HubErrorCode>([
    ...always,
    ...(isScope(access) ? guardedBy : []),
    ...(apart === true ? [] : (['request.not_acceptable'] as const)),
    ...(body === undefined ? [] : withBody),
    ...(body !== undefined && 'application/json' in body.content && refusals !== 'set'
      ? (['request.malformed_json'] as const)
      : []),
    ...errors,
  ])
  const inOrder = (Object.keys(hubErrors) as HubErrorCode[]).filter((code) => codes.has(code)) // of that object
  const slow: Refusal = { ...oktaRefusal('request.invalid'), code: undefined, status: 408, meaning: tooSlow }
  return [...inOrder.map((code) => refusalOf(code, refusals)), slow, internalRefusal(refusals)]
}

const tooSlow = 'The request took too long to arrive.'

function refusalOf(code: HubErrorCode, style: Operation['refusals']): Refusal {
  const meaning = hubErrors[code]
  const error = new HubError(code)
  switch (style) {
    case undefined:
      return oktaRefusal(code)
    case 'set': {
      const answer = setErrorAnswer(error)
      if (answer === undefined) return oktaRefusal(code)
      const body = { shape: setError, member: 'err', value: answer.body.err }
      return { code, meaning, status: answer.status, body }
    }
    case 'oauth': {
      const answer = tokenErrorAnswer(error, { origin: '', authorization: undefined })
      if (answer === undefined) return oktaRefusal(code)
      const body = { shape: oauthError, member: 'error', value: answer.body.error }
      return { code, meaning, status: answer.status, body }
    }
    case 'authzen': {
      const status = code === 'access.no_credentials' ? 401 : oktaErrorAnswer(error, '').status
      return { code, meaning, status, body: { shape: authzenError } }
    }
  }
}

function oktaRefusal(code: HubErrorCode): Refusal {
  const { status, body } = oktaErrorAnswer(new HubError(code), '')
  const shown = { shape: oktaError, member: 'errorCode', value: body.errorCode }
  // OKTA-X13: a missing scope is reported in the header only.
  return { code, meaning: hubErrors[code], status, ...(code !== 'access.scope_missing' && { body: shown }) }
}

function internalRefusal(style: Operation['refusals']): Refusal {
  const { status, body } = internalErrorAnswer('')
  return {
    code: undefined,
    meaning: 'The hub failed; its log has more.',
    status,
    body:
      style === 'authzen'
        ? { shape: authzenError }
        : { shape: oktaError, member: 'errorCode', value: body.errorCode },
  }
}

/** Moves responses that several operations share to the components; changes the operations. @returns the shared responses */
function shareResponses(items: Iterable<Record<string, unknown>>): Json {
  const uses = new Map<string, { readonly responses: Record<string, unknown>; readonly status: string }[]>()
  for (const item of items) {
    for (const operation of Object.values(item)) {
      const { responses } = operation as { responses?: Record<string, unknown> } // or a member of the item
      for (const [status, response] of Object.entries(responses ?? {})) {
        const same = JSON.stringify([status, response])
        uses.set(same, [...(uses.get(same) ?? []), { responses: responses ?? {}, status }])
      }
    }
  }
  const shared: Record<string, unknown> = {}
  for (const [same, places] of uses) {
    if (places.length < 2) continue
    const [status, response] = JSON.parse(same) as [string, unknown]
    let name = `Status${status}`
    for (let number = 2; name in shared; number += 1) name = `Status${status}No${number}`
    shared[name] = response
    for (const place of places) place.responses[place.status] = { $ref: `#/components/responses/${name}` }
  }
  return shared
}
