import { expect, test } from 'vitest'
import type { Actor } from '../base/actor.ts'
import { logEvent, type LogEvent, type LogFacts } from './log-event.ts'

const world = { now: () => new Date('2026-03-17T06:00:14Z'), newUuid: () => 'a-uuid' }
const ada: Actor = { id: '00u1', type: 'User', displayName: 'Ada', alternateId: 'ada@example.com' }

function entry(facts: Partial<LogFacts> = {}): LogEvent {
  return logEvent(world, {
    eventType: 'x.y',
    displayMessage: 'Do x',
    by: ada,
    target: null,
    debugData: {},
    ...facts,
  })
}

test('OKTA-L40–OKTA-L46: an entry has every member, in the order of real entries, absent ones null', () => {
  expect(Object.keys(entry())).toEqual([
    'actor',
    'client',
    'device',
    'authenticationContext',
    'displayMessage',
    'eventType',
    'outcome',
    'published',
    'securityContext',
    'severity',
    'debugContext',
    'legacyEventType',
    'transaction',
    'uuid',
    'version',
    'request',
    'target',
  ])
  expect(JSON.parse(JSON.stringify(entry()))).toEqual({
    actor: {
      id: '00u1',
      type: 'User',
      alternateId: 'ada@example.com',
      displayName: 'Ada',
      detailEntry: null,
    },
    client: null,
    device: null,
    authenticationContext: null,
    displayMessage: 'Do x',
    eventType: 'x.y',
    outcome: { result: 'SUCCESS', reason: null },
    published: '2026-03-17T06:00:14.000Z',
    securityContext: null,
    severity: 'INFO',
    debugContext: { debugData: {} },
    legacyEventType: null,
    transaction: { type: 'JOB', id: 'a-uuid', detail: null },
    uuid: 'a-uuid',
    version: '0',
    request: { ipChain: [] },
    target: null,
  })
})

test('OKTA-L43: entries of one job share its id', () => {
  expect(entry({ job: 'sig1' }).transaction).toEqual({ type: 'JOB', id: 'sig1', detail: null })
})

test('OKTA-L43: the entry of a request names the request, its address and its program', () => {
  const by = { ...ada, ip: '192.0.2.1', userAgent: 'curl/8', requestId: 'req1' }
  const { client, request, transaction } = entry({ by, job: 'sig1' })
  expect(transaction).toEqual({ type: 'WEB', id: 'req1', detail: null })
  expect(client).toEqual({
    userAgent: { rawUserAgent: 'curl/8', os: 'Unknown', browser: 'UNKNOWN' },
    zone: null,
    device: 'Unknown',
    id: null,
    ipAddress: '192.0.2.1',
    geographicalContext: null,
  })
  expect(request.ipChain).toEqual([
    { ip: '192.0.2.1', geographicalContext: null, version: 'V4', source: null },
  ])
})

test('a long User-Agent is cut', () => {
  const { client } = entry({ by: { ...ada, ip: '192.0.2.1', userAgent: 'x'.repeat(10_000) } })
  expect(client?.userAgent?.rawUserAgent).toBe('x'.repeat(500))
})

test('a service app is also the client, and an IPv6 address is marked V6', () => {
  const by: Actor = {
    id: '0oa1',
    type: 'PublicClientApp',
    displayName: 'SIEM',
    alternateId: undefined,
    ip: '2001:db8::1',
  }
  const { actor, client, request } = entry({ by })
  expect(actor.alternateId).toBe('unknown')
  expect(client).toMatchObject({ id: '0oa1', userAgent: null })
  expect(request.ipChain[0]?.version).toBe('V6')
})
