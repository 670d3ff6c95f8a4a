import { fc, propertyRuns } from '../../test/properties.ts'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { verifiedSet } from '../../test/verified-set.ts'
import { isReceiverError } from '../base/receiver-error.ts'
import type { SubjectIdentifier } from '../set/subject-identifier.ts'
import { eventCatalogue } from './event-catalogue.ts'
import { readEvents } from './read-events.ts'
import type { SecurityEvent } from './security-event.ts'

const ada = { format: 'email', email: 'ada@example.com' }
const bob = { format: 'opaque', id: 'bob' }
const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'
const okta = 'https://schemas.okta.com/secevent/okta/event-type/'
const at = { event_timestamp: 1_700_000_000 }
const levels = { current_level: 'high', previous_level: 'low' }

async function read(claims: object): Promise<readonly SecurityEvent[]> {
  return readEvents(await verifiedSet(claims))
}

async function readOne(
  type: string,
  event: object,
  claims: object = { sub_id: ada },
): Promise<SecurityEvent> {
  const [first, ...more] = await read({ events: { [type]: event }, ...claims })
  expect(more).toEqual([])
  if (first === undefined) throw new Error('no event came back')
  return first
}

async function refusal(claims: object): Promise<unknown> {
  const set = await verifiedSet(claims)
  try {
    readEvents(set)
  } catch (error) {
    if (isReceiverError(error)) return { code: error.code, detail: error.detail }
    throw error
  }
  return 'taken'
}

const invalid = (...items: string[]) => ({
  code: 'set.event_invalid',
  detail: `Failed claim validation in security event token. ${items.join(', ')}`,
})

describe('refusals in Okta’s text (OKTA-E20–OKTA-E24)', () => {
  const blank = (field: string) => `'events.mediation${field}': The field cannot be left blank`
  const notAllowed = (field: string) => `'events.mediation${field}': Not one of the allowed values`
  const wrongType = (field: string) => `'events.mediation${field}': The field is not of the expected type`
  const compliance = { current_status: 'compliant', previous_status: 'not-compliant' }

  test.each<[string, object, string[]]>([
    // OKTA-E20, byte for byte
    [
      `${caep}device-compliance-change`,
      { current_status: 'compliant' },
      [blank('DeviceComplianceChangeEvent.previousStatus')],
    ],
    // OKTA-E21, byte for byte
    [
      `${okta}user-risk-change`,
      at,
      [blank('UserRiskChangeEvent.currentRiskLevel'), blank('UserRiskChangeEvent.previousRiskLevel')],
    ],
    // OKTA-E22, byte for byte
    [
      `${okta}user-risk-change`,
      { ...at, ...levels, initiating_entity: 'robot' },
      [notAllowed('UserRiskChangeEvent.initiatingEntity')],
    ],
    [
      `${okta}device-risk-change`,
      at,
      [blank('DeviceRiskChangeEvent.currentRiskLevel'), blank('DeviceRiskChangeEvent.previousRiskLevel')],
    ],
    [
      `${okta}user-risk-change`,
      { ...at, current_level: 'HIGH', previous_level: 'low' },
      [notAllowed('UserRiskChangeEvent.currentRiskLevel')],
    ], // OKTA-E70
    [
      `${okta}user-risk-change`,
      { ...at, current_level: 3, previous_level: '' },
      [wrongType('UserRiskChangeEvent.currentRiskLevel'), blank('UserRiskChangeEvent.previousRiskLevel')],
    ],
    [`${okta}user-risk-change`, levels, [blank('UserRiskChangeEvent.eventTimestamp')]], // OKTA-E72
    [
      `${okta}ip-change`,
      {},
      [
        blank('IpChangeEvent.eventTimestamp'),
        blank('IpChangeEvent.currentIpAddress'),
        blank('IpChangeEvent.previousIpAddress'),
      ],
    ],
    [
      `${caep}device-compliance-change`,
      { ...compliance, current_status: 'non-compliant' },
      [notAllowed('DeviceComplianceChangeEvent.currentStatus')],
    ], // OKTA-E71
    [
      `${caep}device-compliance-change`,
      { current_status: null, previous_status: ' ' },
      [
        blank('DeviceComplianceChangeEvent.previousStatus'),
        blank('DeviceComplianceChangeEvent.currentStatus'),
      ],
    ],
    [
      `${caep}session-revoked`,
      { event_timestamp: '1700000000' },
      [wrongType('SessionRevokedEvent.eventTimestamp')],
    ],
    [
      `${caep}session-revoked`,
      { event_timestamp: -1 },
      [`'events.mediationSessionRevokedEvent.eventTimestamp': Not a time between 1970 and 9999`],
    ],
    [
      `${caep}session-revoked`,
      { event_timestamp: 1e15 },
      [`'events.mediationSessionRevokedEvent.eventTimestamp': Not a time between 1970 and 9999`],
    ],
    [`${caep}token-claims-change`, {}, [blank('TokenClaimsChangeEvent.claims')]],
    [`${caep}token-claims-change`, { claims: {} }, [blank('TokenClaimsChangeEvent.claims')]],
    [`${caep}token-claims-change`, { claims: ['role'] }, [wrongType('TokenClaimsChangeEvent.claims')]],
    [
      `${caep}credential-change`,
      {},
      [blank('CredentialChangeEvent.credentialType'), blank('CredentialChangeEvent.changeType')],
    ],
    [
      `${caep}credential-change`,
      { credential_type: 'a', change_type: 'rotate' },
      [notAllowed('CredentialChangeEvent.changeType')],
    ],
    [
      `${caep}credential-change`,
      { credential_type: 1, change_type: 'create', x509_issuer: {}, fido2_aaguid: 1 },
      [wrongType('CredentialChangeEvent.credentialType')],
    ],
    [
      `${caep}assurance-level-change`,
      { change_direction: 'up' },
      [
        blank('AssuranceLevelChangeEvent.namespace'),
        blank('AssuranceLevelChangeEvent.currentLevel'),
        notAllowed('AssuranceLevelChangeEvent.changeDirection'),
      ],
    ],
    [
      `${caep}risk-level-change`,
      { current_level: 'low' },
      [blank('RiskLevelChangeEvent.principal'), notAllowed('RiskLevelChangeEvent.currentLevel')],
    ],
    [`${risc}identifier-changed`, { 'new-value': 5 }, [wrongType('IdentifierChangedEvent.newValue')]],
    [`${risc}credential-compromise`, {}, [blank('CredentialCompromiseEvent.credentialType')]],
    [`${risc}opt-in`, { event_timestamp: [1] }, [wrongType('OptInEvent.eventTimestamp')]],
    [`${ssf}verification`, { state: 5 }, [wrongType('VerificationEvent.state')]],
    [
      `${ssf}verification`,
      { state: 's'.repeat(1025) },
      [`'events.mediationVerificationEvent.state': The field is longer than 1024 characters`],
    ],
    [`${ssf}stream-updated`, {}, [blank('StreamUpdatedEvent.status')]],
    [`${ssf}stream-updated`, { status: 'ENABLED' }, [notAllowed('StreamUpdatedEvent.status')]],
  ])('%s %j', async (type, event, items) => {
    expect(await refusal({ sub_id: ada, events: { [type]: event } })).toEqual(invalid(...items))
  })

  test('every problem of every event is named, and one bad event refuses the good ones with it', async () => {
    const events = {
      [`${caep}session-revoked`]: {},
      [`${okta}user-risk-change`]: { ...at, current_level: 'high' },
      'urn:x:unknown': { anything: [] },
      [`${ssf}stream-updated`]: { status: 'gone' },
    }
    expect(await refusal({ sub_id: ada, events })).toEqual(
      invalid(blank('UserRiskChangeEvent.previousRiskLevel'), notAllowed('StreamUpdatedEvent.status')),
    )
  })

  test.each(
    eventCatalogue.filter(({ family }) => family !== 'scim').map(({ type, example }) => [type, example]),
  )('%s without any subject (OKTA-E75)', async (type, example) => {
    expect(await refusal({ events: { [type]: example } })).toEqual({
      code: 'set.event_invalid',
      detail: expect.stringMatching(
        /'events\.mediation[A-Z][A-Za-z]+Event\.subject': The field cannot be left blank$/,
      ),
    })
    expect(await refusal({ events: { [type]: { ...example, subject: null } } })).toMatchObject({
      code: 'set.event_invalid',
    })
  })

  test('the refusal of an unreadable subject names its place', async () => {
    expect(
      await refusal({ events: { [`${caep}session-revoked`]: { subject: { format: 'email' } } } }),
    ).toEqual({
      code: 'set.subject_invalid',
      detail: expect.stringContaining('events.mediationSessionRevokedEvent.subject is of format email'),
    })
  })
})

describe('an unreadable optional member is left out and noted, and the event is kept', () => {
  const notAllowed = 'Not one of the allowed values'
  const wrongType = 'The field is not of the expected type'
  const risk = { principal: 'USER', current_level: 'HIGH' }
  const credential = { credential_type: 'pin', change_type: 'create' }

  test.each<[string, object, string, unknown, string]>([
    [`${risc}account-disabled`, {}, 'reason', 'disabled-by-admin', notAllowed],
    [`${risc}account-disabled`, {}, 'reason', 'HIJACKING', notAllowed],
    [`${risc}account-disabled`, {}, 'reason', { en: 'left' }, wrongType],
    [`${caep}session-revoked`, {}, 'initiating_entity', 'Admin', notAllowed],
    [`${caep}session-revoked`, {}, 'initiating_entity', ['admin'], wrongType],
    [`${caep}session-revoked`, {}, 'reason_admin', {}, 'The field cannot be left blank'],
    [`${caep}session-revoked`, {}, 'reason_admin', { en: 5 }, wrongType],
    [`${caep}session-revoked`, {}, 'reason_user', ['a'], wrongType],
    [`${caep}session-revoked`, {}, 'current_ip', 5, wrongType],
    [`${caep}session-revoked`, {}, 'last_known_user_agent', {}, wrongType],
    [`${caep}token-claims-change`, { claims: { role: 'x' } }, 'initiating_entity', 'robot', notAllowed],
    [`${caep}credential-change`, credential, 'friendly_name', 7, wrongType],
    [`${caep}credential-change`, credential, 'x509_issuer', {}, wrongType],
    [`${caep}credential-change`, credential, 'fido2_aaguid', 1, wrongType],
    [
      `${caep}assurance-level-change`,
      { namespace: 'NIST-AAL', current_level: 'nist-aal1' },
      'previous_level',
      2,
      wrongType,
    ],
    [
      `${caep}device-compliance-change`,
      { previous_status: 'compliant', current_status: 'not-compliant' },
      'reason_admin',
      [],
      wrongType,
    ],
    [`${caep}session-established`, {}, 'amr', 'otp', wrongType],
    [`${caep}session-established`, {}, 'amr', ['otp', 1], wrongType],
    [`${caep}session-established`, {}, 'acr', 2, wrongType],
    [`${caep}session-presented`, {}, 'ext_id', {}, wrongType],
    [`${caep}risk-level-change`, risk, 'previous_level', 'NONE', notAllowed],
    [`${caep}risk-level-change`, risk, 'risk_reason', { en: 'x' }, wrongType],
    [`${risc}credential-compromise`, { credential_type: 'password' }, 'reason_user', 4, wrongType],
    [`${ssf}stream-updated`, { status: 'paused' }, 'reason', { en: 'x' }, wrongType],
    [`${okta}user-risk-change`, { ...at, ...levels }, 'reason_admin', {}, 'The field cannot be left blank'],
  ])('%s %j: %s %j', async (type, event, claim, value, problem) => {
    const read = await readOne(type, { ...event, [claim]: value, kept: true })
    expect(read.claims).toEqual({ ...event, kept: true })
    expect(read.leftOut).toEqual([{ claim, value: JSON.stringify(value), problem }])
  })

  test('all of several unreadable members are noted, shortened and printable', async () => {
    const { leftOut } = await readOne(`${risc}account-disabled`, {
      reason: `\u202e${'x'.repeat(200)}`,
    })
    expect(leftOut).toEqual([{ claim: 'reason', value: `"\ufffd${'x'.repeat(98)}…`, problem: notAllowed }])
    const both = await readOne(`${caep}session-revoked`, { initiating_entity: 'x', reason_user: 1 })
    expect(both.leftOut?.map(({ claim }) => claim)).toEqual(['initiating_entity', 'reason_user'])
  })

  test.each([
    [`${caep}session-revoked`, {}],
    [`${caep}session-revoked`, { reason_admin: null, initiating_entity: '' }],
    ['urn:x:y', { reason: [] }],
  ])('nothing is noted of %s %j', async (type, event) => {
    expect(await readOne(type, event)).not.toHaveProperty('leftOut')
  })

  test.each([
    [`${caep}assurance-level-change`, { namespace: 'a', current_level: '1', change_direction: 'up' }],
    [`${risc}identifier-changed`, { 'new-value': 5 }],
    [`${risc}account-disabled`, { event_timestamp: 'now' }],
    [`${ssf}verification`, { state: 5 }],
    [`${okta}user-risk-change`, { ...at, ...levels, initiating_entity: 'robot' }], // OKTA-E22
  ])('an unreadable member that decides the effect refuses the event: %s %j', async (type, event) => {
    expect(await refusal({ sub_id: ada, events: { [type]: event } })).toMatchObject({
      code: 'set.event_invalid',
    })
  })
})

describe('events that are accepted', () => {
  test.each(eventCatalogue.map(({ type, family, name, example }) => ({ type, family, name, example })))(
    'the catalogue’s example of $type decodes and is plain JSON',
    async ({ type, family, name, example }) => {
      const event = await readOne(type, example)
      expect(event).toMatchObject({ type, family, name, subject: ada, claims: example })
      expect(JSON.parse(JSON.stringify(event))).toEqual(event)
    },
  )

  test.each<[string, string, object, object]>([
    ['an empty session-revoked', `${caep}session-revoked`, {}, {}],
    ['a custom namespace', `${caep}assurance-level-change`, { namespace: 'Ours', current_level: '3' }, {}],
    [
      'no previous_level (CAEP 1.0 §3.8)',
      `${caep}risk-level-change`,
      { principal: 'USER', current_level: 'LOW' },
      {},
    ],
    ['a proprietary principal', `${caep}risk-level-change`, { principal: 'ROBOT', current_level: 'LOW' }, {}],
    [
      'a proprietary credential_type',
      `${caep}credential-change`,
      { credential_type: 'OKTA_VERIFY_PUSH', change_type: 'update' },
      {},
    ],
    [
      'unknown members (SSF 1.0 §4.2.3)',
      `${caep}session-revoked`,
      { colour: 'red', constructor: 1, nested: { a: [1] } },
      {},
    ],
    [
      'Okta’s extras (OKTA-E64)',
      `${caep}session-revoked`,
      { current_ip: '::1', current_user_agent: 'a', last_known_ip: '::2', last_known_user_agent: 'b' },
      {},
    ],
    [
      'reasons in several languages',
      `${caep}session-revoked`,
      { reason_user: { en: 'a', 'es-410': 'b' } },
      {},
    ],
    [
      'a plain reason of older drafts',
      `${caep}session-revoked`,
      { reason_admin: 'stolen' },
      { reason_admin: { und: 'stolen' } },
    ],
    ['no reasons at all (OKTA-E74)', `${okta}user-risk-change`, { ...at, ...levels }, {}],
    [
      'level secure and none (OKTA-E70)',
      `${okta}device-risk-change`,
      { ...at, current_level: 'secure', previous_level: 'none' },
      {},
    ],
    ['RISC with the time (OKTA-E65)', `${risc}identifier-changed`, { ...at, 'new-value': 'a@b.c' }, {}],
    ['a verification without state (SSF 1.0 §8.1.4)', `${ssf}verification`, {}, {}],
    ['a long state', `${ssf}verification`, { state: 's'.repeat(1024) }, {}],
  ])('%s', async (_, type, event, read) => {
    expect((await readOne(type, event)).claims).toEqual({ ...event, ...read })
  })

  test('optional members that are blank are left out', async () => {
    const event = await readOne(`${caep}session-revoked`, {
      initiating_entity: '',
      reason_admin: null,
      last_known_ip: ' ',
    })
    expect(event.claims).toEqual({})
  })

  test('several events are all decoded, in their order (OKTA-E47, SSF-C3)', async () => {
    const events = { 'urn:x:new': { a: 1 }, [`${caep}session-revoked`]: {}, [`${risc}sessions-revoked`]: {} }
    expect((await read({ sub_id: ada, events })).map(({ family, name }) => [family, name])).toEqual([
      ['unknown', 'new'],
      ['caep', 'session-revoked'],
      ['risc', 'sessions-revoked'],
    ])
  })

  test('the TypeScript types give the members of an event', async () => {
    const event = await readOne(`${caep}credential-change`, { credential_type: 'pin', change_type: 'create' })
    if (event.family !== 'caep' || event.name !== 'credential-change') throw new Error('not what was sent')
    expectTypeOf(
      event.type,
    ).toEqualTypeOf<'https://schemas.openid.net/secevent/caep/event-type/credential-change'>()
    expectTypeOf(event.claims.change_type).toEqualTypeOf<'create' | 'revoke' | 'update' | 'delete'>()
    expectTypeOf(event.claims.initiating_entity).toEqualTypeOf<
      'admin' | 'user' | 'policy' | 'system' | undefined
    >()
    expectTypeOf(event.subject).toEqualTypeOf<SubjectIdentifier>()
    expect(event.claims.change_type).toBe('create')
  })
})

describe('the subject', () => {
  const revoked = `${caep}session-revoked`
  const risk = { ...at, ...levels }

  test.each<[string, string, object, object, unknown]>([
    ['sub_id alone', revoked, {}, { sub_id: ada }, ada],
    ['the event’s own alone', revoked, { subject: bob }, {}, bob],
    ['sub_id before the event’s own (SSF 1.0 §3.1)', revoked, { subject: bob }, { sub_id: ada }, ada],
    [
      'sub_id wins over the members of the event (SSF 1.0 §4.2.3)',
      revoked,
      { subject: 'nonsense' },
      { sub_id: ada },
      ada,
    ],
    [
      'for Okta the event’s own before sub_id (OKTA-E44, OKTA-E75)',
      `${okta}user-risk-change`,
      { ...risk, subject: { user: ada } },
      { sub_id: bob },
      { format: 'complex', user: ada },
    ],
    ['for Okta sub_id when the event has none', `${okta}user-risk-change`, risk, { sub_id: bob }, bob],
    ['of an unknown event', 'urn:x:y', { subject: ada }, {}, ada],
    ['of an unknown event by sub_id', 'urn:x:y', { subject: bob }, { sub_id: ada }, ada],
    ['of an unknown event, unreadable', 'urn:x:y', { subject: 'ada' }, {}, undefined],
    ['of an unknown event, not there', 'urn:x:y', {}, {}, undefined],
    ['of a SCIM event, unreadable', 'urn:ietf:params:scim:event:prov:delete', { subject: {} }, {}, undefined],
  ])('%s', async (_, type, event, claims, subject) => {
    expect((await readOne(type, event, claims)).subject).toEqual(subject)
  })

  test('the chosen subject is not among the claims, the other one is', async () => {
    expect((await readOne(revoked, { subject: bob }, { sub_id: ada })).claims).toEqual({ subject: bob })
    expect((await readOne(revoked, { subject: bob }, {})).claims).toEqual({})
    expect((await readOne('urn:x:y', { subject: 'ada' }, {})).claims).toEqual({ subject: 'ada' })
  })
})

describe('the time (OKTA-E72, RFC 8417 §2.2)', () => {
  test.each<[object, object, number | undefined]>([
    [{ event_timestamp: 1_702_448_550 }, {}, 1_702_448_550_000],
    [{ event_timestamp: 1_615_304_991_643 }, {}, 1_615_304_991_643],
    [{ event_timestamp: 1_702_448_550.123_456 }, {}, 1_702_448_550_123],
    [{ event_timestamp: 0 }, {}, 0],
    [{ event_timestamp: 99_999_999_999 }, {}, 99_999_999_999_000],
    [{ event_timestamp: 100_000_000_000 }, {}, 100_000_000_000],
    [{ event_timestamp: 253_402_300_799_999 }, {}, 253_402_300_799_999],
    [{}, { toe: 1_700_000_000 }, 1_700_000_000_000],
    [{ event_timestamp: 1_702_448_550 }, { toe: 1_700_000_000 }, 1_702_448_550_000],
    [{}, {}, undefined],
  ])('%j with %j is %s', async (event, claims, time) => {
    expect((await readOne(`${caep}session-revoked`, event, { sub_id: ada, ...claims })).occurredAt).toBe(time)
    expect((await readOne('urn:x:y', event, claims)).occurredAt).toBe(time)
  })

  test('an unknown event with an unreadable time is accepted without the time', async () => {
    expect((await readOne('urn:x:y', { event_timestamp: 'now' })).occurredAt).toBeUndefined()
  })
})

describe('unknown event types (not OKTA-E48)', () => {
  test.each([
    [`${caep}session-paused`, 'unknown', 'session-paused'],
    [`${risc}session-revoked`, 'unknown', 'session-revoked'],
    [caep, 'unknown', caep],
    [`${caep}Session-Revoked`, 'unknown', 'Session-Revoked'],
    [`${caep}toString`, 'unknown', 'toString'],
    ['urn:ietf:params:scim:event:create', 'unknown', 'create'],
    ['urn:ietf:params:scim:event:constructor', 'unknown', 'constructor'],
    ['urn:ietf:params:SCIM:event:prov:create:full', 'scim', 'prov:create:full'],
    ['URN:ietf:params:scim:event:feed:add', 'scim', 'feed:add'],
  ])('%s is %s', async (type, family, name) => {
    const event = { status: 5, list: [], event_timestamp: 1 }
    expect(await readOne(type, event)).toEqual({
      type,
      family,
      name,
      subject: ada,
      occurredAt: 1000,
      claims: event,
    })
  })
})

test('property: any events are decoded or refused with a ReceiverError', async () => {
  const type = fc.constantFrom(...eventCatalogue.map(({ type }) => type), 'urn:x:y')
  const member = fc.constantFrom(
    'subject',
    'event_timestamp',
    'reason_admin',
    'current_level',
    'status',
    'amr',
    'claims',
    'x',
  )
  const events = fc.dictionary(type, fc.dictionary(member, fc.jsonValue()), { minKeys: 1, maxKeys: 5 })
  const plain = events.filter((value) => !/__proto__|\\u0000|e\+|[0-9]{16}/.test(JSON.stringify(value)))
  await fc.assert(
    fc.asyncProperty(plain, fc.boolean(), async (value, withSubject) => {
      const set = await verifiedSet(withSubject ? { sub_id: ada, events: value } : { events: value })
      try {
        expect(readEvents(set)).toHaveLength(Object.keys(value).length)
      } catch (error) {
        if (!isReceiverError(error, 'set.event_invalid', 'set.subject_invalid')) throw error
      }
    }),
    { numRuns: propertyRuns(50) },
  )
})

test('an empty time counts as missing and is noted', async () => {
  for (const event_timestamp of [[], {}]) {
    const event = await readOne(`${risc}opt-in`, { event_timestamp })
    expect([event.occurredAt, event.claims]).toEqual([undefined, {}])
  }
  for (const event_timestamp of [null, ''])
    expect((await readOne(`${risc}opt-in`, { event_timestamp })).claims).toEqual({})
})
