import { setTimeout as sleep } from 'node:timers/promises'
import type { JWK } from 'jose'
import { realWorld, type World } from '../base/world.ts'
import { eventCatalogue } from '@watchbell/receiver/events'
import { generateSigningKey, signSet } from '@watchbell/receiver/set'
import { makeBroken, type BreakageName } from './breakages.ts'
import { createDelivery } from './emulated-delivery.ts'
import { createEmulatedOauth, resourceMetadataPath, type EmulatedClient } from './emulated-oauth.ts'
import {
  startEmulatedServer,
  type EmulatedAnswer,
  type EmulatedRequest,
  type Fault,
} from './emulated-server.ts'
import {
  createEmulatedStreams,
  no,
  pollMethod,
  pushMethod,
  type EmulatedStatus,
  type EmulatedStream,
} from './emulated-streams.ts'
import type { MisbehaviourName, Switches } from './misbehaviours.ts'
import { personalityAmong, usualPaths, type Personality } from './personalities.ts'
import { claimsOfDraft, type SetDraft } from './set-draft.ts'
import { createTransmitterKeys } from './transmitter-keys.ts'
import type { TransmitterOptions } from './transmitter.ts'

export interface EmulatedTransmitterOptions extends TransmitterOptions {
  /** Receivers that may get access tokens; one with id and secret `receiver` unless given. */
  readonly clients?: readonly EmulatedClient[]
  /** Tokens that are good as they are, without OAuth; `static-token` unless given. */
  readonly bearerTokens?: readonly string[]
  /** 3600 unless given; 0 makes tokens that are never good. */
  readonly tokenLifetimeS?: number
  /** Whether access tokens are bound to a key of the receiver (RFC 9449). */
  readonly dpop?: boolean
  /** With `dpop`: proofs need a nonce, one at the token endpoint and another one at the API (RFC 9449 §8, §9). */
  readonly dpopNonces?: boolean
  /** Event types it offers; all of CAEP and RISC unless given. */
  readonly eventsSupported?: readonly string[]
  /** `aud` of a receiver's stream; made from the receiver's name unless given. */
  readonly audienceOf?: (receiver: string) => string
  readonly streamsPerReceiver?: number
  readonly minVerificationIntervalS?: number
  readonly inactivityTimeoutS?: number
  readonly defaultSubjects?: 'ALL' | 'NONE'
  readonly criticalSubjectMembers?: readonly string[]
  readonly deliveryMethods?: readonly (typeof pushMethod | typeof pollMethod)[]
  readonly misbehaving?: Iterable<MisbehaviourName>
  /** How long a poll without news is held open; 30 s unless given. */
  readonly longPollMs?: number
  readonly pollEventsMax?: number
  /** The first pause after a failed push; doubles up to a minute. */
  readonly pushRetryMs?: number
}

/** What can be made to fail. `api` is configuration, status, subjects and verification together. */
export type EmulatedEndpoint =
  | 'metadata'
  | 'keys'
  | 'oauth_metadata'
  | 'token'
  | 'configuration'
  | 'status'
  | 'subjects'
  | 'verification'
  | 'poll'

/** An SSF 1.0 transmitter that really listens, keeps streams, signs and delivers; all in memory. */
export interface EmulatedTransmitter extends AsyncDisposable {
  /** Where others reach it. */
  readonly origin: string
  /** Where it really listens; the same unless an origin was given. */
  readonly listensAt: string
  readonly issuer: string
  readonly wellKnownUrl: string
  readonly jwksUrl: string
  readonly tokenUrl: string
  /** Switches of misbehaviour; add and delete as you like. */
  readonly misbehaving: Switches
  /** While true, every connection is closed at once. */
  down: boolean
  tokenLifetimeS: number
  readonly tokensIssued: number
  revokeTokens(): void
  /** Makes every DPoP nonce given out so far useless. */
  rotateNonces(): void
  /** The next requests to the endpoint fail so: once, `times`, or `Infinity` until it is mended. */
  fail(endpoint: EmulatedEndpoint, fault: Fault, times?: number): void
  mend(endpoint?: EmulatedEndpoint): void
  /** Every request so far. */
  readonly requests: readonly (EmulatedRequest & { readonly endpoint: EmulatedEndpoint | undefined })[]
  readonly streams: readonly EmulatedStream[]
  /** The only stream. @throws Error when there is none, or there are several */
  stream(): EmulatedStream
  /**
   * Signs the event for each stream that wants it and hands it to delivery; `aud` is the stream's unless given.
   * @returns the `jti`, the same in every stream
   */
  send(draft: EmulatedDraft): string
  /** A sound token for the stream. */
  sign(draft: EmulatedDraft, stream?: EmulatedStream): string
  /** A token for the stream that is broken in this one way; see `breakages`. */
  signBroken(name: BreakageName, draft: EmulatedDraft, stream?: EmulatedStream): Promise<string>
  /** A token made elsewhere, handed to the delivery of a stream; its `jti` is what the poll answer calls it. */
  enqueue(stream: EmulatedStream, jti: string, token: string): void
  /** A verification that nobody asked for (SSF 1.0 §8.1.4). */
  verify(stream?: EmulatedStream): Promise<void>
  /** Changes a stream's status as the transmitter does: announced before it stops, or as it resumes (SSF 1.0 §8.1.5). */
  setStatus(status: EmulatedStatus, reason?: string, stream?: EmulatedStream): void
  /** Pauses streams whose receivers were silent for longer than `inactivityTimeoutS` (SSF 1.0 §8.1.1). */
  pauseInactive(): void
  /** Tries every push that waits, whatever pause a failure earned it, and returns when each stream is done or failed. */
  pushAll(): Promise<void>
  /**
   * Makes a new key sign. The old one stays published unless it is withdrawn; the new one is published at once unless
   * `unpublished`, and then by `publishKeys`.
   */
  rotateKey(how?: { readonly withdrawn?: boolean; readonly unpublished?: boolean }): Promise<string>
  publishKeys(): void
}

/** Like {@link SetDraft}, but `aud` is the stream's unless given. */
export type EmulatedDraft = AudienceOptional<SetDraft>
type AudienceOptional<Draft> = Draft extends SetDraft
  ? Omit<Draft, 'aud'> & Partial<Pick<Draft, 'aud'>>
  : never

/** How long the answer to a create waits for a verification that is pushed before it. */
const createAfterPushMs = 100
const wellKnownPath = '/.well-known/ssf-configuration'
const oauthMetadataPath = '/.well-known/oauth-authorization-server'
const ownPaths = { keys: '/jwks.json', poll: '/ssf/poll/' } as const
const ssfEvents = 'https://schemas.openid.net/secevent/ssf/event-type/'
const usualEvents = eventCatalogue.filter(({ family }) => family === 'caep' || family === 'risc')

/**
 * Starts a whole transmitter (SSF 1.0 §7, §8; RFC 8935; RFC 8936) on a real socket.
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function startEmulatedTransmitter(
  options: EmulatedTransmitterOptions = {},
): Promise<EmulatedTransmitter> {
  const { host = '127.0.0.1', port = 0 } = options
  const world: Pick<World, 'now' | 'newUuid' | 'fetch' | 'newSecret'> = {
    ...realWorld(globalThis.fetch),
    ...options.world,
  }
  const switches: Switches = new Set(options.misbehaving)
  const personality: Personality | undefined = personalityAmong(switches)
  const paths = { ...ownPaths, ...(personality?.paths ?? usualPaths) }
  const defaultSubjects = options.defaultSubjects ?? personality?.defaultSubjects[0] ?? 'ALL'
  const keys = createTransmitterKeys(options.key ?? (await generateSigningKey(options.alg ?? 'RS256')))
  /** What the key set shows while new keys are held back. */
  let shownKeys: readonly JWK[] | undefined

  const oauth = createEmulatedOauth({
    world,
    clients: options.clients ?? [{ id: 'receiver', secret: 'receiver' }],
    bearerTokens: options.bearerTokens ?? ['static-token'],
    dpop: options.dpop ?? false,
    dpopNonces: options.dpopNonces ?? false,
    switches,
    origin: () => origin,
    personality,
  })
  oauth.tokenLifetimeS = options.tokenLifetimeS ?? 3_600
  const delivery = createDelivery({
    world,
    switches,
    longPollMs: options.longPollMs ?? 30_000,
    pollEventsMax: options.pollEventsMax ?? 1_000,
    pushTimeoutMs: personality?.pushesWhileVerifyingMs ?? 10_000,
    pushRetryMs: options.pushRetryMs ?? 1_000,
    pushRetryMaxMs: 60_000,
  })
  const streams = createEmulatedStreams(
    {
      world,
      switches,
      issuer: () => issuer,
      origin: () => origin,
      audienceOf:
        options.audienceOf ??
        ((receiver) => `${issuer}/receivers/${receiver.replace(/^bearer:.*/, 'static')}`),
      eventsSupported:
        options.eventsSupported ?? personality?.eventsSupported ?? usualEvents.map(({ type }) => type),
      streamsPerReceiver: options.streamsPerReceiver ?? 1,
      minVerificationIntervalS: options.minVerificationIntervalS ?? personality?.minVerificationIntervalS,
      inactivityTimeoutS: options.inactivityTimeoutS,
      defaultSubjects: personality?.defaultSubjects[1] ?? defaultSubjects,
      personality,
    },
    {
      async created(stream) {
        if (!switches.has('verify-at-creation')) return
        await verify(stream, switches.has('verify-unasked-state') ? 'not-asked-for' : undefined)
        // The receiver may well wait for the answer to the create before it answers.
        await Promise.race([delivery.push(stream), sleep(createAfterPushMs)])
      },
      async verify(stream, state) {
        await verify(stream, state)
        const answer = pushedVerification(stream)
        return personality?.pushesWhileVerifyingMs === undefined ? undefined : answer
      },
      announceStatus: (stream) => announceStatus(stream, stream.status, stream.reason),
      changed: delivery.changed,
    },
  )

  /** SETs about the stream itself are SSF 1.0 §8.1.4 and SSF 1.0 §8.1.5; `typ`, `iss`, `txn` and the rest are SSF 1.0 §4.1. */
  function sign(stream: EmulatedStream, draft: SetDraft, jti: string): string {
    const claims = claimsOfDraft(draft, { issuer, jti, issuedAt: world.now() })
    const token = signSet({
      key: keys.signing,
      claims: {
        txn: jti,
        ...claims,
        ...(switches.has('sets-wrong-iss') && { iss: 'https://somebody-else.example' }),
        ...(switches.has('sets-wrong-aud') && { aud: `${stream.aud}/somebody-else` }),
      },
      ...(draft.header && { header: draft.header }),
    })
    return switches.has('sets-tampered') ? tampered(token) : token
  }

  function announce(stream: EmulatedStream, name: string, claims: object, announcement: boolean): void {
    const jti = world.newUuid()
    const id = switches.has('verify-wrong-subject') ? `not-${stream.id}` : stream.id
    const draft: SetDraft = {
      events: { [ssfEvents + name]: claims },
      subject: { format: 'opaque', id },
      aud: stream.aud,
    }
    delivery.add(stream, { jti, token: sign(stream, draft, jti), announcement })
  }

  async function verify(stream: EmulatedStream, state: string | undefined): Promise<void> {
    if (switches.has('verify-never')) return
    const told = state !== undefined && switches.has('verify-wrong-state') ? `not-${state}` : state
    announce(stream, 'verification', told === undefined ? {} : { state: told }, false)
    if (switches.has('verify-before-answer')) await delivery.push(stream)
  }

  /** What a personality makes of its verification event once that was pushed. */
  async function pushedVerification(stream: EmulatedStream): Promise<EmulatedAnswer | undefined> {
    await delivery.settled(stream)
    if (personality === undefined || stream.method !== pushMethod) return undefined
    if (stream.pushes.at(-1)?.status === 202) return undefined
    stream.status = personality.afterRefusedVerification
    if (!personality.scopeMustBeAsked) return undefined
    stream.waiting = []
    return { status: 400, body: { error: 'stream_verification_error' } } // Keycloak's
  }

  function announceStatus(stream: EmulatedStream, status: EmulatedStatus, reason?: string): void {
    const told = { status, ...(reason !== undefined && { reason }) }
    const inObject = personality?.statusInObject === true
    const claims = inObject ? { ...told, status: { stream_id: stream.id, ...told } } : told
    announce(stream, 'stream-updated', claims, true)
  }

  function setStatus(stream: EmulatedStream, status: EmulatedStatus, reason?: string): void {
    stream.status = status
    stream.reason = reason
    if (status === 'disabled') stream.waiting = []
    announceStatus(stream, status, reason)
    delivery.changed(stream)
  }

  async function manage(
    request: EmulatedRequest,
    endpoint: 'configuration' | 'status' | 'subjects' | 'verification',
  ): Promise<EmulatedAnswer> {
    const reading = request.method === 'GET'
    const who = await oauth.receiverOf(request, reading ? ['ssf.read', 'ssf.manage'] : ['ssf.manage'])
    if ('status' in who) return who
    const call = {
      ...who,
      method: request.method,
      streamId: request.query.get('stream_id') ?? undefined,
      body: request.body,
    }
    if (endpoint === 'configuration') return streams.configuration(call)
    if (endpoint === 'status') return streams.status(call)
    if (endpoint === 'verification') return streams.verification(call)
    return request.path === paths.addSubject ? streams.addSubject(call) : streams.removeSubject(call)
  }

  async function poll(request: EmulatedRequest): Promise<EmulatedAnswer> {
    if (request.method !== 'POST') return no(405, 'Only POST is supported.')
    const own = streams.all.get(request.path.slice(paths.poll.length))
    if (own?.pollAuthorization !== undefined) {
      if (request.headers['authorization'] === own.pollAuthorization) return delivery.poll(own, request)
      return { status: 401 }
    }
    const who = await oauth.receiverOf(request, ['ssf.read', 'ssf.manage']) // SSF 1.0 §7.1.1
    if ('status' in who) return who
    const stream = streams.all.get(request.path.slice(paths.poll.length))
    if (stream === undefined || stream.receiver !== who.receiver || stream.method !== pollMethod) {
      return no(404, 'There is no such stream to poll.')
    }
    stream.touchedAt = world.now().getTime() // SSF 1.0 §8.1.1
    return delivery.poll(stream, request)
  }

  function endpointOf(path: string): EmulatedEndpoint | undefined {
    if (path === metadataPath) return 'metadata'
    if (path === authorizationPath) return 'oauth_metadata'
    if (path.startsWith(resourceMetadataPath)) {
      const there = personality === undefined || (hostWide && path === resourceMetadataPath)
      return there ? 'oauth_metadata' : undefined
    }
    if (path.startsWith(paths.poll)) return 'poll'
    if (path === paths.addSubject || path === paths.removeSubject) return 'subjects'
    return (['keys', 'token', 'configuration', 'status', 'verification'] as const).find(
      (endpoint) => path === paths[endpoint],
    )
  }

  const server = await startEmulatedServer<EmulatedEndpoint>({
    host,
    port,
    endpointOf,
    answer(endpoint, request): EmulatedAnswer | Promise<EmulatedAnswer> {
      switch (endpoint) {
        case 'metadata':
          return { status: 200, body: metadata }
        case 'keys':
          return { status: 200, body: { keys: shownKeys ?? keys.published() } }
        case 'oauth_metadata': {
          const resource = request.path.startsWith(resourceMetadataPath)
          const body = resource
            ? oauth.resourceMetadata(request.path.slice(resourceMetadataPath.length))
            : oauth.metadata()
          return { status: 200, body }
        }
        case 'token':
          return oauth.tokenEndpoint(request)
        case 'poll':
          return poll(request)
        default:
          return manage(request, endpoint)
      }
    },
  })
  const origin: string = options.origin ?? server.origin
  const issuer = options.issuer ?? origin + (personality?.issuerPath ?? '')
  const issuerPath = URL.parse(issuer)?.pathname.replace(/\/$/, '') ?? ''
  const metadataPath = issuerPath.startsWith(wellKnownPath) ? issuerPath : wellKnownPath + issuerPath
  const hostWide = personality?.scopesSupported !== undefined
  const authorizationPath = oauthMetadataPath + (personality?.authorizationServerPath ?? '')
  const critical = options.criticalSubjectMembers ?? personality?.criticalSubjectMembers
  const metadata = {
    spec_version: '1_0',
    issuer,
    jwks_uri: origin + paths.keys,
    delivery_methods_supported: options.deliveryMethods ?? [pushMethod, pollMethod],
    configuration_endpoint: origin + paths.configuration,
    status_endpoint: origin + paths.status,
    add_subject_endpoint: origin + paths.addSubject,
    remove_subject_endpoint: origin + paths.removeSubject,
    verification_endpoint: origin + paths.verification,
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:6750' }],
    default_subjects: defaultSubjects,
    ...(critical && { critical_subject_members: critical }),
  }

  function only(): EmulatedStream {
    const [stream, second] = streams.all.values()
    if (stream === undefined || second !== undefined) {
      throw new Error(`There are ${streams.all.size} streams where one is needed.`)
    }
    return stream
  }

  return {
    origin,
    listensAt: server.origin,
    issuer,
    wellKnownUrl: origin + metadataPath,
    jwksUrl: metadata.jwks_uri,
    tokenUrl: origin + paths.token,
    misbehaving: switches,
    get down() {
      return server.down
    },
    set down(down) {
      server.down = down
    },
    get tokenLifetimeS() {
      return oauth.tokenLifetimeS
    },
    set tokenLifetimeS(seconds) {
      oauth.tokenLifetimeS = seconds
    },
    get tokensIssued() {
      return oauth.tokensIssued
    },
    revokeTokens: oauth.revokeTokens,
    rotateNonces: oauth.rotateNonces,
    fail: (endpoint, fault, times = 1) => server.fail(endpoint, fault, times),
    mend: server.mend,
    requests: server.requests,
    get streams() {
      return [...streams.all.values()]
    },
    stream: only,
    send(draft) {
      const jti = draft.jti ?? world.newUuid()
      for (const stream of streams.all.values()) {
        const given = forStream(draft, stream)
        const types = Object.keys(
          claimsOfDraft(given, { issuer, jti, issuedAt: world.now() })['events'] as object,
        )
        const delivered = streams.eventsDelivered(stream)
        if (!types.some((type) => delivered.includes(type)) || !streams.wants(stream, draft.subject)) continue
        delivery.add(stream, { jti, token: sign(stream, given, jti), announcement: false })
      }
      return jti
    },
    sign: (draft, stream = only()) => sign(stream, forStream(draft, stream), draft.jti ?? world.newUuid()),
    signBroken(name, draft, stream = only()) {
      const claims = (draft: SetDraft): Record<string, unknown> =>
        claimsOfDraft(draft, { issuer, jti: draft.jti ?? world.newUuid(), issuedAt: world.now() })
      return makeBroken(name, { keys, claims }, forStream(draft, stream))
    },
    enqueue: (stream, jti, token) => delivery.add(stream, { jti, token, announcement: false }),
    verify: (stream = only()) =>
      verify(stream, switches.has('verify-unasked-state') ? 'not-asked-for' : undefined),
    setStatus: (status, reason, stream = only()) => setStatus(stream, status, reason),
    pauseInactive() {
      const { inactivityTimeoutS } = options
      if (inactivityTimeoutS === undefined) return
      const since = world.now().getTime() - inactivityTimeoutS * 1_000
      for (const stream of streams.all.values()) {
        if (stream.status === 'enabled' && stream.touchedAt < since) setStatus(stream, 'paused', 'inactivity')
      }
    },
    async pushAll() {
      await Promise.all([...streams.all.values()].map((stream) => delivery.push(stream)))
    },
    async rotateKey({ withdrawn = false, unpublished = false } = {}) {
      const before = keys.published()
      const { kid } = await keys.rotate({ withdrawn })
      if (unpublished) shownKeys ??= before
      return kid
    },
    publishKeys: () => (shownKeys = undefined),
    async [Symbol.asyncDispose]() {
      await delivery[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

function forStream(draft: EmulatedDraft, stream: EmulatedStream): SetDraft {
  return { ...draft, aud: draft.aud ?? stream.aud }
}

/** The token with another first character of its signature. */
function tampered(token: string): string {
  const at = token.lastIndexOf('.') + 1
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}
