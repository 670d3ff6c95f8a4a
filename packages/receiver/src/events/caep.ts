import {
  decisive,
  localised,
  oneOf,
  optional,
  required,
  someMembers,
  text,
  texts,
  time,
} from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

export const initiator = oneOf('admin', 'user', 'policy', 'system')

/** CAEP 1.0 §2: what every event may say about itself. */
export const commonClaims = {
  event_timestamp: decisive(time),
  initiating_entity: optional(initiator),
  reason_admin: optional(localised),
  reason_user: optional(localised),
}

const compliance = oneOf('compliant', 'not-compliant')
const riskLevel = oneOf('LOW', 'MEDIUM', 'HIGH')
const exampleTime = 1_700_000_000
const because = (reason: string) => ({ event_timestamp: exampleTime, reason_admin: { en: reason } })

/** CAEP 1.0 §3, with the members that Okta adds (OKTA-E63, OKTA-E64). */
export const caep = {
  family: 'caep',
  prefix: 'https://schemas.openid.net/secevent/caep/event-type/',
  subjectFrom: 'token',
  types: {
    'session-revoked': {
      title: 'A session was revoked',
      claims: {
        ...commonClaims,
        current_ip: optional(text),
        current_user_agent: optional(text),
        last_known_ip: optional(text),
        last_known_user_agent: optional(text),
      },
      example: { ...because('Reported as stolen'), initiating_entity: 'admin' },
    },
    'token-claims-change': {
      title: 'A claim in an issued token changed',
      claims: { ...commonClaims, claims: required(someMembers) },
      example: { event_timestamp: exampleTime, claims: { role: 'auditor' } },
    },
    'credential-change': {
      title: 'A credential was created, changed, revoked or deleted',
      claims: {
        ...commonClaims,
        credential_type: required(text), // the listed ones or any that both sides agreed on
        change_type: required(oneOf('create', 'revoke', 'update', 'delete')),
        friendly_name: optional(text),
        x509_issuer: optional(text),
        x509_serial: optional(text),
        fido2_aaguid: optional(text),
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
        namespace: required(text), // six are listed, custom ones are allowed
        current_level: required(text),
        previous_level: optional(text), // missing: unknown to the transmitter (CAEP 1.0 §3.4)
        change_direction: decisive(oneOf('increase', 'decrease')),
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
        previous_status: required(compliance),
        current_status: required(compliance),
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
        fp_ua: optional(text),
        acr: optional(text),
        amr: optional(texts),
        ext_id: optional(text),
      },
      example: { event_timestamp: exampleTime, acr: 'AAL2', amr: ['otp'], ext_id: 'session-4711' },
    },
    'session-presented': {
      title: 'A session was seen in use',
      claims: { ...commonClaims, fp_ua: optional(text), ext_id: optional(text) },
      example: { event_timestamp: exampleTime, ext_id: 'session-4711' },
    },
    'risk-level-change': {
      title: 'The risk of a user, device or other principal changed',
      claims: {
        ...commonClaims,
        principal: required(text), // USER, DEVICE … or any other entity of SSF 1.0 §2
        current_level: required(riskLevel),
        previous_level: optional(riskLevel), // missing: unknown to the transmitter (CAEP 1.0 §3.8)
        risk_reason: optional(text),
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
