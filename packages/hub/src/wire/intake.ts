import type { Operations } from './operation.ts'
import { shape } from './schema.ts'

const compactToken = shape.text('A compact SET (RFC 8417).')
const tag = 'Security events'
const unread = ['set.malformed', 'set.wrong_type', 'set.algorithm_refused', 'set.claim_invalid'] as const
const verified = [
  ...unread,
  'set.event_invalid',
  'set.subject_invalid',
  'set.wrong_audience',
  'set.unknown_key',
  'set.key_refused',
  'set.bad_signature',
  'set.provider_inactive',
  'keys.unavailable',
  'hub.standby',
  'hub.clock_behind',
  'hub.overloaded',
] as const

/** The endpoints to which transmitters push SETs (RFC 8935). */
export const intakeOperations = {
  'POST /security/api/v1/security-events': {
    id: 'publishSecurityEventToken',
    tag,
    summary: 'Push a SET; its signature is the credential',
    access: 'signed_token',
    unlimited: true,
    apart: true,
    refusals: 'set',
    body: {
      content: {
        'application/secevent+jwt': compactToken,
        'application/json': shape.openObject({ payload: compactToken }, 'As Apple sends it.'),
      },
    },
    answers: {
      200: { description: 'The SET of a JSON body is durable.' },
      202: { description: 'The SET is durable.' },
    },
    errors: [...verified, 'set.unknown_issuer'],
  },
  'POST /ssf/streams/:id/events': {
    id: 'publishToStream',
    tag,
    summary: 'Push a SET of a stream, with the Authorization value that was agreed on',
    access: 'push_authorization',
    unlimited: true,
    apart: true,
    refusals: 'set',
    body: { content: { 'application/secevent+jwt': compactToken } },
    answers: { 202: { description: 'The SET is durable.' } },
    errors: [
      ...verified,
      'set.unknown_issuer',
      'set.state_invalid',
      'set.push_unauthorized',
      'stream.not_connected',
      'request.path_not_found',
    ],
  },
} as const satisfies Operations
