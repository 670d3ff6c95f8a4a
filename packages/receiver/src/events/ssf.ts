import { decisive, oneOf, optional, required, text, textUpTo, time } from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

export const verificationStateCharsMax = 1_024

/** SSF 1.0 §8.1.4 and §8.1.5: what a stream says of itself. Their subject is the stream's id, `opaque`. */
export const ssf = {
  family: 'ssf',
  prefix: 'https://schemas.openid.net/secevent/ssf/event-type/',
  subjectFrom: 'token',
  types: {
    verification: {
      title: 'The stream works',
      claims: { event_timestamp: decisive(time), state: decisive(textUpTo(verificationStateCharsMax)) },
      example: { state: 'd2F0Y2hiZWxs' },
    },
    'stream-updated': {
      title: 'The transmitter changed the status of the stream',
      claims: {
        event_timestamp: decisive(time),
        status: required(oneOf('enabled', 'paused', 'disabled')),
        reason: optional(text),
      },
      example: { status: 'paused', reason: 'Maintenance until noon' },
    },
  },
} as const satisfies EventFamily
