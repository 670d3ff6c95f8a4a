import { nextLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import {
  anyObject,
  constant,
  flag,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  optional,
  text,
  time,
  uri,
  type ShapeOf,
} from './schema.ts'

export const signalOutcome = oneOf(['pending', 'handled', 'failed', 'refused'])

/** One event of a signal, decoded. */
export const signalEvent = named(
  'SignalEvent',
  object({
    type: uri('Of the event type.'),
    family: oneOf(['caep', 'risc', 'ssf', 'okta', 'scim', 'unknown']),
    name: text('The last part of the type.'),
    subject: optional(anyObject('Whom it is about: a subject identifier (RFC 9493).')),
    claims: anyObject('What it says.'),
    occurred_at: nullable(time()),
    matched: nullable(
      flag(
        'Whether it was applied to the subject; null while it waits, and for types that are about nobody.',
      ),
    ),
    left_out: optional(
      list(
        object({ claim: text(), value: text('As JSON, shortened.'), problem: text() }),
        'Members that could not be read.',
      ),
    ),
    unmatched_reason: optional(text('Why it was not applied.')),
  }),
)
export type SignalEventBody = ShapeOf<typeof signalEvent>

/** One SET that reached the hub, and its verdict. */
export const signalBody = named(
  'Signal',
  object({
    id: text('`sig` + 32 hex digits; `rfs…` for a refused one.'),
    outcome: signalOutcome,
    received_at: time(),
    provider: nullable(text('The id of its provider.')),
    iss: nullable(text()),
    jti: nullable(text()),
    issued_at: nullable(time()),
    via: oneOf(['push', 'poll']),
    source: nullable(text('The address it came from.')),
    repeats: integer('How often the same SET came again.'),
    repeated_at: nullable(time()),
    code: optional(text('Why it was refused or could not be handled: a code of docs/errors.md.')),
    reason: optional(text('The same in words.')),
    proven: optional(flag('Of a refused one, whether its provider sent it.')),
    about_nobody: optional(constant(true)),
    events: list(signalEvent),
    token: optional(nullable(text('The compact token, with `include=token`.'))),
  }),
)
export type SignalBody = ShapeOf<typeof signalBody>

export const signalPage = named(
  'SignalPage',
  object({
    signals: list(signalBody, 'Newest first.'),
    next: nullable(uri('The next page.')),
  }),
)
export type SignalPageBody = ShapeOf<typeof signalPage>

export const signalCounts = named(
  'SignalCounts',
  object(
    {
      accepted: integer(),
      repeated: integer(),
      pending: integer(),
      failed: integer(),
      refused: list(
        object({
          provider: nullable(text()),
          provider_name: nullable(text()),
          code: text(),
          count: integer(),
        }),
      ),
    },
    'Since the beginning; deleting old signals takes nothing away.',
  ),
)
export type SignalCountsBody = ShapeOf<typeof signalCounts>

const tag = 'Signals'
const access = 'watchbell.signals.read'
const include = optional(oneOf(['token'], 'Show the token that came, too.'))

/** The verdict on every SET that reached the hub. */
export const signalOperations = {
  'GET /v1/signals': {
    id: 'listSignals',
    tag,
    summary: 'List what arrived and the verdict on it, newest first',
    access,
    query: {
      provider: optional(text('The id of a provider.')),
      iss: optional(text()),
      jti: optional(text()),
      type: optional(text('The URI of an event type.')),
      subject: optional(text('One value of one identifier: an address, a `sub`, an opaque id …')),
      outcome: optional(signalOutcome),
      proven: optional(oneOf(['true', 'false'], 'Only refused ones, by whether their provider sent them.')),
      since: optional(time('Received at or after.')),
      until: optional(time('Received before.')),
      limit: optional(integer('50 unless given.', { minimum: 1, maximum: 200 })),
      after: optional(integer('Where the last page ended.', { minimum: 1 })),
      include,
    },
    answers: {
      200: {
        description: 'A page.',
        ...json(signalPage),
        headers: { Link: optional(nextLink) },
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
