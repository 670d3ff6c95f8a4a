import { describe, expect, test } from 'vitest'
import { changedWishes, drift, understoodEvents } from './stream-wishes.ts'
import type { StreamConfiguration, WantedStream } from './transmitter-client.ts'

const push = {
  method: 'urn:ietf:rfc:8935',
  endpoint_url: 'https://hub.example/ssf/streams/str1/events',
  authorization_header: 'Bearer x',
}
const wished: WantedStream = { delivery: push, events_requested: ['urn:a', 'urn:b'], description: 'Ours' }
const found: StreamConfiguration = {
  streamId: 's',
  iss: 'https://idp.example',
  aud: ['a'],
  method: push.method,
  endpointUrl: push.endpoint_url,
  eventsRequested: ['urn:b', 'urn:a'],
  eventsSupported: undefined,
  eventsDelivered: undefined,
  description: 'Ours',
  minVerificationIntervalS: undefined,
  inactivityTimeoutS: undefined,
}

describe('drift', () => {
  test.each<readonly [string, Partial<StreamConfiguration>, readonly string[]]>([
    ['all as wished, in another order', {}, []],
    ['events and description not shown', { eventsRequested: undefined, description: undefined }, []],
    ['an event type left out that it may not know (SSF 1.0 §8.1.1)', { eventsRequested: ['urn:a'] }, []],
    [
      'a missing event type that it supports',
      { eventsRequested: ['urn:a'], eventsSupported: ['urn:b'] },
      ['events_requested'],
    ],
    [
      'an event type that was not requested',
      { eventsRequested: ['urn:a', 'urn:b', 'urn:c'] },
      ['events_requested'],
    ],
    [
      'event types of the framework, which some transmitters add',
      {
        eventsRequested: [
          'urn:a',
          'https://schemas.openid.net/secevent/ssf/event-type/verification',
          'urn:b',
          'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
          'https://schemas.openid.net/secevent/sse/event-type/verification',
          'https://schemas.openid.net/secevent/risc/event-type/verification',
        ],
      },
      [],
    ],
    ['another endpoint', { endpointUrl: 'https://other.example/' }, ['delivery']],
    ['no endpoint', { endpointUrl: undefined }, ['delivery']],
    ['another method', { method: 'urn:ietf:rfc:8936' }, ['delivery']],
    ['another description', { description: 'Theirs' }, ['description']],
    [
      'everything',
      { method: undefined, eventsRequested: ['urn:x'], description: '' },
      ['delivery', 'events_requested', 'description'],
    ],
  ])('%s', (_, over, members) => {
    expect(Object.keys(drift({ ...found, ...over }, wished) ?? {})).toEqual(members)
  })

  test('the poll URL of a stream is never a difference', () => {
    const polled = { ...wished, delivery: { method: 'urn:ietf:rfc:8936' } }
    const endpointUrl = 'https://idp.example/poll'
    expect(drift({ ...found, method: 'urn:ietf:rfc:8936', endpointUrl }, polled)).toBeUndefined()
  })
})

test('only members whose wish changed are requested again', () => {
  expect(changedWishes(wished, wished)).toEqual({})
  expect(changedWishes(wished, { ...wished, description: 'New' })).toEqual({ description: 'New' })
  const { description: _, ...unnamed } = wished
  expect(Object.entries(changedWishes(wished, unnamed))).toEqual([['description', undefined]])
  expect(changedWishes({ delivery: push, events_requested: [] }, wished)).toEqual({
    events_requested: wished.events_requested,
    description: 'Ours',
  })
})

test('the requested event types exclude those of the framework, and include SCIM’s only with its dialect (SSF 1.0 §8.1.1)', () => {
  const usual = understoodEvents(new Set())
  expect(usual.length).toBeGreaterThan(20)
  expect(usual.filter((type) => type.includes('/ssf/') || type.startsWith('urn:'))).toEqual([])
  const scim = understoodEvents(new Set(['scim'] as const))
  expect(scim).toHaveLength(usual.length + 12)
})
