import {
  decisiveClaim,
  oneOfTexts,
  optionalClaim,
  requiredClaim,
  anyText,
  textUpTo,
  unixTime,
} from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

export const verificationStateCharsMax = 1_024

/** SSF 1.0 §8.1.4 and §8.1.5: events about the stream itself. Their subject is the stream's id, format `opaque`. */
export const ssf = {
  family: 'ssf',
  prefix: 'https://schemas.openid.net/secevent/ssf/event-type/',
  subjectFrom: 'token',
  types: {
    verification: {
      title: 'The stream works',
      claims: {
        event_timestamp: decisiveClaim(unixTime),
        state: decisiveClaim(textUpTo(verificationStateCharsMax)),
      },
      example: { state: 'd2F0Y2hiZWxs' },
    },
    'stream-updated': {
      title: 'The transmitter changed the status of the stream',
      claims: {
        event_timestamp: decisiveClaim(unixTime),
        status: requiredClaim(oneOfTexts('enabled', 'paused', 'disabled')),
        reason: optionalClaim(anyText),
      },
      example: { status: 'paused', reason: 'Maintenance until noon' },
    },
  },
} as const satisfies EventFamily
