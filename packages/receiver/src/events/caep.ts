import {
  decisiveClaim,
  localised,
  oneOfTexts,
  optionalClaim,
  requiredClaim,
  someMembers,
  anyText,
  texts,
  unixTime,
} from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

export const initiator = oneOfTexts('admin', 'user', 'policy', 'system')

/** CAEP 1.0 §2: the members that every event may have. */
export const commonClaims = {
  event_timestamp: decisiveClaim(unixTime),
  initiating_entity: optionalClaim(initiator),
  reason_admin: optionalClaim(localised),
  reason_user: optionalClaim(localised),
}

const compliance = oneOfTexts('compliant', 'not-compliant')
const riskLevel = oneOfTexts('LOW', 'MEDIUM', 'HIGH')
const exampleTime = 1_700_000_000
const because = (reason: string) => ({ event_timestamp: exampleTime, reason_admin: { en: reason } })

/** CAEP 1.0 §3, and the members that Okta adds (OKTA-E63, OKTA-E64). */
export const caep = {
  family: 'caep',
  prefix: 'https://schemas.openid.net/secevent/caep/event-type/',
  subjectFrom: 'token',
  types: {
    'session-revoked': {
      title: 'A session was revoked',
      claims: {
        ...commonClaims,
        current_ip: optionalClaim(anyText),
        current_user_agent: optionalClaim(anyText),
        last_known_ip: optionalClaim(anyText),
        last_known_user_agent: optionalClaim(anyText),
      },
      example: { ...because('Reported as stolen'), initiating_entity: 'admin' },
    },
    'token-claims-change': {
      title: 'A claim in an issued token changed',
      claims: { ...commonClaims, claims: requiredClaim(someMembers) },
      example: { event_timestamp: exampleTime, claims: { role: 'auditor' } },
    },
    'credential-change': {
      title: 'A credential was created, changed, revoked or deleted',
      claims: {
        ...commonClaims,
        credential_type: requiredClaim(anyText), // a listed value, or one that both sides agreed on
        change_type: requiredClaim(oneOfTexts('create', 'revoke', 'update', 'delete')),
        friendly_name: optionalClaim(anyText),
        x509_issuer: optionalClaim(anyText),
        x509_serial: optionalClaim(anyText),
        fido2_aaguid: optionalClaim(anyText),
      },
      example: {
        ...because('Enrolled by the user'),
        initiating_entity: 'user',
        credential_type: 'fido2-roaming',
        change_type: 'create',
        friendly_name: 'Blue key',
      },
    },
    'assurance-level-change': {
      title: 'The strength of the authentication changed',
      claims: {
        ...commonClaims,
        namespace: requiredClaim(anyText), // six are listed, custom ones are allowed
        current_level: requiredClaim(anyText),
        previous_level: optionalClaim(anyText), // missing: unknown to the transmitter (CAEP 1.0 §3.4)
        change_direction: decisiveClaim(oneOfTexts('increase', 'decrease')),
      },
      example: {
        event_timestamp: exampleTime,
        namespace: 'NIST-AAL',
        current_level: 'nist-aal1',
        previous_level: 'nist-aal2',
        change_direction: 'decrease',
      },
    },
    'device-compliance-change': {
      title: 'A device began or ceased to comply',
      claims: {
        ...commonClaims,
        previous_status: requiredClaim(compliance),
        current_status: requiredClaim(compliance),
      },
      example: {
        ...because('Disk encryption is off'),
        initiating_entity: 'policy',
        previous_status: 'compliant',
        current_status: 'not-compliant',
      },
    },
    'session-established': {
      title: 'A session began',
      claims: {
        ...commonClaims,
        fp_ua: optionalClaim(anyText),
        acr: optionalClaim(anyText),
        amr: optionalClaim(texts),
        ext_id: optionalClaim(anyText),
      },
      example: { event_timestamp: exampleTime, acr: 'AAL2', amr: ['otp'], ext_id: 'session-4711' },
    },
    'session-presented': {
      title: 'A session was seen in use',
      claims: { ...commonClaims, fp_ua: optionalClaim(anyText), ext_id: optionalClaim(anyText) },
      example: { event_timestamp: exampleTime, ext_id: 'session-4711' },
    },
    'risk-level-change': {
      title: 'The risk of a user, device or other principal changed',
      claims: {
        ...commonClaims,
        principal: requiredClaim(anyText), // USER, DEVICE … or any other entity of SSF 1.0 §2
        current_level: requiredClaim(riskLevel),
        previous_level: optionalClaim(riskLevel), // missing: unknown to the transmitter (CAEP 1.0 §3.8)
        risk_reason: optionalClaim(anyText),
      },
      example: {
        event_timestamp: exampleTime,
        principal: 'USER',
        current_level: 'HIGH',
        previous_level: 'LOW',
        risk_reason: 'PASSWORD_FOUND_IN_DATA_BREACH',
      },
    },
  },
} as const satisfies EventFamily
