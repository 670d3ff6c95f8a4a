import { nextLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

export const signalOutcome = shape.oneOf(['pending', 'handled', 'failed', 'refused'])

/** One event of a signal, decoded. */
export const signalEvent = shape.named(
  'SignalEvent',
  shape.object({
    type: shape.text('Of the event type: a URI, but of a refused token whatever stood there.'),
    family: shape.oneOf(['caep', 'risc', 'ssf', 'okta', 'scim', 'unknown']),
    name: shape.text('The last part of the type.'),
    subject: shape.optional(shape.anyObject('Whom it is about: a subject identifier (RFC 9493).')),
    claims: shape.anyObject('What it says.'),
    occurred_at: shape.nullable(shape.time()),
    matched: shape.nullable(
      shape.flag(
        'Whether it was applied to the subject; null while it waits, and for types that are about nobody.',
      ),
    ),
    left_out: shape.optional(
      shape.list(
        shape.object({
          claim: shape.text(),
          value: shape.text('As JSON, shortened.'),
          problem: shape.text(),
        }),
        'Members that could not be read.',
      ),
    ),
    unmatched_reason: shape.optional(shape.text('Why it was not applied.')),
  }),
)
export type SignalEventBody = ShapeOf<typeof signalEvent>

/** One SET that reached the hub, and its verdict. */
export const signalBody = shape.named(
  'Signal',
  shape.object({
    id: shape.text('`sig` + 32 hex digits; `rfs…` for a refused one.'),
    outcome: signalOutcome,
    received_at: shape.time(),
    provider: shape.nullable(shape.text('The id of its provider.')),
    iss: shape.nullable(shape.text()),
    jti: shape.nullable(shape.text()),
    issued_at: shape.nullable(shape.time()),
    via: shape.oneOf(['push', 'poll']),
    source: shape.nullable(shape.text('The address it came from.')),
    repeats: shape.integer('How often the same SET came again.'),
    repeated_at: shape.nullable(shape.time()),
    code: shape.optional(shape.text('Why it was refused or could not be handled: a code of docs/errors.md.')),
    reason: shape.optional(shape.text('The same in words.')),
    proven: shape.optional(shape.flag('Of a refused one, whether its provider sent it.')),
    about_nobody: shape.optional(shape.constant(true)),
    events: shape.list(signalEvent),
    token: shape.optional(shape.nullable(shape.text('The compact token, with `include=token`.'))),
  }),
)
export type SignalBody = ShapeOf<typeof signalBody>

export const signalPage = shape.named(
  'SignalPage',
  shape.object({
    signals: shape.list(signalBody, 'Newest first.'),
    next: shape.nullable(shape.uri('The next page.')),
  }),
)
export type SignalPageBody = ShapeOf<typeof signalPage>

export const signalCounts = shape.named(
  'SignalCounts',
  shape.object(
    {
      accepted: shape.integer(),
      repeated: shape.integer(),
      pending: shape.integer(),
      failed: shape.integer(),
      refused: shape.list(
        shape.object({
          provider: shape.nullable(shape.text()),
          provider_name: shape.nullable(shape.text()),
          code: shape.text(),
          count: shape.integer(),
        }),
      ),
    },
    'Since the first start; deleted signals stay counted.',
  ),
)
export type SignalCountsBody = ShapeOf<typeof signalCounts>

const tag = 'Signals'
const access = 'watchbell.signals.read'
const include = shape.optional(shape.oneOf(['token'], 'Show the token that came, too.'))

/** The verdict on every SET that reached the hub. */
export const signalOperations = {
  'GET /v1/signals': {
    id: 'listSignals',
    tag,
    summary: 'List what arrived and the verdict on it, newest first',
    access,
    query: {
      provider: shape.optional(shape.text('The id of a provider.')),
      iss: shape.optional(shape.text()),
      jti: shape.optional(shape.text()),
      type: shape.optional(shape.text('The URI of an event type.')),
      subject: shape.optional(shape.text('One value of one identifier: an address, a `sub`, an opaque id …')),
      outcome: shape.optional(signalOutcome),
      proven: shape.optional(
        shape.oneOf(['true', 'false'], 'Only refused ones, by whether their provider sent them.'),
      ),
      since: shape.optional(shape.time('Received at or after.')),
      until: shape.optional(shape.time('Received before.')),
      limit: shape.optional(shape.integer('50 unless given.', { minimum: 1, maximum: 200 })),
      after: shape.optional(shape.integer('Where the last page ended.', { minimum: 1 })),
      include,
    },
    answers: {
      200: {
        description: 'A page.',
        ...json(signalPage),
        headers: { Link: shape.optional(nextLink) },
      },
    },
    errors: ['request.invalid'],
  },
  'GET /v1/signals/counts': {
    id: 'countSignals',
    tag,
    summary: 'Count what arrived since the beginning',
    access,
    answers: { 200: { description: 'The counts.', ...json(signalCounts) } },
  },
  'GET /v1/signals/:id': {
    id: 'getSignal',
    tag,
    summary: 'Show one signal',
    access,
    query: { include },
    answers: { 200: { description: 'The signal.', ...json(signalBody) } },
    errors: ['signal.not_found', 'request.invalid'],
  },
} as const satisfies Operations
