import { isDeepStrictEqual } from 'node:util'
import { isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { EmulatedAnswer } from './emulated-server.ts'
import type { Switches } from './misbehaviours.ts'
import type { Personality } from './personalities.ts'

export const pushMethod = 'urn:ietf:rfc:8935'
export const pollMethod = 'urn:ietf:rfc:8936'

export type EmulatedStatus = 'enabled' | 'paused' | 'disabled'
const statuses: readonly unknown[] = ['enabled', 'paused', 'disabled'] satisfies EmulatedStatus[]

/** A SET that waits to be delivered. */
export interface WaitingSet {
  readonly jti: string
  readonly token: string
  /** A change of the stream's status: goes out even while the stream is paused (SSF 1.0 §8.1.5). */
  readonly announcement: boolean
  /** How often it was handed out. */
  times: number
}

export interface SetError {
  readonly jti: string
  readonly err: string
  readonly description: string
  /** Of the poll request that reported it. */
  readonly contentLanguage: string | undefined
}

/** What became of one push. */
export interface PushRecord {
  readonly jti: string
  /** Undefined when there was no answer. */
  readonly status: number | undefined
  readonly err: string | undefined
  readonly description: string | undefined
}

/** One stream as the transmitter keeps it. Tests may look at everything. */
export interface EmulatedStream {
  readonly id: string
  /** Who may manage it: a client id, or `bearer:` and the token. */
  readonly receiver: string
  readonly aud: string
  /** Whether the receiver named it. */
  readonly audAsked: boolean
  /** What it must be polled with, where that is another value than manages it. */
  readonly pollAuthorization: string | undefined
  eventsRequested: readonly string[] | undefined
  description: string | undefined
  method: typeof pushMethod | typeof pollMethod
  endpointUrl: string
  /** What a push must carry in Authorization. */
  authorization: string | undefined
  status: EmulatedStatus
  reason: string | undefined
  readonly added: JsonObject[]
  readonly removed: JsonObject[]
  waiting: WaitingSet[]
  readonly acked: string[]
  readonly setErrs: SetError[]
  readonly pushes: PushRecord[]
  /** The largest number of polls that were open at the same time. */
  pollsAtOnceMax: number
  verifiedAt: number | undefined
  touchedAt: number
}

export interface StreamRules {
  readonly world: Pick<World, 'now' | 'newSecret'>
  readonly issuer: () => string
  readonly origin: () => string
  readonly switches: Switches
  readonly audienceOf: (receiver: string) => string
  readonly eventsSupported: readonly string[]
  /** How many streams a receiver may have; one more is answered with 409 (SSF 1.0 §8.1.1.1). */
  readonly streamsPerReceiver: number
  readonly minVerificationIntervalS: number | undefined
  readonly inactivityTimeoutS: number | undefined
  readonly defaultSubjects: 'ALL' | 'NONE'
  readonly personality: Personality | undefined
}

/** What the streams need done about them. */
export interface StreamActions {
  /** After it was stored, before the create is answered. */
  created(stream: EmulatedStream): Promise<void>
  /** A verification was asked for. @returns an answer other than the usual one */
  verify(stream: EmulatedStream, state: string | undefined): Promise<EmulatedAnswer | undefined>
  /** The receiver changed the status. */
  announceStatus(stream: EmulatedStream): void
  /** Its delivery or status is another one now. */
  changed(stream: EmulatedStream): void
}

/** The management API of an emulated transmitter (SSF 1.0 §8.1) over streams in memory. Callers are authenticated. */
export interface EmulatedStreams {
  readonly all: ReadonlyMap<string, EmulatedStream>
  configuration(call: ManagementCall): Promise<EmulatedAnswer>
  status(call: ManagementCall): EmulatedAnswer
  addSubject(call: ManagementCall): EmulatedAnswer
  removeSubject(call: ManagementCall): EmulatedAnswer
  verification(call: ManagementCall): Promise<EmulatedAnswer>
  eventsDelivered(stream: EmulatedStream): readonly string[]
  /** Whether events about the subject go to the stream (SSF 1.0 §8.1.3.1). */
  wants(stream: EmulatedStream, subject: object | undefined): boolean
}

export interface ManagementCall {
  readonly receiver: string
  readonly method: string
  readonly streamId: string | undefined
  readonly body: string
}

const noContent: EmulatedAnswer = { status: 204 }

export function createEmulatedStreams(rules: StreamRules, actions: StreamActions): EmulatedStreams {
  const { world, switches, eventsSupported, personality } = rules
  const all = new Map<string, EmulatedStream>()
  const now = (): number => world.now().getTime()

  function own(receiver: string, id: JsonValue | undefined): EmulatedStream | EmulatedAnswer {
    if (typeof id !== 'string' || id === '') return no(400, 'stream_id is missing.')
    const stream = all.get(id)
    if (stream === undefined || stream.receiver !== receiver) return no(404, 'There is no such stream.')
    stream.touchedAt = now() // SSF 1.0 §8.1.1
    return stream
  }

  function eventsDelivered({ eventsRequested }: EmulatedStream): readonly string[] {
    return eventsRequested === undefined
      ? eventsSupported
      : eventsSupported.filter((type) => eventsRequested.includes(type)) // SSF 1.0 §8.1.1
  }

  const [, defaultSubjects] = personality?.defaultSubjects ?? []

  function configurationOf(stream: EmulatedStream): Record<string, JsonValue> {
    return {
      stream_id: stream.id,
      iss: rules.issuer(),
      ...((personality?.audience !== 'when-asked' || stream.audAsked) && { aud: stream.aud }),
      delivery: { method: stream.method, endpoint_url: stream.endpointUrl },
      events_supported: eventsSupported,
      events_delivered: eventsDelivered(stream),
      ...(stream.eventsRequested && { events_requested: requestedOf(stream.eventsRequested) }),
      ...(stream.description !== undefined && { description: stream.description }),
      ...(rules.minVerificationIntervalS !== undefined && {
        min_verification_interval: rules.minVerificationIntervalS,
      }),
      ...(rules.inactivityTimeoutS !== undefined && { inactivity_timeout: rules.inactivityTimeoutS }),
      ...(defaultSubjects !== undefined && { default_subjects: defaultSubjects }),
    }
  }

  function requestedOf(events: readonly string[]): readonly string[] {
    const shown = personality?.addsVerification === true ? [...events, verificationType] : events
    return personality?.sortsRequested === true ? shown.toSorted() : shown
  }

  /** In authentik's words. */
  function unknownTypes({ events_requested: events }: JsonObject): EmulatedAnswer | undefined {
    if (personality?.unknownEvents !== 'refused' || !Array.isArray(events)) return undefined
    const unknown = events.flatMap((type, at) =>
      eventsSupported.includes(String(type))
        ? []
        : [[String(at), [`"${String(type)}" is not a valid choice.`]]],
    )
    if (unknown.length === 0) return undefined
    return { status: 400, body: { events_requested: Object.fromEntries(unknown) } }
  }

  async function create(receiver: string, body: JsonObject): Promise<EmulatedAnswer> {
    const mine = [...all.values()].filter((stream) => stream.receiver === receiver)
    if (mine.length >= rules.streamsPerReceiver) return no(409, 'This receiver has a stream already.')
    const problem = problemOf(body)
    if (problem !== undefined) return no(400, problem)
    const refusal = unknownTypes(body)
    if (refusal !== undefined) return refusal
    const id = world.newSecret(12)
    const supplied = suppliedBy(body, id)
    const own = personality?.ownPollCredential === true && supplied.method === pollMethod
    const [asked] = [body['aud']].flat()
    const stream: EmulatedStream = {
      id,
      receiver,
      aud: typeof asked === 'string' ? asked : rules.audienceOf(receiver),
      audAsked: typeof asked === 'string',
      pollAuthorization: own ? `Bearer ${world.newSecret(12)}` : undefined,
      status: 'enabled',
      reason: undefined,
      added: [],
      removed: [],
      waiting: [],
      acked: [],
      setErrs: [],
      pushes: [],
      pollsAtOnceMax: 0,
      verifiedAt: undefined,
      touchedAt: now(),
      ...supplied,
    }
    all.set(id, stream)
    await actions.created(stream)
    const answer = configurationOf(stream)
    if (stream.pollAuthorization !== undefined) {
      const { method, endpointUrl: endpoint_url, pollAuthorization: authorization_header } = stream
      answer['delivery'] = { method, endpoint_url, authorization_header }
    }
    return {
      status: 201,
      body: switches.has('create-wrong-iss') ? { ...answer, iss: 'https://somebody-else.example' } : answer,
    }
  }

  function suppliedBy(body: JsonObject, id: string) {
    const { events_requested: events, description, delivery } = body
    return {
      eventsRequested: Array.isArray(events) ? (events as readonly string[]) : undefined, // checked by problemOf
      description: typeof description === 'string' ? description : undefined,
      ...deliveryOf(delivery, id),
    }
  }

  function deliveryOf(
    delivery: JsonValue | undefined,
    id: string,
  ): Pick<EmulatedStream, 'method' | 'endpointUrl' | 'authorization'> {
    if (!isJsonObject(delivery) || delivery['method'] === pollMethod) {
      return { method: pollMethod, endpointUrl: `${rules.origin()}/ssf/poll/${id}`, authorization: undefined } // SSF 1.0 §8.1.1.1, §6.1.2
    }
    const { endpoint_url: url, authorization_header: authorization } = delivery
    return {
      method: pushMethod,
      endpointUrl: typeof url === 'string' ? url : '', // checked by problemOf
      authorization: typeof authorization === 'string' ? authorization : undefined,
    }
  }

  function update(stream: EmulatedStream, body: JsonObject, replace: boolean): EmulatedAnswer {
    if (!replace && personality?.patch === 404) return { status: 404, body: '404 page not found' }
    const problem = problemOf(body) ?? mismatchOf(stream, body)
    if (problem !== undefined) return no(400, problem)
    const refusal = unknownTypes(body)
    if (refusal !== undefined) return refusal
    const given = suppliedBy(body, stream.id)
    if (replace || 'events_requested' in body) stream.eventsRequested = given.eventsRequested
    if (replace || 'description' in body) stream.description = given.description
    if (replace || 'delivery' in body) {
      const { method, endpointUrl, authorization } = given
      Object.assign(stream, { method, endpointUrl, authorization })
    }
    actions.changed(stream)
    const answer = configurationOf(stream)
    if (replace && personality?.putHidesPollUrl === true && stream.method === pollMethod) {
      answer['delivery'] = { method: stream.method }
    }
    return switches.has('answers-202') ? { status: 202 } : { status: 200, body: answer }
  }

  /** Transmitter-supplied members may be sent, and must then be as they are (SSF 1.0 §8.1.1.3). */
  function mismatchOf(stream: EmulatedStream, body: JsonObject): string | undefined {
    const current = configurationOf(stream)
    const wrong = transmitterSupplied.find(
      (member) => member in body && JSON.stringify(body[member]) !== JSON.stringify(current[member]),
    )
    return wrong && `${wrong} is not for the receiver to change.`
  }

  function setStatus(stream: EmulatedStream, body: JsonObject): EmulatedAnswer {
    const { status, reason } = body
    if (!isStatus(status)) return no(400, 'status must be enabled, paused or disabled.')
    stream.status = status
    stream.reason = typeof reason === 'string' ? reason : undefined
    if (status === 'disabled') stream.waiting = [] // SSF 1.0 §8.1.2.1
    if (personality?.statusInObject === true) actions.announceStatus(stream)
    actions.changed(stream)
    return switches.has('answers-202') ? { status: 202 } : { status: 200, body: statusOf(stream) }
  }

  function statusOf({ id, status, reason }: EmulatedStream): object {
    return { stream_id: id, status, ...(reason !== undefined && { reason }) }
  }

  /** Of a POST with a JSON object about one stream of the caller. */
  function posted(
    { receiver, method, body: text }: ManagementCall,
    work: (stream: EmulatedStream, body: JsonObject) => EmulatedAnswer,
  ): EmulatedAnswer {
    if (method !== 'POST') return no(405, 'Only POST is supported.')
    const body = parseObject(text)
    if (body === undefined) return no(400, 'The body is not a JSON object.')
    const stream = own(receiver, body['stream_id'])
    return 'id' in stream ? work(stream, body) : stream
  }

  return {
    all,
    eventsDelivered,
    wants(stream, subject) {
      if (subject === undefined) return true
      const among = (subjects: readonly JsonObject[]): boolean =>
        subjects.some((known) => subjectsMatch(known, subject))
      if (rules.defaultSubjects === 'NONE' && !among(stream.added)) {
        return switches.has('removed-subjects-go-on') && among(stream.removed)
      }
      return switches.has('removed-subjects-go-on') || !among(stream.removed)
    },
    async configuration({ receiver, method, streamId, body: text }) {
      switch (method) {
        case 'GET': {
          if (streamId !== undefined) {
            const stream = own(receiver, streamId)
            return 'id' in stream ? { status: 200, body: configurationOf(stream) } : stream
          }
          const mine = [...all.values()].filter((stream) => stream.receiver === receiver)
          return { status: 200, body: mine.map(configurationOf) } // SSF 1.0 §8.1.1.2
        }
        case 'DELETE': {
          const stream = own(receiver, streamId)
          if (!('id' in stream)) return stream
          all.delete(stream.id)
          stream.waiting = []
          return noContent // SSF 1.0 §8.1.1.5
        }
        case 'POST':
        case 'PATCH':
        case 'PUT': {
          const body = parseObject(text)
          if (body === undefined) return no(400, 'The body is not a JSON object.')
          if (method === 'POST') return create(receiver, body)
          const stream = own(receiver, body['stream_id'])
          return 'id' in stream ? update(stream, body, method === 'PUT') : stream
        }
        default:
          return no(405, 'GET, POST, PATCH, PUT and DELETE are supported.')
      }
    },
    status(call) {
      if (call.method !== 'GET') return posted(call, setStatus)
      const stream = own(call.receiver, call.streamId)
      return 'id' in stream ? { status: 200, body: statusOf(stream) } : stream
    },
    addSubject: (call) =>
      posted(call, ({ added, removed }, { subject, verified }) => {
        if (!isJsonObject(subject)) return no(400, 'subject is missing.')
        if (verified !== undefined && typeof verified !== 'boolean')
          return no(400, 'verified is true or false.')
        take(removed, subject)
        added.push(subject)
        return { status: 200 } // SSF 1.0 §8.1.3.2
      }),
    removeSubject: (call) =>
      posted(call, ({ added, removed }, { subject }) => {
        if (!isJsonObject(subject)) return no(400, 'subject is missing.')
        take(added, subject)
        removed.push(subject)
        return noContent
      }),
    async verification(call) {
      let verified: Promise<EmulatedAnswer | undefined> | undefined
      const answer = posted(call, (stream, { state }) => {
        if (state !== undefined && typeof state !== 'string') return no(400, 'state is not a string.')
        const intervalMs = (rules.minVerificationIntervalS ?? 0) * 1_000
        const waitMs = stream.verifiedAt === undefined ? 0 : stream.verifiedAt + intervalMs - now()
        if (waitMs > 0) {
          const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) }
          return { ...no(429, 'min_verification_interval has not passed.'), headers } // SSF 1.0 §8.1.4
        }
        stream.verifiedAt = now()
        verified = actions.verify(stream, state)
        return noContent
      })
      return (await verified) ?? answer
    },
  }
}

export function isStatus(value: unknown): value is EmulatedStatus {
  return statuses.includes(value)
}

const verificationType = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

const transmitterSupplied = [
  'iss',
  'aud',
  'events_supported',
  'events_delivered',
  'min_verification_interval',
  'inactivity_timeout',
]

/** What is wrong with the members that a receiver supplies. */
function problemOf({ events_requested: events, description, delivery }: JsonObject): string | undefined {
  if (events !== undefined && !(Array.isArray(events) && events.every((type) => typeof type === 'string'))) {
    return 'events_requested is not an array of strings.'
  }
  if (description !== undefined && typeof description !== 'string') return 'description is not a string.'
  if (delivery === undefined) return undefined
  if (!isJsonObject(delivery)) return 'delivery is not an object.'
  if (delivery['method'] === pollMethod) return undefined
  if (delivery['method'] !== pushMethod) return 'delivery.method is neither push nor poll.'
  const url = delivery['endpoint_url']
  if (typeof url !== 'string' || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    return 'delivery.endpoint_url is not an http(s) URL.'
  }
  const authorization = delivery['authorization_header']
  return authorization === undefined || typeof authorization === 'string'
    ? undefined
    : 'delivery.authorization_header is not a string.'
}

function take(subjects: JsonObject[], subject: JsonObject): void {
  const index = subjects.findIndex((known) => subjectsMatch(known, subject))
  if (index >= 0) subjects.splice(index, 1)
}

export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function no(status: number, error: string): EmulatedAnswer {
  return { status, body: { error } }
}

/**
 * Whether a subject that was added to a stream covers the subject of an event: simple ones when they are identical,
 * complex ones when every member is missing on one side or identical (SSF 1.0 §8.1.3.1).
 */
function subjectsMatch(one: object, other: object): boolean {
  const [a, b] = [{ ...one }, { ...other }] as [Record<string, unknown>, Record<string, unknown>] // their members
  if (a['format'] !== 'complex' || b['format'] !== 'complex') return isDeepStrictEqual(a, b)
  return Object.keys(a).every(
    (member) =>
      !isJsonObject(a[member]) || b[member] === undefined || isDeepStrictEqual(a[member], b[member]),
  )
}
