import { HubError, type FieldProblem } from '../base/hub-error.ts'
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  printable,
} from '@watchbell/receiver/base'
import { credentialHostProblem } from './credential-fetch.ts'
import type {
  ClientCredentials,
  OperatorStream,
  StreamAuth,
  StreamSecrets,
  StreamSettings,
} from './stream.ts'
import { isFrameworkEvent } from './stream-wishes.ts'
import { importClientKey } from './transmitter-auth.ts'

/** The requested configuration of a stream, with its secrets apart. Only readStreamDraft and readStreamPatch make one. */
export interface StreamDraft {
  readonly settings: StreamSettings
  readonly secrets: Omit<StreamSecrets, 'pushAuthorization' | 'nextPushAuthorization' | 'pollAuthorization'>
}

/** Limits in characters, and of list lengths. */
export const streamLimits = {
  textMax: 1_000,
  secretMax: 4_096,
  eventsMax: 100,
  audiencesMax: 20,
  hostsMax: 20,
} as const

const members = [
  'delivery',
  'polling',
  'events_requested',
  'description',
  'auth',
  'subjects',
  'audience',
  'credential_hosts',
  'existing',
]
const authMembers = [
  'method',
  'token',
  'client_id',
  'client_secret',
  'client_key',
  'token_url',
  'authorization_server',
  'scope',
  'dpop',
]
const authMethods = ['bearer', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

/** What a PATCH changes. */
export interface KnownDraft {
  readonly settings: StreamSettings
  /** Undefined when the credentials are for an earlier issuer of the provider: they must be given again. */
  readonly secrets: StreamDraft['secrets'] | undefined
}

export interface DraftDeps {
  /** Why a URL would not be fetched, judged by its text. */
  readonly urlProblem: (url: string) => string | undefined
}

/** Reads the body of PUT. @throws HubError `stream.invalid` with every problem */
export async function readStreamDraft(body: JsonValue | undefined, deps: DraftDeps): Promise<StreamDraft> {
  const given = requireObject(body)
  const problems = unknownMembers(given, members, '')
  const { auth, secrets } = await readAuth(given['auth'], undefined, deps, problems)
  const settings = readSettings(given, auth, deps, problems)
  if (problems.length > 0) throw invalidStream(problems)
  return { settings, secrets }
}

/**
 * Reads the body of PATCH: absent members stay, null removes one, `auth` is replaced as a whole except for secrets that
 * are not given again. @throws HubError `stream.invalid` with every problem
 */
export async function readStreamPatch(
  body: JsonValue | undefined,
  { settings, secrets: kept }: KnownDraft,
  deps: DraftDeps,
): Promise<StreamDraft> {
  const given = requireObject(body)
  const problems = unknownMembers(given, members, '')
  const merged = {
    delivery: settings.delivery,
    polling: settings.polling ?? null,
    events_requested: settings.eventsRequested ?? null,
    description: settings.description ?? null,
    subjects: settings.subjects,
    audience: settings.audience ?? null,
    credential_hosts: settings.credentialHosts ?? null,
    existing:
      settings.existing === undefined
        ? null
        : { stream_id: settings.existing.streamId, poll_url: settings.existing.pollUrl },
    ...given,
  }
  if (kept === undefined && !Object.hasOwn(given, 'auth')) {
    problems.push({
      field: 'auth',
      message:
        'must be given with its secrets: the ones that are kept were given for another issuer of the provider',
    })
  }
  const before = kept && { settings, secrets: kept }
  const { auth, secrets } = Object.hasOwn(given, 'auth')
    ? await readAuth(given['auth'], before, deps, problems)
    : { auth: settings.auth, secrets: kept ?? {} }
  const changed = readSettings(merged, auth, deps, problems)
  if (problems.length > 0) throw invalidStream(problems)
  return { settings: changed, secrets }
}

function readSettings(
  given: JsonObject,
  auth: StreamAuth,
  deps: DraftDeps,
  problems: FieldProblem[],
): StreamSettings {
  const { delivery, subjects = 'all', description, events_requested: events, audience } = given
  const polling = given['polling'] ?? undefined
  if (delivery !== 'push' && delivery !== 'poll') {
    problems.push({ field: 'delivery', message: 'must be push or poll' })
  }
  if (polling !== undefined && polling !== 'long' && polling !== 'short') {
    problems.push({ field: 'polling', message: 'must be long or short' })
  }
  if (subjects !== 'all' && subjects !== 'listed') {
    problems.push({ field: 'subjects', message: 'must be all or listed' })
  }
  const eventsRequested = readList(events, 'events_requested', streamLimits.eventsMax, problems)
  const noType = eventsRequested?.find((type) => URL.parse(type) === null)
  if (noType !== undefined) {
    problems.push({
      field: 'events_requested',
      message: `must be URIs such as https://schemas.openid.net/secevent/caep/event-type/session-revoked; ${printable(noType, 100)} is none`,
    })
  }
  if (eventsRequested?.some((type) => isFrameworkEvent(type)) === true) {
    problems.push({
      field: 'events_requested',
      message: 'must not name the verification and stream-updated events: they come anyway',
    })
  }
  const credentialHosts = readList(
    given['credential_hosts'],
    'credential_hosts',
    streamLimits.hostsMax,
    problems,
  )
  const noHost = credentialHosts?.map(credentialHostProblem).find((problem) => problem !== undefined)
  if (noHost !== undefined) problems.push({ field: 'credential_hosts', message: noHost })
  const existing = readExisting(given, deps, problems)
  return {
    delivery: delivery === 'poll' ? 'poll' : 'push',
    ...((polling === 'long' || polling === 'short') && { polling }),
    eventsRequested,
    description: readText(description, 'description', streamLimits.textMax, problems),
    auth,
    subjects: subjects === 'listed' ? 'listed' : 'all',
    audience: readList(
      typeof audience === 'string' ? [audience] : audience,
      'audience',
      streamLimits.audiencesMax,
      problems,
    ),
    ...(credentialHosts !== undefined && { credentialHosts }),
    ...(existing !== undefined && { existing }),
  }
}

/** `{"stream_id": "…", "poll_url": "https://…"}` of a stream that the transmitter's operator made. */
function readExisting(
  { existing: given, delivery, audience, events_requested: events, description, subjects }: JsonObject,
  { urlProblem }: DraftDeps,
  problems: FieldProblem[],
): OperatorStream | undefined {
  if (given === undefined || given === null) return undefined
  if (!isJsonObject(given)) {
    problems.push({ field: 'existing', message: 'must be an object with stream_id and poll_url' })
    return undefined
  }
  problems.push(...unknownMembers(given, ['stream_id', 'poll_url'], 'existing.'))
  const text = (name: 'stream_id' | 'poll_url'): string => {
    const value = readText(given[name], `existing.${name}`, streamLimits.textMax, problems)
    if (value === undefined && (given[name] ?? undefined) === undefined) {
      problems.push({ field: `existing.${name}`, message: 'is needed for an existing stream' })
    }
    return value ?? ''
  }
  const [streamId, pollUrl] = [text('stream_id'), text('poll_url')]
  const problem = pollUrl === '' ? undefined : urlProblem(pollUrl)
  if (problem !== undefined) {
    problems.push({ field: 'existing.poll_url', message: `is not valid: ${problem}` })
  }
  if (delivery !== 'poll') {
    problems.push({ field: 'delivery', message: 'must be poll for an existing stream' })
  }
  if ((audience ?? undefined) === undefined) {
    problems.push({ field: 'audience', message: 'is needed for an existing stream' })
  }
  const managed = {
    events_requested: events,
    description,
    subjects: subjects === 'all' ? undefined : subjects,
  }
  for (const [field, value] of Object.entries(managed)) {
    if ((value ?? undefined) === undefined) continue
    problems.push({
      field,
      message: 'cannot be set for an existing stream: the transmitter’s operator decides it',
    })
  }
  return { streamId, pollUrl }
}

interface ReadAuth {
  readonly auth: StreamAuth
  readonly secrets: StreamDraft['secrets']
}

async function readAuth(
  given: JsonValue | undefined,
  before: StreamDraft | undefined,
  { urlProblem }: DraftDeps,
  problems: FieldProblem[],
): Promise<ReadAuth> {
  const nothing: ReadAuth = { auth: { method: 'bearer' }, secrets: {} } // never used: there is a problem
  if (!isJsonObject(given)) {
    problems.push({ field: 'auth', message: `must be an object with a method: ${authMethods.join(', ')}` })
    return nothing
  }
  problems.push(...unknownMembers(given, authMembers, 'auth.'))
  const method = authMethods.find((name) => name === given['method'])
  if (method === undefined) {
    problems.push({ field: 'auth.method', message: `must be one of ${authMethods.join(', ')}` })
    return nothing
  }
  const kept = before !== undefined && sameClient(before.settings.auth, method, given) ? before.secrets : {}
  const secret = (name: string, known: string | undefined): string | undefined => {
    const text = readText(given[name], `auth.${name}`, streamLimits.secretMax, problems) ?? known
    if (text === undefined) problems.push({ field: `auth.${name}`, message: `is needed with ${method}` })
    return text
  }
  if (method === 'bearer') {
    const bearerToken = secret('token', kept.bearerToken)
    if (bearerToken !== undefined && !/^[\x21-\x7e]+$/.test(bearerToken)) {
      problems.push({
        field: 'auth.token',
        message: 'must be printable ASCII without spaces; `Bearer` is not part of it',
      })
    }
    return { auth: { method }, secrets: bearerToken === undefined ? {} : { bearerToken } }
  }
  const url = (name: 'token_url' | 'authorization_server'): string | undefined => {
    const text = readText(given[name], `auth.${name}`, streamLimits.textMax, problems)
    const problem = text === undefined ? undefined : urlProblem(text)
    if (problem !== undefined) problems.push({ field: `auth.${name}`, message: `is not valid: ${problem}` })
    return text
  }
  const clientId = readText(given['client_id'], 'auth.client_id', streamLimits.textMax, problems)
  if (clientId === undefined) problems.push({ field: 'auth.client_id', message: `is needed with ${method}` })
  const { dpop = false } = given
  if (typeof dpop !== 'boolean') problems.push({ field: 'auth.dpop', message: 'must be true or false' })
  const auth: ClientCredentials = {
    method,
    clientId: clientId ?? '',
    tokenUrl: url('token_url'),
    authorizationServer: url('authorization_server'),
    scope: readText(given['scope'], 'auth.scope', streamLimits.textMax, problems),
    dpop: dpop === true,
  }
  if (method === 'private_key_jwt') {
    const clientKey = await readClientKey(given['client_key'], kept.clientKey, problems)
    return { auth, secrets: clientKey === undefined ? {} : { clientKey } }
  }
  const clientSecret = secret('client_secret', kept.clientSecret)
  return { auth, secrets: clientSecret === undefined ? {} : { clientSecret } }
}

function sameClient(before: StreamAuth, method: StreamAuth['method'], given: JsonObject): boolean {
  if (before.method === 'bearer' || method === 'bearer') return before.method === method
  return (
    before.clientId === given['client_id'] &&
    (before.method === 'private_key_jwt') === (method === 'private_key_jwt') &&
    before.tokenUrl === (given['token_url'] ?? undefined) &&
    before.authorizationServer === (given['authorization_server'] ?? undefined)
  )
}

async function readClientKey(
  given: JsonValue | undefined,
  kept: StreamSecrets['clientKey'],
  problems: FieldProblem[],
): Promise<StreamSecrets['clientKey']> {
  if (given === undefined && kept !== undefined) return kept
  if (!isJsonObject(given)) {
    problems.push({ field: 'auth.client_key', message: 'is needed with private_key_jwt: a private JWK' })
    return undefined
  }
  try {
    await importClientKey(given)
    return given
  } catch {
    problems.push({
      field: 'auth.client_key',
      message: 'must be a private JWK (RSA, EC or OKP) that can sign',
    })
    return undefined
  }
}

function requireObject(body: JsonValue | undefined): JsonObject {
  if (isJsonObject(body)) return body
  throw invalidStream([{ field: '', message: 'The body must be a JSON object' }])
}

/** A misspelt member must not fall back to a default. */
function unknownMembers(given: JsonObject, known: readonly string[], prefix: string): FieldProblem[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => ({
      field: prefix + name.slice(0, 100),
      message: `is not known here; there are ${known.join(', ')}`,
    }))
}

function readText(
  value: JsonValue | undefined,
  field: string,
  charsMax: number,
  problems: FieldProblem[],
): string | undefined {
  if (value === undefined || value === null) return undefined
  const fits =
    typeof value === 'string' && value.trim() !== '' && value.length <= charsMax && !/\p{Cc}/u.test(value)
  if (fits) return value
  problems.push({
    field,
    message: `must be a string of 1 to ${charsMax} characters without control characters`,
  })
  return undefined
}

function readList(
  value: JsonValue | undefined,
  field: string,
  countMax: number,
  problems: FieldProblem[],
): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  const isText = (each: JsonValue): each is string =>
    typeof each === 'string' && each.trim() !== '' && each.length <= streamLimits.textMax
  if (isJsonArray(value) && value.length > 0 && value.length <= countMax && value.every(isText)) return value
  problems.push({ field, message: `must be a list of 1 to ${countMax} strings` }) // SSF 1.0 §8.1.1: never an empty one
  return undefined
}

/** `stream.invalid` with its problems, as a list and as text. */
export function invalidStream(problems: readonly FieldProblem[]): HubError {
  const detail = problems
    .map(({ field, message }) => (field === '' ? message : `${field} ${message}`))
    .join('; ')
  return new HubError('stream.invalid', { detail: `${detail}.`, problems })
}
