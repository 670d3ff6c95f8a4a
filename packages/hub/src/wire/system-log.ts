import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

const nothing = shape.constant(null)

const partyMembers = {
  id: shape.text(),
  type: shape.text(),
  alternateId: shape.text('`unknown` where there is none.'),
  displayName: shape.text(),
  detailEntry: shape.nullable(shape.anyObject()),
} as const

/** Who did something, or to whom it was done. */
export const logParty = shape.named('LogParty', shape.object(partyMembers))
export type LogPartyBody = ShapeOf<typeof logParty>

/** One entry of the System Log (OKTA §6.4). */
export const logEntry = shape.named(
  'LogEvent',
  shape.object({
    actor: logParty,
    client: shape.nullable(
      shape.object({
        userAgent: shape.nullable(
          shape.object({ rawUserAgent: shape.text(), os: shape.text(), browser: shape.text() }),
        ),
        zone: nothing,
        device: shape.text(),
        id: shape.nullable(shape.text('The service app that called.')),
        ipAddress: shape.nullable(shape.text()),
        geographicalContext: nothing,
      }),
    ),
    device: nothing,
    authenticationContext: nothing,
    displayMessage: shape.text(),
    eventType: shape.text(),
    outcome: shape.object({
      result: shape.oneOf([
        'SUCCESS',
        'FAILURE',
        'SKIPPED',
        'ALLOW',
        'DENY',
        'CHALLENGE',
        'UNKNOWN',
        'RATE_LIMIT',
        'DEFERRED',
        'SCHEDULED',
        'ABANDONED',
        'UNANSWERED',
      ]),
      reason: shape.nullable(shape.text()),
    }),
    published: shape.time(),
    securityContext: nothing,
    severity: shape.oneOf(['DEBUG', 'INFO', 'WARN', 'ERROR']),
    debugContext: shape.object({ debugData: shape.dictionary('By event type: docs/system-log.md.') }),
    legacyEventType: shape.nullable(shape.text()),
    transaction: shape.object({
      type: shape.oneOf(['WEB', 'JOB']),
      id: shape.text(),
      detail: shape.nullable(shape.anyObject()),
    }),
    uuid: shape.text(undefined, { format: 'uuid' }),
    version: shape.constant('0'),
    request: shape.object({
      ipChain: shape.list(
        shape.object({
          ip: shape.text(),
          geographicalContext: nothing,
          version: shape.oneOf(['V4', 'V6']),
          source: nothing,
        }),
      ),
    }),
    target: shape.nullable(
      shape.list(
        shape.object({
          ...partyMembers,
          changeDetails: shape.optional(shape.object({ from: shape.anyObject(), to: shape.anyObject() })),
        }),
      ),
    ),
  }),
)
export type LogEntryBody = ShapeOf<typeof logEntry>

/** The System Log (OKTA §6). */
export const systemLogOperations = {
  'GET /api/v1/logs': {
    id: 'listLogEvents',
    tag: 'System Log',
    summary: 'List the entries of the System Log',
    access: 'okta.logs.read',
    query: {
      since: shape.optional(shape.time('Published at or after.')),
      until: shape.optional(shape.time('Published before.')),
      after: shape.optional(shape.text('Where the last page ended.')),
      filter: shape.optional(shape.text('A filter expression of Okta’s System Log API.')),
      q: shape.optional(shape.text('Words that must all be there.')),
      limit: shape.optional(shape.integer('100 unless given.', { minimum: 0, maximum: 1_000 })),
      sortOrder: shape.optional(shape.oneOf(['ASCENDING', 'DESCENDING'])),
    },
    answers: {
      200: {
        description: 'A page. A list without `until` has a next page forever, so that it can be followed.',
        ...json(shape.list(logEntry)),
        headers: { Link: shape.text('`<…>; rel="self"`, and `<…>; rel="next"` while there is a next page.') },
      },
    },
    errors: ['log.query_invalid', 'log.filter_invalid', 'log.filter_unsupported', 'log.too_old'],
  },
} as const satisfies Operations
