import { describe, expect, test } from 'vitest'
import type { HubError } from '../base/hub-error.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import { readRiskEvents } from './risk-event.ts'
import { holdsDefaultMs, reasonsOf } from './risk-events.ts'

const subject = { ip: '203.0.113.7', riskLevel: 'HIGH' }
const event = { subjects: [subject] }

/** The epoch, unless a case is about now. */
function readAt(body: JsonValue | undefined, now = new Date(0)): ReturnType<typeof readRiskEvents> {
  return readRiskEvents(body, now)
}

function problemsOf(body: JsonValue | undefined, now?: Date): readonly string[] {
  try {
    readAt(body, now)
    return []
  } catch (error) {
    const { code, problems } = error as HubError // the only error that it throws
    expect(code).toBe('risk_event.invalid')
    return problems.map(({ field }) => field)
  }
}

const withSubject = (over: object): JsonValue => [{ subjects: [{ ...subject, ...over }] }]

describe('addresses (OKTA-V15)', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['::1', '::1'],
    ['::', '::'],
    ['::1.2.3.4', '::102:304'], // IPv4-compatible, not IPv4-mapped: another address
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ])('%s is %s', (ip, canonical) => {
    const [read] = readAt(withSubject({ ip }))
    expect(read?.subjects[0]).toMatchObject({ ip: canonical, identifier: `address:${canonical}` })
  })

  test.each([
    ['shortened', '1.2.3'],
    ['one number', '16909060'],
    ['octal', '010.0.0.1'],
    ['a leading zero', '1.2.3.04'],
    ['hexadecimal', '0x1.2.3.4'],
    ['too large a part', '1.2.3.256'],
    ['too many parts', '1.2.3.4.5'],
    ['a port', '1.2.3.4:443'],
    ['a port behind brackets', '[2001:db8::1]:443'],
    ['brackets', '[2001:db8::1]'],
    ['a zone id', 'fe80::1%eth0'],
    ['an IPv4 block', '1.2.3.0/24'],
    ['an IPv6 block', '2001:db8::/32'],
    ['a whole address as a block', '1.2.3.4/32'],
    ['two double colons', '1::2::3'],
    ['too few groups', '1:2:3:4:5:6:7'],
    ['space around it', ' 1.2.3.4'],
    ['a line end', '1.2.3.4\n'],
    ['a name', 'localhost'],
    ['a URL', 'http://1.2.3.4'],
    ['digits of another script', '１.2.3.4'],
    ['negative', '-1.2.3.4'],
    ['nothing', ''],
    ['a number', 16909060],
    ['null', null],
    ['a list', ['1.2.3.4']],
    ['an object', {}],
  ])('%s is refused: %j', (_, ip) => {
    expect(problemsOf(withSubject({ ip }))).toEqual(['[0].subjects[0].ip'])
  })
})

describe('levels and messages (OKTA-V15)', () => {
  test.each(['HIGH', 'MEDIUM', 'LOW'])('the level %s is accepted', (riskLevel) => {
    expect(readAt(withSubject({ riskLevel }))[0]?.subjects[0]?.level).toBe(riskLevel)
  })

  test.each(['NONE', 'high', 'High', 'CRITICAL', 'HIGH ', '', null, undefined, 3, true, ['HIGH'], {}])(
    'the level %j is refused',
    (riskLevel) => {
      expect(problemsOf(withSubject({ riskLevel }))).toEqual(['[0].subjects[0].riskLevel'])
    },
  )

  test.each([
    ['Detected brute-force_attack v1.2', 'Detected brute-force_attack v1.2'],
    ['m'.repeat(512), 'm'.repeat(512)],
    [' ', ' '],
    ['', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('case %#: a valid message is accepted', (message, read) => {
    expect(readAt(withSubject({ message }))[0]?.subjects[0]?.message).toBe(read)
  })

  test.each([
    'm'.repeat(513),
    'a, b',
    'no!',
    'a\nb',
    'a\tb',
    'é',
    '{}',
    '<b>',
    "it's",
    '100%',
    'a/b',
    'line\u2028end',
    7,
    false,
    [],
    {},
  ])('case %#: an invalid message is refused', (message) => {
    expect(problemsOf(withSubject({ message }))).toEqual(['[0].subjects[0].message'])
  })
})

describe('times (OKTA-V14)', () => {
  test.each([
    ['2026-03-01T12:00:00.123Z', '2026-03-01T12:00:00.123Z'],
    ['2026-03-01T12:00:00Z', '2026-03-01T12:00:00.000Z'],
    ['2026-03-01T12:00:00.1Z', '2026-03-01T12:00:00.100Z'],
    ['2026-03-01T12:00:00.123456Z', '2026-03-01T12:00:00.123Z'],
    ['2026-03-01T12:00:00+00:00', '2026-03-01T12:00:00.000Z'],
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
    ['1999-12-31T23:59:59Z', '1999-12-31T23:59:59.000Z'],
  ])('the time %s is accepted', (text, read) => {
    const [first] = readAt([{ ...event, timestamp: text, expiresAt: text }])
    expect(first).toMatchObject({ timestamp: new Date(read), expiresAt: new Date(read) })
  })

  test.each([null, undefined])('the time %j counts as absent', (time) => {
    const [first] = readAt([{ ...event, timestamp: time, expiresAt: time } as JsonValue]) // undefined never comes out of JSON
    expect(first).toMatchObject({ timestamp: undefined, expiresAt: undefined })
  })

  test.each([
    '2026-03-01',
    '2026-03-01T12:00Z',
    '2026-03-01T12:00:00',
    '2026-03-01T12:00:00+01:00',
    '2026-03-01 12:00:00Z',
    '2026-02-30T12:00:00Z',
    '2026-13-01T12:00:00Z',
    '2026-03-01T25:00:00Z',
    '2026-03-01T12:00:60Z',
    '2026-03-01T12:00:00.Z',
    '+002026-03-01T12:00:00Z',
    'Sun, 01 Mar 2026 12:00:00 GMT',
    'now',
    '',
    1772366400,
    1772366400000,
    true,
    {},
    [],
  ])('the time %j is refused', (time) => {
    expect(problemsOf([{ ...event, timestamp: time }])).toEqual(['[0].timestamp'])
    expect(problemsOf([{ ...event, expiresAt: time }])).toEqual(['[0].expiresAt'])
  })
})

describe('an expiry that has passed', () => {
  const now = new Date('2026-03-01T12:00:00Z')
  test.each([
    [{ expiresAt: '2026-03-01T12:00:00Z' }, []],
    [{ expiresAt: '2026-03-01T11:59:59.999Z' }, ['[0].expiresAt']],
    [{ expiresAt: '1999-12-31T23:59:59Z' }, ['[0].expiresAt']],
    [{ timestamp: '2026-03-01T12:00:01Z', expiresAt: '2026-03-01T12:00:01Z' }, []],
    [{ timestamp: '2026-03-01T12:00:02Z', expiresAt: '2026-03-01T12:00:01Z' }, ['[0].expiresAt']],
    [{ timestamp: '1999-12-31T23:59:59Z', expiresAt: '1999-12-31T23:59:58Z' }, ['[0].expiresAt']],
    [{ timestamp: 'x', expiresAt: '2026-03-01T11:00:00Z' }, ['[0].timestamp', '[0].expiresAt']],
    [{ timestamp: null, expiresAt: null }, []],
  ])('%j', (times, expected) => {
    expect(problemsOf([{ ...event, ...times }], now)).toEqual(expected)
  })
})

describe('the whole request', () => {
  const many = <T>(of: T, count: number): T[] => Array.from({ length: count }, () => of)

  test('20 events of 50 subjects are accepted (OKTA-V12, OKTA-V13)', () => {
    const read = readAt(many({ subjects: many(subject, 50) }, 20))
    expect(read.flatMap(({ subjects }) => subjects)).toHaveLength(1_000)
  })

  test.each<[JsonValue | undefined]>([
    [undefined],
    [null],
    [{}],
    ['[]'],
    [event],
    [{ events: [event] }],
    [[]],
    [many(event, 21)],
  ])('case %#: a body that is not an array of 1 to 20 events is refused', (body) => {
    expect(problemsOf(body)).toEqual([''])
  })

  test.each<[JsonValue, string]>([
    [[null], '[0]'],
    [['x'], '[0]'],
    [[[event]], '[0]'],
    [[event, 5], '[1]'],
    [[{}], '[0].subjects'],
    [[{ subjects: null }], '[0].subjects'],
    [[{ subjects: {} }], '[0].subjects'],
    [[{ subjects: subject }], '[0].subjects'],
    [[{ subjects: [] }], '[0].subjects'],
    [[{ subjects: many(subject, 51) }], '[0].subjects'],
    [[{ subjects: [null] }], '[0].subjects[0]'],
    [[{ subjects: [subject, '1.2.3.4'] }], '[0].subjects[1]'],
    [[{ subjects: [[subject]] }], '[0].subjects[0]'],
  ])('case %#: an invalid event or subject is refused by its place', (body, place) => {
    expect(problemsOf(body)).toEqual([place])
  })

  test('all problems are reported, at most 50', () => {
    expect(problemsOf([{ timestamp: 1, subjects: [{}] }, { subjects: [{ ...subject, ip: 'x' }] }])).toEqual([
      '[0].timestamp',
      '[0].subjects[0].ip',
      '[0].subjects[0].riskLevel',
      '[1].subjects[0].ip',
    ])
    expect(problemsOf(many({ subjects: many({}, 50) }, 20))).toHaveLength(50)
  })

  test('unknown members are ignored (OKTA-A5)', () => {
    expect(readAt([{ ...event, id: 7, subjects: [{ ...subject, score: 99 }] }])).toHaveLength(1)
  })
})

describe('reasons of risk events', () => {
  const now = new Date('2026-03-01T12:00:00Z')
  const world = { now: () => now, newUuid: () => 'uuid' }
  const reasons = (body: JsonValue) => reasonsOf({ id: 'rkp1', name: 'Partner' }, readAt(body, now), world)

  test('a reason without expiresAt holds 24 hours from now, whenever it happened (OKTA-V14)', () => {
    const [reason] = reasons([{ ...event, timestamp: '2026-03-01T06:00:00Z' }])
    expect(reason).toMatchObject({
      identifier: 'address:203.0.113.7',
      source: { kind: 'risk_provider', id: 'rkp1' },
      level: 'HIGH',
      occurredAt: new Date('2026-03-01T06:00:00Z'),
      receivedAt: now,
      expiresAt: new Date(now.getTime() + holdsDefaultMs),
    })
    expect(reasons([{ ...event, expiresAt: '2026-03-01T12:30:00Z' }])[0]?.expiresAt).toEqual(
      new Date('2026-03-01T12:30:00Z'),
    )
  })

  test('an event from the future is dated to now', () => {
    expect(reasons([{ ...event, timestamp: '2030-01-01T00:00:00Z' }])[0]?.occurredAt).toEqual(now)
  })

  test('of several events about one address the latest counts, at the same moment the highest, in any order', () => {
    const at = (time: string, riskLevel: string, ip = '1.2.3.4') => ({
      timestamp: `2026-03-01T${time}Z`,
      subjects: [{ ip, riskLevel }],
    })
    const events = [
      at('10:00:00', 'HIGH'),
      at('11:00:00', 'LOW'),
      at('11:00:00', 'MEDIUM', '::ffff:1.2.3.4'),
      at('09:00:00', 'HIGH', '2001:db8::1'),
    ]
    for (const order of [events, events.toReversed()]) {
      const levels = new Map(reasons(order).map(({ identifier, level }) => [identifier, level]))
      expect(levels).toEqual(
        new Map([
          ['address:1.2.3.4', 'MEDIUM'],
          ['address:2001:db8::1', 'HIGH'],
        ]),
      )
    }
  })
})
