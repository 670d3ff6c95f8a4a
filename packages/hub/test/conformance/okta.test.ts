// Okta's samples: the examples of its API description for POST /security/api/v1/security-events (OKTA-E60–OKTA-E77), and the
// shapes that shipping integrations send.
import { describe, expect, test } from 'vitest'
import { readEvents } from '@watchbell/receiver/events'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'

const okta = 'https://schemas.okta.com/secevent/okta/event-type/'
const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'

const subject = {
  user: { format: 'email', email: 'john@doe.net' },
  device: { format: 'opaque', id: 'device-identifier-001' },
}
const common = {
  event_timestamp: 1_702_448_550,
  initiating_entity: 'admin',
  reason_admin: { en: 'Event message example' },
  reason_user: { en: 'Event message example' },
}
const token = { iss: 'https://transmitter.example.com', jti: '24c63fb56f ... a9fa24', iat: 1_702_448_550 }

describe('the examples of Okta’s API description', () => {
  test.each<[string, object]>([
    [`${okta}user-risk-change`, { ...common, current_level: 'low', previous_level: 'medium' }],
    [`${okta}device-risk-change`, { ...common, current_level: 'low', previous_level: 'medium' }],
    [`${okta}ip-change`, { ...common, current_ip_address: '123.4.5.6', previous_ip_address: '123.45.67.8' }],
    [
      `${caep}device-compliance-change`,
      { ...common, current_status: 'not-compliant', previous_status: 'compliant' },
    ],
    [
      `${caep}session-revoked`,
      {
        ...common,
        current_ip: '123.4.5.6',
        current_user_agent: 'CurrentUserAgent',
        last_known_ip: '123.4.5.6',
        last_known_user_agent: 'LastUserAgent',
      },
    ],
    [
      `${risc}identifier-changed`,
      { event_timestamp: 1_702_448_550, 'new-value': 'new.email@okta.example.com' },
    ],
  ])('%s', async (type, event) => {
    const set = await verifiedSet({ ...token, events: { [type]: { ...event, subject } } })
    expect(readEvents(set)).toMatchObject([
      { type, subject: { format: 'complex', ...subject }, occurredAt: 1_702_448_550_000, claims: event },
    ])
  })

  test('the example value non-compliant is outside its own enumeration, and refused (OKTA-E71)', async () => {
    const event = { ...common, current_status: 'non-compliant', previous_status: 'compliant', subject }
    const set = await verifiedSet({ ...token, events: { [`${caep}device-compliance-change`]: event } })
    expect(() => readEvents(set)).toThrow(
      expect.objectContaining({
        detail:
          "Failed claim validation in security event token. 'events.mediationDeviceComplianceChangeEvent.currentStatus': Not one of the allowed values",
      }),
    )
  })

  test('the refusal that it prints is ours, byte for byte (OKTA-E20)', async () => {
    const event = { ...common, current_status: 'compliant', subject }
    const set = await verifiedSet({ ...token, events: { [`${caep}device-compliance-change`]: event } })
    expect(() => readEvents(set)).toThrow(
      expect.objectContaining({
        detail:
          "Failed claim validation in security event token. 'events.mediationDeviceComplianceChangeEvent.previousStatus': The field cannot be left blank",
      }),
    )
  })
})

describe('as others send to Okta', () => {
  const risk = { current_level: 'high', previous_level: 'low' }

  test.each([
    ['milliseconds, as in the guide', 1_615_304_991_643, 1_615_304_991_643],
    ['seconds with a fraction, as a vendor sends', 1_615_304_991.643_21, 1_615_304_991_643],
  ])('time in %s (OKTA-E72)', async (_, event_timestamp, occurredAt) => {
    const events = {
      [`${okta}user-risk-change`]: { ...risk, event_timestamp, subject: { user: subject.user } },
    }
    expect(readEvents(await verifiedSet({ ...token, events }))).toMatchObject([{ occurredAt }])
  })

  test('a flat iss_sub, in the event and in sub_id (OKTA-E44, OKTA-E78)', async () => {
    const flat = { format: 'iss_sub', iss: 'https://acme.okta.com', sub: '00u1abcd' }
    const events = { [`${okta}user-risk-change`]: { ...common, ...risk, subject: flat } }
    expect(readEvents(await verifiedSet({ ...token, sub_id: flat, events }))).toMatchObject([
      { subject: flat },
    ])
  })

  test('a device whose identifier is called sub (OKTA-E77)', async () => {
    const device = { format: 'opaque', sub: 'device-identifier-001' }
    const events = { [`${okta}device-risk-change`]: { ...common, ...risk, subject: { device } } }
    expect(readEvents(await verifiedSet({ ...token, events }))).toMatchObject([
      { subject: { format: 'complex', device: subject.device } },
    ])
  })
})

test('what Okta itself transmits: credential-change with its own credential types, time in milliseconds', async () => {
  const event = {
    credential_type: 'OKTA_VERIFY_PUSH',
    change_type: 'create',
    event_timestamp: 1_702_448_550_000,
  }
  const user = { format: 'iss_sub', iss: 'https://transmitter.okta.com', sub: 'okta-user-id1' }
  const events = { [`${caep}credential-change`]: { ...event, subject: user } }
  expect(readEvents(await verifiedSet({ ...token, events }))).toMatchObject([
    { family: 'caep', subject: user, occurredAt: 1_702_448_550_000, claims: event },
  ])
})
