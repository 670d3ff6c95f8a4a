// The example SETs of OpenID CAEP 1.0 §3, values as published.
import { describe, expect, test } from 'vitest'
import { readEvents } from '@watchbell/receiver/events'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'

const prefix = 'https://schemas.openid.net/secevent/caep/event-type/'
const event_timestamp = 1_615_304_991
const common = { iat: 1_615_305_159, txn: '8675309' }
const jane = { format: 'iss_sub', iss: 'https://idp.example.com/3456789/', sub: 'jane.smith@example.com' }
const someUser = { format: 'email', email: 'someuser@somedomain.com' }
const idp = 'https://idp.example.com/123456789/'
const tenant = { format: 'opaque', id: '123456789' }
const device = { format: 'iss_sub', iss: idp, sub: 'e9297990-14d2-42ec-a4a9-4036db86509a' }
const idToken = {
  format: 'jwt_id',
  iss: 'https://idp.example.com/987654321/',
  jti: 'f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7',
}

describe('CAEP 1.0 §3', () => {
  test.each<[string, string, object, object]>([
    [
      '3.1 user, device and tenant',
      'session-revoked',
      { format: 'complex', user: { ...jane, iss: idp }, device, tenant },
      {
        initiating_entity: 'policy',
        reason_admin: { en: 'Policy Violation: C076E822' },
        reason_user: {
          en: 'This device is no longer compliant.',
          it: 'Questo dispositivo non è più conforme.',
        },
        event_timestamp,
      },
    ],
    [
      '3.1 user and tenant',
      'session-revoked',
      { format: 'complex', user: { ...jane, iss: idp }, tenant },
      {
        initiating_entity: 'policy',
        reason_admin: { en: 'Landspeed Policy Violation: C076E82F' },
        reason_user: {
          en: 'Access attempt from multiple regions.',
          'es-410': 'Intento de acceso desde varias regiones.',
        },
        event_timestamp,
      },
    ],
    [
      '3.2 required claims',
      'token-claims-change',
      idToken,
      { event_timestamp, claims: { role: 'ro-admin' } },
    ],
    [
      '3.2 optional claims',
      'token-claims-change',
      idToken,
      {
        event_timestamp,
        initiating_entity: 'policy',
        reason_admin: { en: 'User left trusted network: CorpNet3' },
        claims: { trusted_network: false },
      },
    ],
    [
      '3.2 a SAML assertion',
      'token-claims-change',
      {
        format: 'saml_assertion_id',
        issuer: 'https://idp.example.com/987654321/',
        assertion_id: '_a75adf55-01d7-dbd8372ebdfc',
      },
      {
        event_timestamp,
        claims: { 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/role': 'ro-admin' },
      },
    ],
    [
      '3.3 a new FIDO2 authenticator',
      'credential-change',
      jane,
      {
        credential_type: 'fido2-roaming',
        change_type: 'create',
        fido2_aaguid: 'accced6a-63f5-490a-9eea-e59bc1896cfc',
        friendly_name: "Jane's USB authenticator",
        initiating_entity: 'user',
        reason_admin: { en: 'User self-enrollment' },
        event_timestamp,
      },
    ],
    [
      '3.4 an increase',
      'assurance-level-change',
      jane,
      {
        namespace: 'NIST-AAL',
        current_level: 'nist-aal2',
        previous_level: 'nist-aal1',
        change_direction: 'increase',
        initiating_entity: 'user',
        event_timestamp,
      },
    ],
    [
      '3.4 a custom namespace',
      'assurance-level-change',
      jane,
      { namespace: 'Retinal Scan', current_level: 'hi-res-scan', initiating_entity: 'user', event_timestamp },
    ],
    [
      '3.5',
      'device-compliance-change',
      { format: 'complex', device, tenant },
      {
        current_status: 'not-compliant',
        previous_status: 'compliant',
        initiating_entity: 'policy',
        reason_admin: { en: 'Location Policy Violation: C076E8A3' },
        reason_user: { en: 'Device is no longer in a trusted location.' },
        event_timestamp,
      },
    ],
    [
      '3.6',
      'session-established',
      someUser,
      { fp_ua: 'abb0b6e7da81a42233f8f2b1a8ddb1b9a4c81611', acr: 'AAL2', amr: ['otp'], event_timestamp },
    ],
    [
      '3.7',
      'session-presented',
      someUser,
      { fp_ua: 'abb0b6e7da81a42233f8f2b1a8ddb1b9a4c81611', ext_id: '12345', event_timestamp },
    ],
    [
      '3.8',
      'risk-level-change',
      { ...jane, sub: 'jane.doe@example.com' },
      {
        current_level: 'LOW',
        previous_level: 'HIGH',
        event_timestamp,
        principal: 'USER',
        risk_reason: 'PASSWORD_FOUND_IN_DATA_BREACH',
      },
    ],
  ])('§%s: %s', async (_, name, sub_id, event) => {
    const set = await verifiedSet({ ...common, sub_id, events: { [prefix + name]: event } })
    expect(readEvents(set)).toEqual([
      {
        type: prefix + name,
        family: 'caep',
        name,
        subject: sub_id,
        occurredAt: 1_615_304_991_000,
        claims: event,
      },
    ])
  })
})
