import { expect, test } from 'vitest'
import { listenAddress, subjectIdentifier, timeAhead, timeAsIso, gatherList } from './option-readers.ts'

const now = new Date('2026-01-02T03:04:05.678Z')

test.each([
  ['90s', '2026-01-02T03:02:35.678Z'],
  ['15m', '2026-01-02T02:49:05.678Z'],
  ['2h', '2026-01-02T01:04:05.678Z'],
  ['3d', '2025-12-30T03:04:05.678Z'],
  ['2026-01-31', '2026-01-31T00:00:00.000Z'],
  ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
])('%s is the time %s', (text, time) => {
  expect(timeAsIso(() => now)(text)).toBe(time)
})

test.each(['', '5', '15 m', '1w', '-1h', 'now', '2026', '2026-13-01', '1234567s'])(
  "'%s' is no time",
  (text) => {
    expect(() => timeAsIso(() => now)(text)).toThrow('It must be a time')
  },
)

test.each([
  ['90d', '2026-04-02T03:04:05.678Z'],
  ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
])('%s is the time %s to come', (text, time) => {
  expect(timeAhead(() => now)(text)).toEqual(new Date(time))
})

test.each(['', '0s', '1w', '2026-01-02', 'never'])("'%s' is no time to come", (text) => {
  expect(() => timeAhead(() => now)(text)).toThrow('It must be a time to come')
})

test.each([
  ['127.0.0.1:9000', { host: '127.0.0.1', port: 9000 }],
  [':9000', { host: '127.0.0.1', port: 9000 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:80', { host: '::1', port: 80 }],
])('%s is an address to listen on', (text, address) => {
  expect(listenAddress(text)).toEqual(address)
})

test.each(['', '9000', 'a', 'a:', 'a:b', '::1:80', 'a:65536', 'http://a:1', 'a b:1'])(
  "'%s' is none",
  (text) => {
    expect(() => listenAddress(text)).toThrow('It must be host:port')
  },
)

test.each([
  ['email:ada@example.com', { format: 'email', email: 'ada@example.com' }],
  ['phone:+1:2', { format: 'phone_number', phone_number: '+1:2' }],
  ['opaque:urn:x:7', { format: 'opaque', id: 'urn:x:7' }],
  ['uri:https://a.example/7', { format: 'uri', uri: 'https://a.example/7' }],
  ['account:ada@example.com', { format: 'account', uri: 'acct:ada@example.com' }],
  ['account:acct:ada@example.com', { format: 'account', uri: 'acct:ada@example.com' }],
  ['did:example:7', { format: 'did', url: 'did:example:7' }],
])('%s is a subject (RFC 9493)', (text, subject) => {
  expect(subjectIdentifier(text)).toEqual(subject)
})

test.each(['', ':', 'ada', 'email:', ':ada', 'toString:x', '__proto__:x', 'iss_sub:x'])(
  "'%s' is none",
  (text) => {
    expect(() => subjectIdentifier(text)).toThrow('It must be FORMAT:VALUE')
  },
)

test('words gather over several options, parted by commas and spaces', () => {
  expect(gatherList('c  d', gatherList('a, b'))).toEqual(['a', 'b', 'c', 'd'])
})
