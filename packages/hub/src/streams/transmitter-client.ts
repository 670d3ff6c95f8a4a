import {
  type FetchedBytes,
  isJsonArray,
  parseIJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  printable,
  inSentence,
} from '@watchbell/receiver/base'
import { HubError, isHubError } from '../base/hub-error.ts'
import { readRetryAfter } from '../base/retry-after.ts'
import { readDefaultSubjects } from './transmitter-endpoints.ts'
import {
  deliveryMethodUrns,
  isAuthorization,
  type RemoteStream,
  type StreamStatus,
  streamStatuses,
  type TransmitterEndpoints,
} from './stream.ts'
import type { TransmitterAccess, TransmitterRequest } from './transmitter-auth.ts'

/** The receiver's members of a stream (SSF 1.0 §8.1.1); all others are the transmitter's. */
export interface WantedStream {
  readonly delivery:
    | { readonly method: string }
    | {
        readonly method: string
        readonly endpoint_url: string
        readonly authorization_header: string
      }
  readonly events_requested: readonly string[]
  readonly description?: string
}

/** Members to change; one that is present and undefined is removed. */
export type StreamRequestChanges = {
  readonly [Member in keyof WantedStream]?: WantedStream[Member] | undefined
}

/** A stream as the transmitter describes it, with its `iss` checked. */
export interface StreamConfiguration extends RemoteStream {
  readonly method: string | undefined
  /** The Authorization value for polls of this stream, when the transmitter gives one. Secret. */
  readonly pollAuthorization?: string | undefined
  readonly eventsRequested: readonly string[] | undefined
  readonly eventsSupported: readonly string[] | undefined
  readonly description: string | undefined
}

export interface StatusAnswer {
  readonly status: StreamStatus
  readonly reason: string | undefined
}

/** The management API of one transmitter (SSF 1.0 §8.1). Every method throws HubError `stream.*` that names the step. */
export interface TransmitterClient {
  /**
   * Undefined when there is a stream already (409). A created stream with an unusable answer is deleted again, if the
   * transmitter permits it.
   */
  create(wanted: WantedStream): Promise<StreamConfiguration | undefined>
  /** Every stream of ours at the transmitter (SSF 1.0 §8.1.1.2). */
  list(): Promise<readonly StreamConfiguration[]>
  /** Undefined when there is no stream with this id. */
  read(streamId: string): Promise<StreamConfiguration | undefined>
  /**
   * Changes these members. Replaces the whole stream when the transmitter has no PATCH, and to remove a member, because a
   * PATCH keeps absent members (SSF 1.0 §8.1.1.3). Undefined when the transmitter will make the change later (202).
   */
  change(
    streamId: string,
    changes: StreamRequestChanges,
    whole: WantedStream,
  ): Promise<StreamConfiguration | undefined>
  /** A stream that is gone already is no error. */
  delete(streamId: string): Promise<void>
  status(streamId: string): Promise<StatusAnswer>
  /** Undefined when the transmitter will change it later (SSF 1.0 §8.1.2.2). */
  setStatus(streamId: string, wanted: StatusAnswer): Promise<StatusAnswer | undefined>
  verify(streamId: string, state: string): Promise<void>
  addSubject(streamId: string, subject: JsonObject, verified: boolean | undefined): Promise<void>
  removeSubject(streamId: string, subject: JsonObject): Promise<void>
}

export interface TransmitterClientDeps {
  readonly access: TransmitterAccess
  readonly endpoints: TransmitterEndpoints
  /** The provider's issuer, which must be the `iss` of every answer (SSF 1.0 §8.1.1.1.1). */
  readonly issuer: string
  /**
   * The `aud` to request when a stream is created, and to assume for answers without one, as before SSF 1.0.
   */
  readonly audience: readonly string[] | undefined
  readonly urlProblem: (url: string) => string | undefined
  /** For each request; 10 s unless given. */
  readonly timeoutMs?: number
}

/** For each request to a management API. */
const managementLimits = { timeoutMs: 10_000, bytesMax: 256 * 1024 } as const
const streamsMax = 100
const textCharsMax = 1_000

export function createTransmitterClient(deps: TransmitterClientDeps): TransmitterClient {
  const { endpoints } = deps
  const { configuration } = endpoints
  const call = (step: string, request: Call, ...expected: readonly number[]): Promise<Answered> =>
    callTransmitter(deps, step, request, expected)
  const one = (step: string, { json }: Answered): StreamConfiguration => readConfiguration(deps, step, json)

  /** Best effort: the earlier error is the one to report. */
  async function remove({ json }: Answered): Promise<void> {
    const streamId = isJsonObject(json) ? json['stream_id'] : undefined
    if (typeof streamId !== 'string' || streamId === '' || streamId.length > textCharsMax) return
    const url = withQuery(configuration, streamId)
    await call('Deleting the stream', { method: 'DELETE', url }, 204, 200, 404).catch((error: unknown) => {
      if (!isHubError(error)) throw error
    })
  }

  return {
    async create(wanted) {
      const step = 'Creating the stream'
      const json = { ...wanted, ...(deps.audience !== undefined && { aud: deps.audience }) }
      const answer = await call(step, { method: 'POST', url: configuration, json }, 201, 200, 409)
      if (answer.status === 409) return undefined
      try {
        return requireMethod(one(step, answer), wanted)
      } catch (error) {
        await remove(answer)
        throw error
      }
    },
    async list() {
      const step = 'Listing the streams'
      const { status, json } = await call(step, { method: 'GET', url: configuration }, 200, 404)
      if (status === 404) return []
      if (!isJsonArray(json)) return [readConfiguration(deps, step, json)]
      return json.slice(0, streamsMax).map((each) => readConfiguration(deps, step, each))
    },
    async read(streamId) {
      const step = 'Reading the stream'
      const url = withQuery(configuration, streamId) // SSF 1.0 §8.1.1.5
      const { status, json } = await call(step, { method: 'GET', url }, 200, 404)
      if (status === 404) return undefined
      const listed = isJsonArray(json) // SSF 1.0 §8.1.1.2
      const found = listed ? json.find((each) => isJsonObject(each) && each['stream_id'] === streamId) : json
      if (listed && found === undefined) return undefined
      const read = readConfiguration(deps, step, found)
      if (read.streamId !== streamId)
        throw unusable(step, `it is about the stream ${inSentence(read.streamId, 100)}`)
      return read
    },
    async change(streamId, changes, whole) {
      const step = 'Changing the stream'
      const patch = {
        method: 'PATCH',
        url: configuration,
        json: { stream_id: streamId, ...changes },
      } as const
      const put = { method: 'PUT', url: configuration, json: { stream_id: streamId, ...whole } } as const
      const removes = Object.values(changes).includes(undefined)
      let answer = removes ? undefined : await call(step, patch, 200, 202, 405, 501) // SSF 1.0 §8.1.1.3
      if (answer === undefined || answer.status === 405 || answer.status === 501) {
        answer = await call(step, put, 200, 202)
      }
      return answer.status === 202 ? undefined : one(step, answer)
    },
    async delete(streamId) {
      const url = withQuery(configuration, streamId) // SSF 1.0 §8.1.1.5
      await call('Deleting the stream', { method: 'DELETE', url }, 204, 200, 404)
    },
    async status(streamId) {
      const step = 'Reading the status'
      const url = withQuery(offered(endpoints.status, 'status_endpoint'), streamId)
      return readStatus(step, await call(step, { method: 'GET', url }, 200))
    },
    async setStatus(streamId, { status, reason }) {
      const step = 'Setting the status'
      const url = offered(endpoints.status, 'status_endpoint')
      const json = { stream_id: streamId, status, ...(reason !== undefined && { reason }) }
      const answer = await call(step, { method: 'POST', url, json }, 200, 202)
      return answer.status === 202 ? undefined : readStatus(step, answer)
    },
    async verify(streamId, state) {
      const url = offered(endpoints.verification, 'verification_endpoint')
      await call(
        'Asking for verification',
        { method: 'POST', url, json: { stream_id: streamId, state } },
        204,
        200,
        202,
      )
    },
    async addSubject(streamId, subject, verified) {
      const url = offered(endpoints.addSubject, 'add_subject_endpoint')
      const json = { stream_id: streamId, subject, ...(verified !== undefined && { verified }) }
      await call('Adding the subject', { method: 'POST', url, json }, 200, 204)
    },
    async removeSubject(streamId, subject) {
      const url = offered(endpoints.removeSubject, 'remove_subject_endpoint')
      await call(
        'Removing the subject',
        { method: 'POST', url, json: { stream_id: streamId, subject } },
        204,
        200,
      )
    },
  }
}

type Call = Pick<TransmitterRequest, 'method' | 'url' | 'json'>

interface Answered {
  readonly status: number
  readonly json: JsonValue | undefined
}

async function callTransmitter(
  { access, timeoutMs = managementLimits.timeoutMs }: TransmitterClientDeps,
  step: string,
  request: Call,
  expected: readonly number[],
): Promise<Answered> {
  const host = new URL(request.url).host
  const answer = await access
    .request({ ...request, ...managementLimits, timeoutMs })
    .catch((error: unknown) => {
      if (!isHubError(error, 'outbound.failed', 'outbound.refused')) throw error
      throw new HubError('stream.transmitter_unavailable', {
        detail: `${step} failed: ${error.detail}`,
        cause: error,
      })
    })
  if (!expected.includes(answer.status)) throw refusal(step, { host, request, access }, answer)
  if (answer.body.byteLength === 0) return { status: answer.status, json: undefined }
  const parsed = parseIJson(answer.body, { wideNumbers: 'as_text' })
  return { status: answer.status, json: parsed.ok ? parsed.value : undefined }
}

/** What to do about each status. */
const adviceOf: Readonly<Record<number, string>> = {
  401: 'It does not accept our credentials: check the token, or the client and its scopes.',
  403: 'Our credentials are valid but do not permit this: ask its operator for the scopes or the role.',
  404: 'It does not know the stream, or has nothing at this URL: its metadata may be out of date.',
  409: 'It has a stream for us already.',
  429: 'It was asked too often; it will be asked again later.',
}

interface Refused {
  readonly host: string
  readonly request: Call
  readonly access: TransmitterAccess
}

function refusal(step: string, { host, request, access }: Refused, answer: FetchedBytes): HubError {
  const { status, headers } = answer
  const theirs = transmitterMessage(answer, secretsIn(request))
  const said = theirs === '' ? '' : ` and said: ${theirs}`
  const retryAfterS = readRetryAfter(headers.get('retry-after'), access.now?.())
  const unavailable = status >= 500 || status === 429
  return new HubError(unavailable ? 'stream.transmitter_unavailable' : 'stream.transmitter_refused', {
    detail: [
      `${step} failed: ${host} answered with status ${status}${said}.`,
      adviceOf[status] ?? '',
      status === 401 || status === 403 ? scopesText(access) : '',
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
    facts: { status: String(status) },
    ...(unavailable && retryAfterS !== undefined && { retryAfterS }),
  })
}

/** The requested scopes, which may be too few when a transmitter denies access. */
export function scopesText(access: Pick<TransmitterAccess, 'scopeAsked'>): string {
  const scope = access.scopeAsked?.()
  if (scope === undefined) return ''
  return scope === ''
    ? 'The access token was requested without a scope (`--scope` names some).'
    : `The access token was requested with the scopes ${printable(scope, 300)} (\`--scope\` names others).`
}

const transmitterMessageCharsMax = 300

/** The message in an error body, under any known member; the start of a body without such a member. */
export function transmitterMessage({ body, headers }: FetchedBytes, secrets: readonly string[] = []): string {
  const parsed = parseIJson(body, { wideNumbers: 'as_text' })
  if (!parsed.ok) {
    const isText = /^text\/plain\b/i.test(headers.get('content-type') ?? '')
    return isText ? startOf(Buffer.from(body).toString(), secrets) : ''
  }
  return startOf(messageMembers(parsed.value) || JSON.stringify(parsed.value), secrets)
}

/** The secrets of a request. */
function secretsIn({ json }: Call): readonly string[] {
  const { delivery } = (json ?? {}) as Partial<WantedStream> // ours; other requests have no such member
  const authorization = delivery && 'authorization_header' in delivery ? delivery.authorization_header : ''
  return [authorization, ...authorization.split(' ').slice(1)].filter((secret) => secret !== '')
}

/** Removes secrets, because some transmitters repeat the request. */
function startOf(body: string, secrets: readonly string[]): string {
  const shown = secrets
    .reduce((text, secret) => text.replaceAll(secret, '…'), body)
    .replace(/\b(bearer|dpop|basic)\s+[\w.~+/=-]+/gi, '$1 …')
  return printable(shown.trim(), transmitterMessageCharsMax).replace(/\.$/, '')
}

function messageMembers(value: JsonValue): string {
  if (!isJsonObject(value)) return ''
  const object = value
  const parts = ['err', 'error', 'title', 'error_description', 'description', 'detail', 'message'].flatMap(
    (name) => {
      const value = object[name]
      return typeof value === 'string' && value !== '' ? [value] : []
    },
  )
  return parts.join(': ')
}

function readStatus(step: string, { json }: Answered): StatusAnswer {
  const { status, reason } = isJsonObject(json) ? json : {}
  const known = streamStatuses.find((name) => name === status)
  if (known === undefined) {
    throw unusable(step, `its status is ${shown(status)} and must be ${streamStatuses.join(', ')}`)
  }
  return { status: known, reason: typeof reason === 'string' ? printable(reason, textCharsMax) : undefined }
}

/** @throws HubError `stream.answer_unusable`; no part of the answer may then be used (SSF 1.0 §7.2.4, §8.1.1.1.1) */
function readConfiguration(
  { issuer, audience, urlProblem }: TransmitterClientDeps,
  step: string,
  json: JsonValue | undefined,
): StreamConfiguration {
  if (!isJsonObject(json)) throw unusable(step, 'it is not a JSON object')
  const { iss, stream_id: streamId, delivery, description } = json
  if (iss !== issuer) {
    throw unusable(step, `its iss is ${shown(iss)} and must be ${inSentence(issuer, 700)} (SSF 1.0 §8.1.1)`)
  }
  if (typeof streamId !== 'string' || streamId === '' || streamId.length > textCharsMax) {
    throw unusable(step, `its stream_id is ${shown(streamId)} and must be a string`)
  }
  const stated = readAudience(json['aud'])
  const aud =
    stated === undefined || audience === undefined
      ? (stated ?? audience)
      : stated.filter((each) => audience.includes(each))
  if (aud === undefined)
    throw unusable(step, `its aud is ${shown(json['aud'])} and must be a string or a list of strings`)
  if (aud.length === 0) {
    throw unusable(
      step,
      `its aud is ${shown(json['aud'])}, and the stream was given the audience ${shown(audience)}; remove that, or correct it`,
    )
  }
  const {
    method,
    endpoint_url: endpointUrl,
    authorization_header: authorization,
  } = isJsonObject(delivery) ? delivery : {}
  if (typeof endpointUrl === 'string') {
    const problem = urlProblem(endpointUrl)
    if (problem !== undefined && method === deliveryMethodUrns.poll) {
      throw unusable(step, `its delivery.endpoint_url ${shown(endpointUrl)} cannot be used: ${problem}`)
    }
  }
  return {
    streamId,
    iss,
    aud,
    method: typeof method === 'string' ? method : undefined,
    pollAuthorization:
      method === deliveryMethodUrns.poll ? readAuthorization(step, authorization) : undefined,
    endpointUrl: typeof endpointUrl === 'string' ? endpointUrl : undefined,
    eventsRequested: strings(json['events_requested']),
    eventsSupported: strings(json['events_supported']),
    eventsDelivered: strings(json['events_delivered']),
    description: typeof description === 'string' ? description : undefined,
    minVerificationIntervalS: seconds(json['min_verification_interval']),
    inactivityTimeoutS: seconds(json['inactivity_timeout']),
    defaultSubjects: readDefaultSubjects(json['default_subjects']),
  }
}

/** @throws HubError `stream.answer_unusable` when it is not a valid header value */
function readAuthorization(step: string, value: JsonValue | undefined): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string' && isAuthorization(value)) return value
  throw unusable(step, 'its delivery.authorization_header cannot stand in a header')
}

/** @param pending - the transmitter will make the change later, so the shown delivery does not count */
export function requireMethod(
  found: StreamConfiguration,
  { delivery }: WantedStream,
  pending = false,
): StreamConfiguration {
  const isPolled = delivery.method === deliveryMethodUrns.poll
  // Until the change is made, the shown URL is the one that the transmitter pushes to: it must not be polled.
  if (pending)
    return isPolled && found.method !== delivery.method ? { ...found, endpointUrl: undefined } : found
  if (found.method === undefined || found.method === delivery.method) {
    if (!isPolled || found.endpointUrl !== undefined) return found
    throw new HubError('stream.answer_unusable', {
      detail: 'The transmitter created a poll stream without a poll URL (delivery.endpoint_url).',
    })
  }
  throw new HubError('stream.answer_unusable', {
    detail: `The transmitter made a stream with the delivery method ${found.method.slice(0, 100)} where ${delivery.method} was asked for.`,
  })
}

function readAudience(aud: JsonValue | undefined): readonly string[] | undefined {
  if (typeof aud === 'string' && aud !== '') return [aud]
  const list = strings(aud)
  return list === undefined || list.length === 0 ? undefined : list
}

function strings(value: JsonValue | undefined): readonly string[] | undefined {
  return value !== undefined && isJsonArray(value)
    ? value.filter((each) => typeof each === 'string')
    : undefined
}

function seconds(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

function offered(endpoint: string | undefined, member: string): string {
  if (endpoint !== undefined) return endpoint
  throw new HubError('stream.unsupported', { detail: `The transmitter's metadata has no ${member}.` })
}

function withQuery(endpoint: string, streamId: string): string {
  const url = new URL(endpoint)
  url.searchParams.set('stream_id', streamId)
  return url.href
}

function unusable(step: string, why: string): HubError {
  return new HubError('stream.answer_unusable', {
    detail: `${step}: the transmitter's answer must not be used, because ${why}.`,
  })
}

function shown(value: JsonValue | undefined): string {
  return value === undefined ? 'missing' : printable(JSON.stringify(value), 200)
}
