import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

export const streamStatus = shape.oneOf(['enabled', 'paused', 'disabled'])
const authMethod = shape.oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])

/** How the hub shows a transmitter who it is, without secrets. */
const streamAuth = shape.anyOf([
  shape.object({ method: shape.constant('bearer') }),
  shape.object({
    method: authMethod,
    client_id: shape.text(),
    token_url: shape.nullable(shape.text()),
    authorization_server: shape.nullable(shape.text()),
    scope: shape.nullable(shape.text()),
    dpop: shape.flag(),
  }),
])

const statusMembers = {
  status: shape.oneOf(['enabled', 'paused', 'disabled', 'unknown'], 'What the transmitter said last.'),
  status_reason: shape.nullable(shape.text()),
} as const

export const streamStatusBody = shape.named('StreamStatus', shape.object(statusMembers))
export type StreamStatusBody = ShapeOf<typeof streamStatusBody>

/** Our side of the stream of a provider, and what its transmitter says of it. */
export const streamBody = shape.named(
  'Stream',
  shape.object({
    id: shape.text('`str` + 17.'),
    provider_id: shape.text(),
    connected: shape.flag('Whether the transmitter has created it.'),
    delivery: shape.oneOf(['push', 'poll']),
    polling: shape.optional(shape.oneOf(['long', 'short'], 'Of a stream that is polled.')),
    events_requested: shape.nullable(shape.list(shape.text(), 'Null: every one that the hub understands.')),
    description: shape.nullable(shape.text()),
    auth: streamAuth,
    subjects: shape.oneOf(['all', 'listed']),
    audience: shape.nullable(shape.list(shape.text())),
    credential_hosts: shape.nullable(shape.list(shape.text())),
    existing: shape.optional(
      shape.object(
        { stream_id: shape.text(), poll_url: shape.text() },
        'A stream that the operator of the transmitter made.',
      ),
    ),
    push_url: shape.optional(shape.uri('Where the transmitter sends to, of a stream that is pushed.')),
    transmitter: shape.optional(
      shape.object(
        {
          stream_id: shape.text(),
          iss: shape.text(),
          aud: shape.list(shape.text()),
          endpoint_url: shape.nullable(shape.text()),
          events_delivered: shape.nullable(shape.list(shape.text())),
          min_verification_interval: shape.nullable(shape.integer('In seconds.')),
          inactivity_timeout: shape.nullable(shape.integer('In seconds.')),
          verification_endpoint: shape.nullable(shape.text()),
        },
        'The stream as its transmitter has it; not there before it is connected.',
      ),
    ),
    ...statusMembers,
    verification_asked_at: shape.nullable(shape.time()),
    verified_at: shape.nullable(shape.time()),
    last_event_at: shape.nullable(shape.time()),
    last_poll_at: shape.nullable(shape.time()),
    checked_at: shape.nullable(shape.time()),
    last_error: shape.nullable(shape.text('All that is wrong with it, in words.')),
    created_at: shape.nullable(shape.time()),
    updated_at: shape.nullable(shape.time()),
  }),
)
export type StreamBody = ShapeOf<typeof streamBody>

const draftMembers = {
  polling: shape.optional(shape.nullable(shape.oneOf(['long', 'short']))),
  events_requested: shape.optional(shape.nullable(shape.list(shape.uri(), undefined, { maxItems: 100 }))),
  description: shape.optional(shape.nullable(shape.text(undefined, { maxLength: 1_000 }))),
  subjects: shape.optional(shape.oneOf(['all', 'listed'])),
  audience: shape.optional(
    shape.nullable(shape.anyOf([shape.text(), shape.list(shape.text(), undefined, { maxItems: 20 })])),
  ),
  credential_hosts: shape.optional(
    shape.nullable(shape.list(shape.text('`host` or `host:port`.'), undefined, { maxItems: 20 })),
  ),
  existing: shape.optional(shape.nullable(shape.object({ stream_id: shape.text(), poll_url: shape.uri() }))),
} as const
const authRequest = shape.named(
  'StreamAuthRequest',
  shape.object({
    method: shape.oneOf(['bearer', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    token: shape.optional(shape.text('With `bearer`.')),
    client_id: shape.optional(shape.text()),
    client_secret: shape.optional(shape.text()),
    client_key: shape.optional(shape.anyObject('A private JWK, with `private_key_jwt`.')),
    token_url: shape.optional(shape.nullable(shape.uri())),
    authorization_server: shape.optional(shape.nullable(shape.uri())),
    scope: shape.optional(shape.nullable(shape.text())),
    dpop: shape.optional(shape.flag()),
  }),
)
const delivery = shape.oneOf(['push', 'poll'])

export const streamRequest = shape.named(
  'StreamRequest',
  shape.object({ delivery, auth: authRequest, ...draftMembers }),
)
export type StreamRequestBody = ShapeOf<typeof streamRequest>
export const streamPatch = shape.named(
  'StreamPatch',
  shape.object(
    { delivery: shape.optional(delivery), auth: shape.optional(authRequest), ...draftMembers },
    'Members that are not there stay; null takes one away.',
  ),
)
export type StreamPatch = ShapeOf<typeof streamPatch>

/** Every thing that must be right for a stream to work, in the order in which one depends on the next. */
export const streamHealthBody = shape.named(
  'StreamHealth',
  shape.object({
    healthy: shape.flag('Whether no check failed.'),
    checks: shape.list(
      shape.object({
        name: shape.oneOf([
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
        result: shape.oneOf(['ok', 'warning', 'failed', 'unknown']),
        detail: shape.text('What is, or what is wrong and what to do.'),
      }),
    ),
  }),
)
export type StreamHealthBody = ShapeOf<typeof streamHealthBody>

/** In which ways a provider may differ from the standards (docs/dialects.md). */
export const dialectsBody = shape.named(
  'Dialects',
  shape.object({
    dialects: shape.list(shape.text()),
    audiences: shape.list(
      shape.text(),
      'What `aud` must be where there is no stream; empty: the origin of the hub.',
    ),
  }),
)
export type DialectsBody = ShapeOf<typeof dialectsBody>

const subjectIdentifier = shape.anyObject('A subject identifier (RFC 9493).')
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
    answers: {
      200: { description: 'All of them.', ...json(shape.object({ streams: shape.list(streamBody) })) },
    },
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
    query: {
      force: shape.optional(
        shape.oneOf(['true', 'false'], 'Delete it here even when the transmitter cannot.'),
      ),
    },
    answers: { 204: { description: 'It is gone.' } },
    errors: [...asked, 'request.invalid'],
  },
  'POST /v1/providers/:id/stream/verify': {
    id: 'verifyStream',
    tag,
    summary: 'Ask the transmitter for a verification event',
    access: manage,
    body: { ...json(shape.anyObject('Nothing is read of it.')), optional: true },
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
      shape.named(
        'StreamStatusRequest',
        shape.openObject({
          status: streamStatus,
          reason: shape.optional(shape.nullable(shape.text(undefined, { maxLength: 1_000 }))),
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
      shape.named(
        'StreamSubjectRequest',
        shape.openObject({ subject: subjectIdentifier, verified: shape.optional(shape.flag()) }),
      ),
    ),
    answers: { 204: { description: 'The transmitter took it; that promises nothing (SSF 1.0 §9.1).' } },
    errors: [...asked, 'stream.invalid', 'set.subject_invalid'],
  },
  'POST /v1/providers/:id/stream/subjects/remove': {
    id: 'removeStreamSubject',
    tag,
    summary: 'Have the transmitter send no more events about a subject',
    access: manage,
    body: json(shape.named('StreamSubjectRemoval', shape.openObject({ subject: subjectIdentifier }))),
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
        shape.named(
          'StreamRotationRequest',
          shape.openObject({
            overlap_seconds: shape.optional(
              shape.integer('How long the old one stays good; 3600 unless given.', {
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
      shape.named(
        'DialectsRequest',
        shape.openObject({
          dialects: shape.list(shape.text()),
          audiences: shape.optional(shape.list(shape.text())),
        }),
      ),
    ),
    answers: { 200: dialects },
    errors: ['provider.not_found', 'provider.invalid'],
  },
} as const satisfies Operations
