import { describe, expect, test } from 'vitest'
import type { Actor } from '../base/actor.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import type { Provider } from '../providers/provider.ts'
import type { SubjectIdentifier } from '@watchbell/receiver/set'
import { serviceAppEntry, tokenEntry } from './access-entries.ts'
import { providerEntry } from './provider-entries.ts'
import { aboutLoadedUser, receiveEventEntry } from './signal-entries.ts'

const now = new Date('2026-03-17T06:00:14Z')
const world = { now: () => now, newUuid: () => 'a-uuid' }
const by: Actor = {
  id: '00u1',
  type: 'User',
  displayName: 'Ada',
  alternateId: undefined,
  ip: '192.0.2.1',
  requestId: 'req1',
}
const provider: Provider = {
  id: 'sse1',
  name: 'Vendor',
  type: 'APP',
  status: 'ACTIVE',
  issuer: 'https://vendor.example',
  jwksUrl: 'https://vendor.example/jwks.json',
  wellKnownUrl: undefined,
  createdAt: now,
  updatedAt: now,
}

describe('providerEntry', () => {
  test.each([
    ['create', 'Create a security events provider'],
    ['update', 'Update a security events provider'],
    ['delete', 'Delete a security events provider'],
    ['activate', 'Activate a security events provider'],
    ['deactivate', 'Deactivate a security events provider'],
  ] as const)('OKTA-L60: %s', (kind, displayMessage) => {
    const entry = providerEntry(world, { kind, provider, before: undefined, by })
    expect(entry).toMatchObject({ eventType: `security.events.provider.${kind}`, displayMessage })
    expect(entry.actor).toMatchObject({ id: '00u1', displayName: 'Ada' })
    expect(entry.transaction).toMatchObject({ type: 'WEB', id: 'req1' })
    expect(entry.target).toEqual([
      {
        id: 'sse1',
        type: 'SecurityEventProvider',
        alternateId: 'Vendor',
        displayName: 'https://vendor.example',
        detailEntry: {
          issuer: 'https://vendor.example',
          jwksUrl: 'https://vendor.example/jwks.json',
          wellKnownUrl: null,
          providerType: 'APP',
          providerName: 'Vendor',
        },
      },
    ])
  })

  test('OKTA-L40: changeDetails of an update holds only the members that changed, with old and new values', () => {
    const before = { ...provider, name: 'Old', wellKnownUrl: 'https://vendor.example/.well-known/ssf' }
    const [target] = providerEntry(world, { kind: 'update', provider, before, by }).target ?? []
    expect(target?.changeDetails).toEqual({
      from: { wellKnownUrl: 'https://vendor.example/.well-known/ssf', providerName: 'Old' },
      to: { wellKnownUrl: null, providerName: 'Vendor' },
    })
  })

  test('only an update has changeDetails', () => {
    const [target] = providerEntry(world, { kind: 'deactivate', provider, before: provider, by }).target ?? []
    expect(target).not.toHaveProperty('changeDetails')
  })
})

const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

function event(subject: SubjectIdentifier | undefined, over: Partial<SecurityEvent> = {}): SecurityEvent {
  const unknown = {
    type: sessionRevoked,
    family: 'unknown',
    name: 'session-revoked',
    occurredAt: undefined,
  } as const
  return { ...unknown, subject, claims: { event_timestamp: 1_709_484_521 }, ...over } as SecurityEvent // of one shape throughout
}

function received(event: SecurityEvent, kind?: string) {
  const signal = {
    id: 'sig1',
    sequence: 7,
    provider: { id: 'sse1', issuer: 'https://vendor.example' },
    jti: 'jti-1',
    issuedAt: new Date(0),
    receivedAt: now,
    events: [event],
  }
  return receiveEventEntry(world, signal, event, kind)
}

describe('receiveEventEntry', () => {
  test('OKTA-L61: the entry has the type, message, outcome and actor of Okta', () => {
    expect(received(event({ format: 'email', email: 'joe@example.com' }))).toMatchObject({
      eventType: 'security.events.provider.receive_event',
      displayMessage: 'Security events provider reported risk',
      outcome: { result: 'SUCCESS', reason: null },
      actor: { id: 'sse1', type: 'SecurityEventProvider', displayName: 'https://vendor.example' },
      transaction: { type: 'JOB', id: 'sig1' },
    })
  })

  test('OKTA-L45, OKTA-L62: debugData holds strings: the report as JSON, and the ids of signal, SET and provider', () => {
    const { debugData } = received(event({ format: 'email', email: 'joe@example.com' })).debugContext
    expect(debugData).toEqual({
      partnerRiskReportData: JSON.stringify({
        issuer: 'https://vendor.example',
        [sessionRevoked]: {
          subject: { format: 'email', email: 'joe@example.com' },
          event_timestamp: 1_709_484_521,
        },
      }),
      jti: 'jti-1',
      signalId: 'sig1',
      providerId: 'sse1',
    })
  })

  test.each<{ subject: SubjectIdentifier; id: string; alternateId?: string; type?: string }>([
    { subject: { format: 'email', email: 'joe@example.com' }, id: 'joe@example.com' },
    { subject: { format: 'iss_sub', iss: 'https://idp.example', sub: '145234573' }, id: '145234573' },
    { subject: { format: 'opaque', id: '11112222' }, id: '11112222' },
    { subject: { format: 'account', uri: 'acct:joe@example.com' }, id: 'acct:joe@example.com' },
    { subject: { format: 'phone_number', phone_number: '+12065550100' }, id: '+12065550100' },
    { subject: { format: 'did', url: 'did:example:123456' }, id: 'did:example:123456' },
    {
      subject: { format: 'jwt_id', iss: 'https://idp.example', jti: 'B70BA622' },
      id: 'B70BA622',
      type: 'Token',
    },
    {
      subject: { format: 'ip-addresses', 'ip-addresses': ['192.0.2.9'] },
      id: '192.0.2.9',
      type: 'IpAddress',
    },
    {
      subject: {
        format: 'aliases',
        identifiers: [
          { format: 'opaque', id: '42' },
          { format: 'email', email: 'joe@example.com' },
        ],
      },
      id: '42',
      alternateId: 'joe@example.com',
    },
  ])('OKTA-L61: the subject $subject is the target', ({ subject, id, alternateId = id, type = 'User' }) => {
    expect(received(event(subject)).target).toEqual([
      { id, type, alternateId, displayName: alternateId, detailEntry: subject },
    ])
  })

  test('OKTA-L61: a complex subject has a target for each of its members', () => {
    const subject: SubjectIdentifier = {
      format: 'complex',
      user: { format: 'email', email: 'joe@example.com' },
      device: { format: 'opaque', id: '1234ABCD' },
      printer: { format: 'opaque', id: 'p7' },
    }
    expect(received(event(subject)).target?.map(({ type, id }) => [type, id])).toEqual([
      ['User', 'joe@example.com'],
      ['Device', '1234ABCD'],
      ['printer', 'p7'],
    ])
  })

  test('an opaque subject of an event about devices is a Device', () => {
    const compliance = event(
      { format: 'opaque', id: '1234ABCD' },
      {
        name: 'device-compliance-change',
      },
    )
    expect(received(compliance).target?.[0]?.type).toBe('Device')
  })

  test('the known kind of a simple subject takes precedence over the name of the event', () => {
    const compliance = { name: 'device-compliance-change', family: 'caep' } as const
    const email: SubjectIdentifier = { format: 'email', email: 'joe@example.com' }
    const opaque: SubjectIdentifier = { format: 'opaque', id: '1' }
    const typeOf = (subject: SubjectIdentifier, kind?: string) =>
      received(event(subject, compliance), kind).target?.[0]?.type
    expect(typeOf(email, 'user')).toBe('User')
    expect(typeOf(email)).toBe('User')
    expect(typeOf(opaque, 'device')).toBe('Device')
    expect(typeOf(opaque)).toBe('Device')
    expect(received(event(opaque), 'session').target?.[0]?.type).toBe('Session')
    expect(
      received(event({ format: 'jwt_id', iss: 'https://a', jti: '1' }), 'session').target?.[0]?.type,
    ).toBe('Token')
  })

  test.each([
    ['verification', 'Security events provider verified a stream'],
    ['stream-updated', 'Security events provider updated a stream'],
  ] as const)('an event of a stream is about the stream: %s', (name, displayMessage) => {
    const subject: SubjectIdentifier = { format: 'opaque', id: 'stream-1' }
    const entry = received(event(subject, { family: 'ssf', name }))
    expect(entry).toMatchObject({
      displayMessage,
      severity: 'INFO',
      target: [{ id: 'stream-1', type: 'Stream', alternateId: 'stream-1', displayName: 'stream-1' }],
    })
  })

  test('the entry of a loaded user has the loaded names, and the name of the sender in debugData', () => {
    const subject: SubjectIdentifier = {
      format: 'complex',
      user: { format: 'iss_sub', iss: 'https://vendor.example', sub: '42' },
      device: { format: 'opaque', id: 'laptop' },
    }
    const plain = received(event(subject))
    const entry = aboutLoadedUser(plain, { id: '00u1', login: 'joe', displayName: 'Joe' })
    expect(entry.target).toEqual([
      { id: '00u1', type: 'User', alternateId: 'joe', displayName: 'Joe', detailEntry: subject['user'] },
      plain.target?.[1],
    ])
    expect(entry.debugContext.debugData).toEqual({ ...plain.debugContext.debugData, reportedUser: '42' })
  })

  test('OKTA-L46: an event without a subject has a null target', () => {
    expect(received(event(undefined)).target).toBeNull()
  })
})

test.each([
  ['create', 'Create API token'],
  ['revoke', 'Revoke API token'],
] as const)(
  'the change %s of an API token becomes an entry with Okta’s event type',
  (kind, displayMessage) => {
    const token = { id: '00T1', name: 'siem', role: 'read_only' } as const
    expect(tokenEntry(world, { kind, token, by })).toMatchObject({
      eventType: `system.api_token.${kind}`,
      legacyEventType: `api.token.${kind}`,
      displayMessage,
      target: [{ id: '00T1', type: 'Token', displayName: 'siem', detailEntry: { role: 'read_only' } }],
    })
  },
)

test.each(['create', 'update', 'delete'] as const)(
  'the change %s of a service app becomes an entry with Okta’s event type',
  (kind) => {
    const app = { clientId: '0oa1', name: 'SIEM', scopes: ['okta.logs.read'], dpopBound: true } as const
    expect(serviceAppEntry(world, { kind, app, by })).toMatchObject({
      eventType: `app.oauth2.client.lifecycle.${kind}`,
      target: [
        {
          id: '0oa1',
          type: 'PublicClientApp',
          displayName: 'SIEM',
          detailEntry: { scopes: 'okta.logs.read', dpopBound: true },
        },
      ],
    })
  },
)
