import { json, type Operations } from './operation.ts'
import {
  anyObject,
  anyOf,
  constant,
  flag,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  openObject,
  optional,
  text,
  time,
  uri,
  type ShapeOf,
} from './schema.ts'

export const streamStatus = oneOf(['enabled', 'paused', 'disabled'])
const authMethod = oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])

/** How the hub shows a transmitter who it is, without secrets. */
const streamAuth = anyOf([
  object({ method: constant('bearer') }),
  object({
    method: authMethod,
    client_id: text(),
    token_url: nullable(uri()),
    authorization_server: nullable(uri()),
    scope: nullable(text()),
    dpop: flag(),
  }),
])

const statusMembers = {
  status: oneOf(['enabled', 'paused', 'disabled', 'unknown'], 'What the transmitter said last.'),
  status_reason: nullable(text()),
} as const

export const streamStatusBody = named('StreamStatus', object(statusMembers))
export type StreamStatusBody = ShapeOf<typeof streamStatusBody>

/** Our side of the stream of a provider, and what its transmitter says of it. */
export const streamBody = named(
  'Stream',
  object({
    id: text('`str` + 17.'),
    provider_id: text(),
    connected: flag('Whether the transmitter has created it.'),
    delivery: oneOf(['push', 'poll']),
    polling: optional(oneOf(['long', 'short'], 'Of a stream that is polled.')),
    events_requested: nullable(list(uri(), 'Null: every one that the hub understands.')),
    description: nullable(text()),
    auth: streamAuth,
    subjects: oneOf(['all', 'listed']),
    audience: nullable(list(text())),
    credential_hosts: nullable(list(text())),
    existing: optional(
      object({ stream_id: text(), poll_url: uri() }, 'A stream that the operator of the transmitter made.'),
    ),
    push_url: optional(uri('Where the transmitter sends to, of a stream that is pushed.')),
    transmitter: optional(
      object(
        {
          stream_id: text(),
          iss: text(),
          aud: list(text()),
          endpoint_url: nullable(text()),
          events_delivered: nullable(list(text())),
          min_verification_interval: nullable(integer('In seconds.')),
          inactivity_timeout: nullable(integer('In seconds.')),
          verification_endpoint: nullable(text()),
        },
        'The stream as its transmitter has it; not there before it is connected.',
      ),
    ),
    ...statusMembers,
    verification_asked_at: nullable(time()),
    verified_at: nullable(time()),
    last_event_at: nullable(time()),
    last_poll_at: nullable(time()),
    checked_at: nullable(time()),
    last_error: nullable(text('All that is wrong with it, in words.')),
    created_at: nullable(time()),
    updated_at: nullable(time()),
  }),
)
export type StreamBody = ShapeOf<typeof streamBody>

const draftMembers = {
  polling: optional(nullable(oneOf(['long', 'short']))),
  events_requested: optional(nullable(list(uri(), undefined, { maxItems: 100 }))),
  description: optional(nullable(text(undefined, { maxLength: 1_000 }))),
  subjects: optional(oneOf(['all', 'listed'])),
  audience: optional(nullable(anyOf([text(), list(text(), undefined, { maxItems: 20 })]))),
  credential_hosts: optional(nullable(list(text('`host` or `host:port`.'), undefined, { maxItems: 20 }))),
  existing: optional(nullable(object({ stream_id: text(), poll_url: uri() }))),
} as const
const authRequest = named(
  'StreamAuthRequest',
  object({
    method: oneOf(['bearer', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    token: optional(text('With `bearer`.')),
    client_id: optional(text()),
    client_secret: optional(text()),
    client_key: optional(anyObject('A private JWK, with `private_key_jwt`.')),
    token_url: optional(nullable(uri())),
    authorization_server: optional(nullable(uri())),
    scope: optional(nullable(text())),
    dpop: optional(flag()),
  }),
)
const delivery = oneOf(['push', 'poll'])

export const streamRequest = named('StreamRequest', object({ delivery, auth: authRequest, ...draftMembers }))
export type StreamRequest = ShapeOf<typeof streamRequest>
export const streamPatch = named(
  'StreamPatch',
  object(
    { delivery: optional(delivery), auth: optional(authRequest), ...draftMembers },
    'Members that are not there stay; null takes one away.',
  ),
)
export type StreamPatch = ShapeOf<typeof streamPatch>

/** Every thing that must be right for a stream to work, in the order in which one depends on the next. */
export const streamHealthBody = named(
  'StreamHealth',
  object({
    healthy: flag('Whether no check failed.'),
    checks: list(
      object({
        name: oneOf([
          'dns',
          'tls',
          'metadata',
          'keys',
          'token',
          'stream',
          'status',
          'events',
          'subjects',
          'verification',
          'delivery',
          'last_event',
        ]),
        result: oneOf(['ok', 'warning', 'failed', 'unknown']),
        detail: text('What is, or what is wrong and what to do.'),
      }),
    ),
  }),
)
export type StreamHealthBody = ShapeOf<typeof streamHealthBody>

/** In which ways a provider may differ from the standards (docs/dialects.md). */
export const dialectsBody = named(
  'Dialects',
  object({
    dialects: list(text()),
    audiences: list(text(), 'What `aud` must be where there is no stream; empty: the origin of the hub.'),
  }),
)
export type DialectsBody = ShapeOf<typeof dialectsBody>

const subjectIdentifier = anyObject('A subject identifier (RFC 9493).')
const tag = 'Streams'
const read = 'watchbell.streams.read'
const manage = 'watchbell.streams.manage'
const stream = { description: 'The stream.', ...json(streamBody) }
const status = { description: 'What the transmitter says.', ...json(streamStatusBody) }
const dialects = { description: 'What holds.', ...json(dialectsBody) }
const known = ['provider.not_found', 'stream.not_found'] as const
const asked = [
  ...known,
  'hub.standby',
  'outbound.refused',
  'outbound.failed',
  'stream.not_connected',
  'stream.busy',
  'stream.unsupported',
  'stream.secrets_unreadable',
  'stream.token_refused',
  'stream.transmitter_refused',
  'stream.transmitter_unavailable',
  'stream.answer_unusable',
] as const
const connecting = [
  ...asked,
  'stream.invalid',
  'stream.exists',
  'provider.metadata_unusable',
  'provider.invalid',
] as const

/** Our streams at transmitters: one for each provider at most. */
export const streamOperations = {
  'GET /v1/streams': {
    id: 'listStreams',
    tag,
    summary: 'List all streams',
    access: read,
    answers: { 200: { description: 'All of them.', ...json(object({ streams: list(streamBody) })) } },
  },
  'PUT /v1/providers/:id/stream': {
    id: 'connectStream',
    tag,
    summary: 'Create the stream at the transmitter, or adopt and repair the one that is there',
    access: manage,
    body: json(streamRequest),
    answers: { 200: stream },
    errors: connecting,
  },
  'GET /v1/providers/:id/stream': {
    id: 'getStream',
    tag,
    summary: 'Show the stream of a provider',
    access: read,
    answers: { 200: stream },
    errors: known,
  },
  'PATCH /v1/providers/:id/stream': {
    id: 'changeStream',
    tag,
    summary: 'Change the stream, here and at the transmitter',
    access: manage,
    body: json(streamPatch),
    answers: { 200: stream },
    errors: connecting,
  },
  'DELETE /v1/providers/:id/stream': {
    id: 'disconnectStream',
    tag,
    summary: 'Delete the stream, at the transmitter first',
    access: manage,
    query: { force: optional(oneOf(['true', 'false'], 'Delete it here even when the transmitter cannot.')) },
    answers: { 204: { description: 'It is gone.' } },
    errors: [...asked, 'request.invalid'],
  },
  'POST /v1/providers/:id/stream/verify': {
    id: 'verifyStream',
    tag,
    summary: 'Ask the transmitter for a verification event',
    access: manage,
    body: { ...json(anyObject('Nothing is read of it.')), optional: true },
    answers: { 202: { ...stream, description: 'It was asked for; `verified_at` tells when it came.' } },
    errors: asked,
  },
  'GET /v1/providers/:id/stream/status': {
    id: 'getStreamStatus',
    tag,
    summary: 'Ask the transmitter for the status of the stream',
    access: read,
    answers: { 200: status },
    errors: asked,
  },
  'PUT /v1/providers/:id/stream/status': {
    id: 'setStreamStatus',
    tag,
    summary: 'Set the status of the stream at the transmitter',
    access: manage,
    body: json(
      named(
        'StreamStatusRequest',
        openObject({
          status: streamStatus,
          reason: optional(nullable(text(undefined, { maxLength: 1_000 }))),
        }),
      ),
    ),
    answers: { 200: status },
    errors: [...asked, 'stream.invalid'],
  },
  'POST /v1/providers/:id/stream/subjects': {
    id: 'addStreamSubject',
    tag,
    summary: 'Have the transmitter send events about a subject',
    access: manage,
    body: json(
      named('StreamSubjectRequest', openObject({ subject: subjectIdentifier, verified: optional(flag()) })),
    ),
    answers: { 204: { description: 'The transmitter took it; that promises nothing (SSF 1.0 §9.1).' } },
    errors: [...asked, 'stream.invalid', 'set.subject_invalid'],
  },
  'POST /v1/providers/:id/stream/subjects/remove': {
    id: 'removeStreamSubject',
    tag,
    summary: 'Have the transmitter send no more events about a subject',
    access: manage,
    body: json(named('StreamSubjectRemoval', openObject({ subject: subjectIdentifier }))),
    answers: { 204: { description: 'The transmitter took it.' } },
    errors: [...asked, 'stream.invalid', 'set.subject_invalid'],
  },
  'POST /v1/providers/:id/stream/rotate-authorization': {
    id: 'rotateStreamAuthorization',
    tag,
    summary: 'Give the transmitter a new Authorization value to push with',
    access: manage,
    body: {
      ...json(
        named(
          'StreamRotationRequest',
          openObject({
            overlap_seconds: optional(
              integer('How long the old one stays good; 3600 unless given.', {
                minimum: 0,
                maximum: 604_800,
              }),
            ),
          }),
        ),
      ),
      optional: true,
    },
    answers: { 200: stream },
    errors: [...asked, 'stream.invalid'],
  },
  'GET /v1/providers/:id/stream/health': {
    id: 'examineStream',
    tag,
    summary: 'Look at everything that the stream needs, and say what is wrong and what to do',
    access: read,
    answers: { 200: { description: 'What was found.', ...json(streamHealthBody) } },
    errors: known,
  },
  'GET /v1/providers/:id/dialects': {
    id: 'getProviderDialects',
    tag,
    summary: 'Show in which ways a provider may differ from the standards',
    access: read,
    answers: { 200: dialects },
    errors: ['provider.not_found'],
  },
  'PUT /v1/providers/:id/dialects': {
    id: 'setProviderDialects',
    tag,
    summary: 'Set in which ways a provider may differ from the standards',
    access: manage,
    body: json(
      named('DialectsRequest', openObject({ dialects: list(text()), audiences: optional(list(text())) })),
    ),
    answers: { 200: dialects },
    errors: ['provider.not_found', 'provider.invalid'],
  },
} as const satisfies Operations
