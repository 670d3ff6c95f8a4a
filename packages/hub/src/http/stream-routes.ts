import { actorOf, type Caller } from '../access/caller.ts'
import { HubError } from '../base/hub-error.ts'
import { isJsonObject, type JsonObject } from '@watchbell/receiver/base'
import type { StreamRoom } from '../streams/stream-room.ts'
import type { Providers } from '../providers/providers.ts'
import { readSubjectIdentifier } from '@watchbell/receiver/set'
import { readCompatibility } from '../streams/provider-dialects.ts'
import { invalidStream, readStreamDraft, readStreamPatch, streamLimits } from '../streams/stream-draft.ts'
import { isConnected, problemOf, streamStatuses, type Stream, type StreamAuth } from '../streams/stream.ts'
import type { StatusAnswer } from '../streams/transmitter-client.ts'
import type { StreamBody, StreamStatusBody } from '../wire/streams.ts'
import { actorFacts, routesOf, type ApiRequest, type Route } from './route.ts'

export interface StreamRoutesDeps {
  readonly intake: StreamRoom
  readonly providers: Pick<Providers, 'get'>
  readonly urlProblem: (url: string) => string | undefined
}

/** In seconds. */
const overlapDefault = 3_600
const overlapMax = 7 * 86_400

/** Our streams at transmitters, at most one for each provider. */
export function streamRoutes({ intake, providers, urlProblem }: StreamRoutesDeps): readonly Route[] {
  const { streams, dialects } = intake
  const shown = (stream: Stream): StreamBody => streamBody(stream, streams.pushUrl(stream))
  const by = (caller: Caller, request: ApiRequest) => actorOf(caller, actorFacts(request))

  /** Finds the provider first: an unknown one is reported before an invalid body. */
  const ofProvider =
    <A>(handle: (id: string, request: ApiRequest, caller: Caller) => Promise<A>) =>
    async (request: ApiRequest, caller: Caller): Promise<A> => {
      const { id } = await providers.get(request.params['id'] ?? '')
      return handle(id, request, caller)
    }

  return routesOf({
    'GET /v1/streams': async () => ({
      status: 200,
      body: { streams: intake.registry.list().map(shown) },
    }),
    'PUT /v1/providers/:id/stream': ofProvider(async (id, request, caller) => {
      const draft = await readStreamDraft(request.json, { urlProblem })
      return { status: 200, body: shown(await streams.connect(id, draft, by(caller, request))) }
    }),
    'GET /v1/providers/:id/stream': ofProvider(async (id) => ({ status: 200, body: shown(streams.get(id)) })),
    'PATCH /v1/providers/:id/stream': ofProvider(async (id, request, caller) => {
      const draft = await readStreamPatch(request.json, await streams.draftOf(id), { urlProblem })
      return { status: 200, body: shown(await streams.connect(id, draft, by(caller, request))) }
    }),
    'DELETE /v1/providers/:id/stream': ofProvider(async (id, request, caller) => {
      await streams.disconnect(id, readForce(request), by(caller, request))
      return { status: 204 }
    }),
    'POST /v1/providers/:id/stream/verify': ofProvider(async (id, request, caller) => ({
      status: 202,
      body: shown(await streams.verify(id, by(caller, request))),
    })),
    'GET /v1/providers/:id/stream/status': ofProvider(async (id) => ({
      status: 200,
      body: statusBody(await streams.readStatus(id)),
    })),
    'PUT /v1/providers/:id/stream/status': ofProvider(async (id, request, caller) => {
      streams.get(id)
      return {
        status: 200,
        body: statusBody(await streams.setStatus(id, readStatus(request), by(caller, request))),
      }
    }),
    'POST /v1/providers/:id/stream/subjects': ofProvider(async (id, request) => {
      streams.get(id)
      const { subject, verified } = readSubjectRequest(request)
      await streams.addSubject(id, subject, verified)
      return { status: 204 }
    }),
    'POST /v1/providers/:id/stream/subjects/remove': ofProvider(async (id, request) => {
      streams.get(id)
      await streams.removeSubject(id, readSubjectRequest(request).subject)
      return { status: 204 }
    }),
    'POST /v1/providers/:id/stream/rotate-authorization': ofProvider(async (id, request, caller) => {
      streams.get(id)
      const overlapS = readOverlap(request)
      return {
        status: 200,
        body: shown(await streams.rotateAuthorization(id, overlapS, by(caller, request))),
      }
    }),
    'GET /v1/providers/:id/stream/health': ofProvider(async (id) => ({
      status: 200,
      body: await intake.examine(id),
    })),
    'GET /v1/providers/:id/dialects': ofProvider(async (id) => ({ status: 200, body: dialects.get(id) })),
    'PUT /v1/providers/:id/dialects': ofProvider(async (id, request, caller) => {
      await dialects.set(id, readCompatibility(request.json), by(caller, request))
      return { status: 200, body: dialects.get(id) }
    }),
  })
}

function streamBody(stream: Stream, pushUrl: string): StreamBody {
  const { settings } = stream
  const remote = isConnected(stream) ? stream.remote : undefined
  return {
    id: stream.id,
    provider_id: stream.providerId,
    connected: remote !== undefined,
    delivery: settings.delivery,
    ...(settings.delivery === 'poll' && { polling: settings.polling ?? 'long' }),
    events_requested: settings.eventsRequested ?? null,
    description: settings.description ?? null,
    auth: authBody(settings.auth),
    subjects: settings.subjects,
    audience: settings.audience ?? null,
    credential_hosts: settings.credentialHosts ?? null,
    ...(settings.existing !== undefined && {
      existing: { stream_id: settings.existing.streamId, poll_url: settings.existing.pollUrl },
    }),
    ...(settings.delivery === 'push' && { push_url: pushUrl }),
    transmitter: remote && {
      stream_id: remote.streamId,
      iss: remote.iss,
      aud: remote.aud,
      endpoint_url: remote.endpointUrl ?? null,
      events_delivered: remote.eventsDelivered ?? null,
      min_verification_interval: remote.minVerificationIntervalS ?? null,
      inactivity_timeout: remote.inactivityTimeoutS ?? null,
      verification_endpoint: stream.endpoints?.verification ?? null,
    },
    ...statusBody(stream),
    verification_asked_at: iso(stream.verificationAskedAt),
    verified_at: iso(stream.verifiedAt),
    last_event_at: iso(stream.lastEventAt),
    last_poll_at: iso(stream.lastPollAt),
    checked_at: iso(stream.checkedAt),
    last_error: problemOf(stream) ?? null,
    created_at: iso(stream.createdAt),
    updated_at: iso(stream.updatedAt),
  }
}

function statusBody({ status, statusReason }: Stream): StreamStatusBody {
  return { status: status ?? 'unknown', status_reason: statusReason ?? null }
}

/** Without secrets: no caller may read them. */
function authBody(auth: StreamAuth): StreamBody['auth'] {
  if (auth.method === 'bearer') return { method: auth.method }
  return {
    method: auth.method,
    client_id: auth.clientId,
    token_url: auth.tokenUrl ?? null,
    authorization_server: auth.authorizationServer ?? null,
    scope: auth.scope ?? null,
    dpop: auth.dpop,
  }
}

function iso(at: Date | undefined): string | null {
  return at?.toISOString() ?? null
}

function readForce({ query }: ApiRequest): boolean {
  const force = query.get('force') ?? 'false'
  if (force === 'true' || force === 'false') return force === 'true'
  throw new HubError('request.invalid', { detail: 'The parameter force must be true or false.' })
}

function readStatus({ json }: ApiRequest): StatusAnswer {
  const { status, reason } = isJsonObject(json) ? json : {}
  const known = streamStatuses.find((name) => name === status)
  if (known === undefined) {
    throw invalidStream([{ field: 'status', message: `must be one of ${streamStatuses.join(', ')}` }])
  }
  if (reason === undefined || reason === null) return { status: known, reason: undefined }
  if (typeof reason === 'string' && reason.length <= streamLimits.textMax) return { status: known, reason }
  throw invalidStream([
    { field: 'reason', message: `must be a string of at most ${streamLimits.textMax} characters` },
  ])
}

function readSubjectRequest({ json }: ApiRequest): {
  readonly subject: JsonObject
  readonly verified: boolean | undefined
} {
  const { subject, verified } = isJsonObject(json) ? json : {}
  if (!isJsonObject(subject)) {
    throw invalidStream([
      {
        field: 'subject',
        message: 'must be a subject identifier, such as {"format":"email","email":"ada@example.com"}',
      },
    ])
  }
  if (verified !== undefined && typeof verified !== 'boolean') {
    throw invalidStream([{ field: 'verified', message: 'must be true or false' }])
  }
  readSubjectIdentifier(subject, 'subject')
  return { subject, verified }
}

function readOverlap({ json }: ApiRequest): number {
  const { overlap_seconds: overlap = overlapDefault } = isJsonObject(json) ? json : {}
  if (typeof overlap === 'number' && Number.isInteger(overlap) && overlap >= 0 && overlap <= overlapMax) {
    return overlap
  }
  throw invalidStream([
    { field: 'overlap_seconds', message: `must be a whole number from 0 to ${overlapMax}` },
  ])
}
