import { commonClaims, initiator } from './caep.ts'
import { decisiveClaim, oneOfTexts, requiredClaim, anyText, unixTime } from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

const level = oneOfTexts('low', 'medium', 'high', 'secure', 'none')

/** Okta requires the time (OKTA-E72), refuses unknown initiators (OKTA-E22), and has its own names for levels (OKTA-E21). */
const claims = {
  ...commonClaims,
  event_timestamp: requiredClaim(unixTime),
  initiating_entity: decisiveClaim(initiator),
}
const riskClaims = {
  ...claims,
  current_level: requiredClaim(level, 'currentRiskLevel'),
  previous_level: requiredClaim(level, 'previousRiskLevel'),
}
const riskExample = {
  event_timestamp: 1_700_000_000,
  current_level: 'high',
  previous_level: 'low',
  initiating_entity: 'system',
}

/** Okta's own event types (OKTA-E60–OKTA-E62). */
export const okta = {
  family: 'okta',
  prefix: 'https://schemas.okta.com/secevent/okta/event-type/',
  subjectFrom: 'event',
  types: {
    'user-risk-change': {
      title: 'The risk of a user changed',
      claims: riskClaims,
      example: { ...riskExample, reason_admin: { en: 'Impossible travel' } },
    },
    'device-risk-change': {
      title: 'The risk of a device changed',
      claims: riskClaims,
      example: { ...riskExample, reason_admin: { en: 'Malware was found' } },
    },
    'ip-change': {
      title: 'A session moved to another IP address',
      claims: {
        ...claims,
        current_ip_address: requiredClaim(anyText),
        previous_ip_address: requiredClaim(anyText),
      },
      example: {
        event_timestamp: 1_700_000_000,
        current_ip_address: '203.0.113.7',
        previous_ip_address: '198.51.100.20',
      },
    },
  },
} as const satisfies EventFamily
