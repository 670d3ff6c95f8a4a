import { describe, expect, test } from 'vitest'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import { eventCatalogue, readEvents } from '@watchbell/receiver/events'
import { caseOf, detectionTable } from './detection-table.ts'
import { statementOfEvent, type EventStatement } from './event-statement.ts'
import { createRiskRules, readRiskOverrides, type RiskOverride } from './risk-rules.ts'

const ada = { format: 'email', email: 'ada@example.com' }
const device = { format: 'opaque', id: 'd1' }
const receivedAt = new Date(1_800_000_000_000)
const signal = {
  id: 'sig1',
  provider: { id: 'sse1', issuer: 'https://idp.example' },
  issuedAt: new Date(1_700_000_000_000),
  receivedAt,
}
const typeOf = (name: string): string =>
  eventCatalogue.find((entry) => `${entry.family}/${entry.name}` === name)?.type ?? name

async function eventOf(
  type: string,
  claims: object,
  subject: object = { format: 'complex', user: ada, device },
) {
  const [event] = readEvents(await verifiedSet({ events: { [type]: { ...claims, subject } } }))
  if (event === undefined) throw new Error('There is one event.')
  return event
}

async function statementOf(
  name: string,
  claims: object,
  subject?: object,
  overrides: readonly RiskOverride[] = [],
): Promise<EventStatement> {
  return statementOfEvent(createRiskRules(overrides), signal, await eventOf(typeOf(name), claims, subject), 0)
}

/** `<identifier> <slot> <level> <hours>` of every reason. */
const stated = (read: EventStatement): readonly string[] =>
  read === undefined || 'unmatched' in read
    ? [read?.unmatched ?? 'about nobody']
    : read.statement.reasons.map(({ identifier, slot, level, occurredAt, expiresAt }) =>
        [
          identifier.split(':')[0],
          slot,
          level,
          expiresAt === undefined ? '-' : (expiresAt.getTime() - occurredAt.getTime()) / 3_600_000,
        ].join(' '),
      )

describe('each event of the catalogue about a user on a device', () => {
  test.each<[string, object, readonly string[]]>([
    ['okta/user-risk-change', { current_level: 'high' }, ['user-risk HIGH 720']],
    ['okta/user-risk-change', { current_level: 'medium' }, ['user-risk MEDIUM 720']],
    ['okta/user-risk-change', { current_level: 'low' }, ['user-risk LOW 720']],
    ['okta/user-risk-change', { current_level: 'none' }, ['user-risk NONE -']],
    ['okta/user-risk-change', { current_level: 'secure' }, ['user-risk NONE -']],
    ['okta/device-risk-change', { current_level: 'high' }, ['device-risk HIGH 720']],
    ['okta/device-risk-change', { current_level: 'secure' }, ['device-risk NONE -']],
    ['okta/ip-change', {}, ['ip-change LOW 1']],
    ['caep/session-revoked', {}, ['session-revoked LOW 1']],
    ['caep/token-claims-change', {}, []],
    ['caep/credential-change', { change_type: 'create' }, ['credential-change LOW 24']],
    [
      'caep/credential-change',
      { change_type: 'update', credential_type: 'password' },
      [
        'credential-change LOW 24',
        'credential-compromise:password NONE -',
        'credential-change-required NONE -',
      ],
    ],
    [
      'caep/credential-change',
      { change_type: 'revoke', credential_type: 'pin' },
      ['credential-change LOW 24', 'credential-compromise:pin NONE -', 'credential-change-required NONE -'],
    ],
    [
      'caep/credential-change',
      { change_type: 'delete', credential_type: 'pin' },
      ['credential-change LOW 24', 'credential-compromise:pin NONE -', 'credential-change-required NONE -'],
    ],
    ['caep/assurance-level-change', {}, ['assurance-level LOW 24']],
    ['caep/assurance-level-change', { change_direction: 'increase' }, ['assurance-level NONE -']],
    ['caep/assurance-level-change', { change_direction: null }, []],
    ['caep/device-compliance-change', {}, ['device-compliance MEDIUM -']],
    ['caep/device-compliance-change', { current_status: 'compliant' }, ['device-compliance NONE -']],
    ['caep/session-established', {}, []],
    ['caep/session-presented', {}, []],
    ['caep/risk-level-change', { current_level: 'HIGH' }, ['user-risk HIGH 720']],
    ['caep/risk-level-change', { current_level: 'LOW', principal: 'DEVICE' }, ['device-risk LOW 720']],
    [
      'caep/risk-level-change',
      { current_level: 'MEDIUM', principal: 'SESSION' },
      ['session-risk MEDIUM 720'],
    ],
    ['risc/account-credential-change-required', {}, ['credential-change-required MEDIUM 168']],
    ['risc/account-purged', {}, []],
    ['risc/account-disabled', {}, ['account HIGH -']],
    ['risc/account-disabled', { reason: 'bulk-account' }, ['account MEDIUM -']],
    ['risc/account-disabled', { reason: null }, ['account MEDIUM -']],
    ['risc/account-enabled', {}, ['account NONE -']],
    ['risc/identifier-changed', {}, []],
    ['risc/identifier-recycled', {}, []],
    ['risc/credential-compromise', {}, ['credential-compromise:password HIGH 720']],
    ['risc/opt-in', {}, ['participation NONE -']],
    ['risc/opt-out-initiated', {}, ['participation NONE -']],
    ['risc/opt-out-cancelled', {}, ['participation NONE -']],
    ['risc/opt-out-effective', {}, ['participation NONE -']],
    ['risc/recovery-activated', {}, ['recovery LOW 24']],
    ['risc/recovery-information-changed', {}, ['recovery-information LOW 24']],
    ['risc/sessions-revoked', {}, ['session-revoked LOW 1']],
    ['ssf/verification', {}, ['about nobody']],
    ['ssf/stream-updated', {}, ['about nobody']],
    ['scim/prov:deactivate', {}, []],
    ['https://vendor.example/odd', {}, []],
  ])('%s %j has the reasons of the detection table', async (name, claims, expected) => {
    const example = eventCatalogue.find((entry) => `${entry.family}/${entry.name}` === name)?.example ?? {}
    const reasons = stated(await statementOf(name, { ...example, ...claims }))
    // All are about the device, which is narrower than its user.
    expect(reasons.map((reason) => reason.replace(/^device /, ''))).toEqual(expected)
  })

  test('every event type of the catalogue has cases, and every case has an event type', async () => {
    const cases = new Set<string>()
    for (const { type, example, family } of eventCatalogue) {
      const found = caseOf(await eventOf(type, example))
      expect(found === undefined).toBe(family === 'ssf' || family === 'scim')
      cases.add(found?.split('/').slice(0, 2).join('/') ?? '')
    }
    for (const name of Object.keys(detectionTable))
      expect(cases).toContain(name.split('/').slice(0, 2).join('/'))
  })
})

describe('the subject of an event', () => {
  const opaque = { format: 'opaque', id: 's' }
  test.each<[string, object, object, string]>([
    ['okta/user-risk-change', {}, { user: ada }, 'user'],
    ['okta/user-risk-change', {}, { user: ada, tenant: opaque, application: opaque }, 'user'],
    ['okta/user-risk-change', {}, { user: ada, device }, 'device'],
    ['okta/user-risk-change', {}, { user: ada, device, session: opaque }, 'session'],
    ['okta/user-risk-change', {}, ada, 'user'],
    ['caep/session-revoked', {}, opaque, 'session'],
    ['caep/session-revoked', {}, ada, 'user'],
    ['caep/session-revoked', {}, { format: 'iss_sub', iss: 'i', sub: 's' }, 'user'],
    ['caep/session-revoked', {}, { format: 'aliases', identifiers: [ada, opaque] }, 'user'],
    ['caep/session-revoked', {}, { format: 'jwt_id', iss: 'i', jti: 'j' }, 'session'],
    ['caep/device-compliance-change', {}, { format: 'iss_sub', iss: 'i', sub: 's' }, 'device'],
    ['caep/risk-level-change', { principal: 'DEVICE' }, opaque, 'device'],
    ['caep/risk-level-change', { principal: 'USER' }, opaque, 'user'],
    ['caep/risk-level-change', {}, { format: 'ip-addresses', 'ip-addresses': ['::ffff:1.2.3.4'] }, 'address'],
    ['caep/device-compliance-change', {}, ada, 'the event is about a device, and the subject names none'],
    ['caep/risk-level-change', { principal: 'TENANT' }, { user: ada }, "the principal is 'TENANT'"],
    ['caep/session-revoked', {}, { format: 'x-ours', id: '1' }, 'the subject has a name in a format'],
    ['caep/session-revoked', {}, { user: ada, room: opaque }, "the subject is narrowed by 'room'"],
    [
      'caep/session-revoked',
      {},
      { user: ada, session: { format: 'x-ours', id: '1' } },
      'session: the subject',
    ],
    ['caep/session-revoked', {}, { format: 'complex', tenant: opaque }, 'the subject names no user'],
  ])('%s %j of %j: %s', async (name, claims, subject, expected) => {
    const example = eventCatalogue.find((entry) => `${entry.family}/${entry.name}` === name)?.example ?? {}
    expect(stated(await statementOf(name, { ...example, ...claims }, subject))[0]).toMatch(
      new RegExp(`^${expected}`),
    )
  })

  test('a future time becomes the time of receipt, a missing time the issue time of the SET', async () => {
    const at = async (claims: object) => {
      const read = await statementOf('risc/account-enabled', claims, ada)
      return read !== undefined && 'statement' in read ? read.statement.occurredAt : undefined
    }
    expect(await at({ event_timestamp: 4_000_000_000 })).toEqual(receivedAt)
    expect(await at({})).toEqual(signal.issuedAt)
  })
})

describe('overrides', () => {
  const read = (rules: JsonValue) => {
    const result = readRiskOverrides({ rules })
    if (!result.ok) throw new Error(result.problems.join('; '))
    return result.value
  }

  test('a rule for one issuer wins over a general rule, which wins over the table; it can add event types', async () => {
    const overrides = read([
      { event: 'caep/session-revoked', level: 'MEDIUM', hours: 2 },
      { event: 'caep/session-revoked', issuer: 'https://idp.example', level: 'HIGH', hours: 0.5 },
      { event: 'https://vendor.example/odd', level: 'HIGH' },
      { event: 'caep/session-established', issuer: 'https://other.example', level: 'LOW' },
    ])
    expect(stated(await statementOf('caep/session-revoked', {}, ada, overrides))).toEqual([
      'user session-revoked HIGH 0.5',
    ])
    expect(stated(await statementOf('caep/session-revoked', {}, ada, overrides.slice(0, 1)))).toEqual([
      'user session-revoked MEDIUM 2',
    ])
    expect(stated(await statementOf('https://vendor.example/odd', {}, ada, overrides))).toEqual([
      'user https://vendor.example/odd HIGH -',
    ])
    expect(stated(await statementOf('caep/session-established', {}, ada, overrides))).toEqual([])
  })

  test.each<[JsonValue, number]>([
    [null, 1],
    [[], 1],
    [{}, 1],
    [{ rules: {} }, 1],
    [{ rules: [], more: 1 }, 1],
    [{ rules: ['x'] }, 3],
    [{ rules: [{}] }, 2],
    [{ rules: [{ event: 'caep/session-revoke', level: 'HIGH' }] }, 1],
    [{ rules: [{ event: 'caep/credential-change', level: 'HIGH' }] }, 1],
    [{ rules: [{ event: typeOf('caep/session-revoked'), level: 'HIGH' }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'high' }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'HIGH', hours: 0 }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'HIGH', hours: '8' }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'HIGH', hours: 87_601 }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'HIGH', issuer: '' }] }, 1],
    [{ rules: [{ event: 'caep/session-revoked', level: 'HIGH', provider: 'x' }] }, 1],
    [
      {
        rules: [
          { event: 'caep/session-revoked', level: 'HIGH' },
          { event: 'caep/session-revoked', level: 'LOW' },
        ],
      },
      1,
    ],
    [{ rules: [{ level: 'x' }, { event: 3, level: 'HIGH' }] }, 3],
  ])('%j is refused with all problems', (value, count) => {
    const result = readRiskOverrides(value)
    expect(result.ok ? [] : result.problems).toHaveLength(count)
  })
})
