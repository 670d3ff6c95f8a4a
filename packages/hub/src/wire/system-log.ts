import { json, type Operations } from './operation.ts'
import {
  anyObject,
  constant,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  optional,
  text,
  time,
  type ShapeOf,
} from './schema.ts'

const nothing = constant(null)

const partyMembers = {
  id: text(),
  type: text(),
  alternateId: text('`unknown` where there is none.'),
  displayName: text(),
  detailEntry: nullable(anyObject()),
} as const

/** Who did something, or to whom it was done. */
export const logParty = named('LogParty', object(partyMembers))
export type LogPartyBody = ShapeOf<typeof logParty>

/** One entry of the System Log (OKTA §6.4). */
export const logEntry = named(
  'LogEvent',
  object({
    actor: logParty,
    client: nullable(
      object({
        userAgent: nullable(object({ rawUserAgent: text(), os: text(), browser: text() })),
        zone: nothing,
        device: text(),
        id: nullable(text('The service app that called.')),
        ipAddress: nullable(text()),
        geographicalContext: nothing,
      }),
    ),
    device: nothing,
    authenticationContext: nothing,
    displayMessage: text(),
    eventType: text(),
    outcome: object({
      result: oneOf([
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
      reason: nullable(text()),
    }),
    published: time(),
    securityContext: nothing,
    severity: oneOf(['DEBUG', 'INFO', 'WARN', 'ERROR']),
    debugContext: object({ debugData: anyObject('By event type: docs/system-log.md.') }),
    legacyEventType: nullable(text()),
    transaction: object({ type: oneOf(['WEB', 'JOB']), id: text(), detail: nullable(anyObject()) }),
    uuid: text(undefined, { format: 'uuid' }),
    version: constant('0'),
    request: object({
      ipChain: list(
        object({ ip: text(), geographicalContext: nothing, version: oneOf(['V4', 'V6']), source: nothing }),
      ),
    }),
    target: nullable(
      list(
        object({
          ...partyMembers,
          changeDetails: optional(object({ from: anyObject(), to: anyObject() })),
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
      since: optional(time('Published at or after.')),
      until: optional(time('Published before.')),
      after: optional(text('Where the last page ended.')),
      filter: optional(text('A filter expression of Okta’s System Log API.')),
      q: optional(text('Words that must all be there.')),
      limit: optional(integer('100 unless given.', { minimum: 0, maximum: 1_000 })),
      sortOrder: optional(oneOf(['ASCENDING', 'DESCENDING'])),
    },
    answers: {
      200: {
        description: 'A page. A list without `until` has a next page forever, so that it can be followed.',
        ...json(list(logEntry)),
        headers: { Link: text('`<…>; rel="self"`, and `<…>; rel="next"` while there is a next page.') },
      },
    },
    errors: ['log.query_invalid', 'log.filter_invalid', 'log.filter_unsupported', 'log.too_old'],
  },
} as const satisfies Operations
