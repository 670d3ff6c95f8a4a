import { describe, expect, test } from 'vitest'
import { dialectNames, foreignness, oktasPathDialects, translate, type Dialect } from './dialect.ts'

const openid = 'https://schemas.openid.net/secevent/'
const revoked = `${openid}caep/event-type/session-revoked`
const disabled = `${openid}risc/event-type/account-disabled`
const iss_sub = { format: 'iss_sub', iss: 'https://idp.example', sub: 'ada' }
const allSessions = { format: 'opaque', id: 'ALL' }
const sessionsRevoked = `${openid}risc/event-type/sessions-revoked`
const updated = `${openid}ssf/event-type/stream-updated`
const google = { subject_type: 'iss-sub', iss: 'https://idp.example', sub: 'ada' }

const token = (payload: object, quoted = false) => ({
  header: {},
  payload: JSON.parse(JSON.stringify(payload)) as Record<string, string>, // as it is after a sender's JSON
  quoted,
})

describe('a token of a dialect is foreign where that dialect is off', () => {
  test.each<[string, Dialect, ReturnType<typeof token>]>([
    ['events as text', 'apple', token({ events: '{}' })],
    ['subject_type', 'google-risc', token({ events: { [disabled]: { subject: google } } })],
    [
      'subject_type in an unknown type',
      'google-risc',
      token({ events: { [`${openid}oauth/event-type/tokens-revoked`]: { subject: google } } }),
    ],
    [
      'RISC’s own verification',
      'google-risc',
      token({ events: { [`${openid}risc/event-type/verification`]: {} } }),
    ],
    ['a subject in an event', 'okta-transmitter', token({ events: { [revoked]: { subject: iss_sub } } })],
    [
      'a subject without format in an event',
      'okta-transmitter',
      token({ events: { [revoked]: { subject: { user: iss_sub } } } }),
    ],
    ['a SCIM event', 'scim', token({ events: { 'urn:ietf:params:scim:event:feed:add': {} } })],
    ['one of a draft', 'scim', token({ events: { 'urn:ietf:params:SCIM:event:prov:delete': {} } })],
    [
      'an unknown SCIM event type',
      'scim',
      token({ events: { 'URN:ietf:params:scim:event:sig:pwdReset': {} } }),
    ],
    ['one among others', 'scim', token({ events: { [revoked]: {}, 'urn:ietf:params:scim:event:x': {} } })],
    [
      'every session of a user named ALL',
      'keycloak',
      token({
        sub_id: { format: 'complex', user: iss_sub, session: allSessions },
        events: { [revoked]: {} },
      }),
    ],
    [
      'the same in an event',
      'keycloak',
      token({ sub_id: iss_sub, events: { [revoked]: { subject: { user: iss_sub, session: allSessions } } } }),
    ],
    [
      'a status that is an object',
      'keycloak',
      token({ sub_id: iss_sub, events: { [updated]: { status: { status: 'paused' } } } }),
    ],
    [
      'a subject in the event and a sub_id of null',
      'okta-transmitter',
      token({ sub_id: null, events: { [revoked]: { subject: iss_sub } } }),
    ],
    [
      'a subject_type and a format of null',
      'google-risc',
      token({
        events: { [revoked]: { subject: { format: null, subject_type: 'iss-sub', iss: 'a', sub: 'b' } } },
      }),
    ],
    ['quotes', 'quoted-bodies', token({ sub_id: iss_sub, events: { [revoked]: {} } }, true)],
  ])('%s: %s', (_, dialect, raw) => {
    const without = new Set(dialectNames.filter((name) => name !== dialect && name !== 'google-risc'))
    expect(foreignness(raw, without)).toContain(`the dialect ${dialect},`)
    expect(foreignness(raw, new Set())).toContain(`the dialect ${dialect},`)
    expect(foreignness(raw, new Set([dialect]))).toBeUndefined()
  })
})

test.each([
  ['sub_id', { sub_id: iss_sub, events: { [revoked]: {} } }],
  [
    'sub_id and a subject in the event (SSF 1.0 §3.1)',
    { sub_id: iss_sub, events: { [revoked]: { subject: iss_sub } } },
  ],
  [
    'sub_id and whatever in the event (SSF 1.0 §4.2.3)',
    { sub_id: iss_sub, events: { [revoked]: { subject: google } } },
  ],
  ['no subject at all', { events: { [revoked]: {}, [disabled]: { subject: null } } }],
  ['a subject that is text', { events: { [revoked]: { subject: 'ada' } } }],
  [
    'Okta’s own types (OKTA-E75)',
    { events: { 'https://schemas.okta.com/x': { subject: { user: iss_sub } } } },
  ],
  ['proprietary event types (SSF 1.0 §3.4)', { events: { 'urn:x:y': { subject: iss_sub } } }],
  [
    'a session ALL without a user',
    { sub_id: { format: 'complex', session: allSessions }, events: { [revoked]: {} } },
  ],
  [
    'a session ALL of a tenant',
    { sub_id: { format: 'complex', tenant: iss_sub, session: allSessions }, events: { [revoked]: {} } },
  ],
  ['a session ALL alone', { sub_id: allSessions, events: { [revoked]: {} } }],
  [
    'a session all, in small letters',
    {
      sub_id: { format: 'complex', user: iss_sub, session: { format: 'opaque', id: 'all' } },
      events: { [revoked]: {} },
    },
  ],
  [
    'another session',
    {
      sub_id: { format: 'complex', user: iss_sub, session: { format: 'opaque', id: 'ALLY' } },
      events: { [revoked]: {} },
    },
  ],
  [
    'a session ALL of which something else is said',
    { sub_id: { format: 'complex', user: iss_sub, session: allSessions }, events: { [disabled]: {} } },
  ],
  [
    'a session ALL that is revoked and of which something else is said',
    {
      sub_id: { format: 'complex', user: iss_sub, session: allSessions },
      events: { [revoked]: {}, [disabled]: {} },
    },
  ],
  ['a status that is text', { sub_id: iss_sub, events: { [updated]: { status: 'paused' } } }],
  ['no events', {}],
  ['events of no shape', { events: [revoked] }],
  ['an event of no shape', { events: { [revoked]: 'x' } }],
])('a token with %s is of no dialect', (_, payload) => {
  expect(foreignness(token(payload), new Set())).toBeUndefined()
})

test('with the Google dialect a subject with format needs no subject_type (RISC 1.0 §3.1)', () => {
  const raw = token({ events: { [disabled]: { subject: iss_sub } } })
  expect(foreignness(raw, new Set<Dialect>(['google-risc']))).toBeUndefined()
})

test('Okta’s path accepts what Okta’s receiver accepts (OKTA-E5, OKTA-E75, OKTA-E78), and nothing else', () => {
  expect([...oktasPathDialects]).toEqual(['okta-transmitter', 'quoted-bodies'])
})

test('only the dialects that are on translate a token', () => {
  const raw = token({ exp: 1, events: { [disabled]: { subject: google } } })
  expect(translate(raw, new Set<Dialect>(['apple', 'scim']))).toBe(raw)
  expect(translate(raw, new Set<Dialect>(['google-risc']))).toEqual({
    header: { typ: 'secevent+jwt' },
    payload: { events: { [disabled]: { subject: { ...iss_sub } } } },
    quoted: false,
  })
})

test.each([
  ['[]'],
  ['[{"type":"a","sub":"1"},{"type":"b","sub":"2"}]'],
  ['{"sub":"1"}'],
  ['{"type":7}'],
  ['no JSON'],
  ['{"type":"a","type":"b"}'],
])('Apple’s events must hold exactly one event: %s stays as it is and is refused later', (events) => {
  const raw = token({ events })
  expect(translate(raw, new Set<Dialect>(['apple']))).toBe(raw)
})

describe('the Keycloak dialect', () => {
  const spoken = new Set<Dialect>(['keycloak'])

  test.each([[revoked], [sessionsRevoked]])('the session ALL in %s is left out', (type) => {
    const subject = { format: 'complex', user: iss_sub, device: allSessions, session: allSessions }
    const others = { format: 'complex', user: iss_sub, device: allSessions }
    expect(translate(token({ sub_id: subject, events: { [type]: {} } }), spoken).payload).toEqual({
      sub_id: others,
      events: { [type]: {} },
    })
    expect(translate(token({ events: { [type]: { subject, reason_admin: 'x' } } }), spoken).payload).toEqual({
      events: { [type]: { subject: others, reason_admin: 'x' } },
    })
  })

  test.each([
    [
      { status: { stream_id: 's', status: 'paused', reason: 'night' } },
      { status: 'paused', reason: 'night' },
    ],
    [
      { status: { status: 'disabled', reason: null }, reason: 'over', event_timestamp: 1 },
      { status: 'disabled', reason: 'over', event_timestamp: 1 },
    ],
    [{ status: { status: 'enabled' } }, { status: 'enabled' }],
    [{ status: 'paused' }, { status: 'paused' }],
    [{ status: {} }, { status: {} }],
    [{}, {}],
  ])('stream-updated %j is %j', (event, understood) => {
    expect(translate(token({ events: { [updated]: event } }), spoken).payload).toEqual({
      events: { [updated]: understood },
    })
  })

  test.each([
    [{ format: 'complex', session: allSessions }],
    [{ format: 'complex', tenant: iss_sub, session: allSessions }],
    [allSessions],
    ['ALL'],
    [null],
  ])('session ALL without a user stays: %j', (subject) => {
    const payload = { sub_id: subject, events: { [revoked]: {} } }
    expect(translate(token(payload), spoken).payload).toEqual(payload)
  })

  test('an event about session ALL that is no revocation does not become an event about the user', () => {
    const payload = {
      sub_id: { format: 'complex', user: iss_sub, session: allSessions },
      events: { [revoked]: {}, [disabled]: {} },
    }
    expect(translate(token(payload), spoken).payload).toEqual(payload)
  })
})
