import { describe, expect, test } from 'vitest'
import { keywordPredicate, readKeywords } from './log-keywords.ts'
import type { LogEvent } from './log-event.ts'
import { parseLogFilter } from './log-filter.ts'
import { eventTypesOf, filterPredicate } from './log-match.ts'

const target = (id: string, type: string) => ({
  id,
  type,
  alternateId: `${id}@example.com`,
  displayName: id,
  detailEntry: null,
})

const entry: LogEvent = {
  actor: {
    id: 'sse1',
    type: 'SecurityEventProvider',
    alternateId: 'unknown',
    displayName: 'Vendor',
    detailEntry: null,
  },
  client: {
    userAgent: null,
    zone: null,
    device: 'Unknown',
    id: null,
    ipAddress: '184.73.186.14',
    geographicalContext: null,
  },
  device: null,
  authenticationContext: null,
  displayMessage: 'Security events provider reported risk',
  eventType: 'security.events.provider.receive_event',
  outcome: { result: 'SUCCESS', reason: null },
  published: '2026-03-17T06:00:14.000Z',
  securityContext: null,
  severity: 'INFO',
  debugContext: {
    debugData: {
      risk: '{previousLevel=LOW, level=MEDIUM}',
      count: 5,
      flag: true,
      empty: '',
      none: [],
      when: '2026-03-17T06:00:14Z',
      url: '/oauth/token',
      report: '{"https://schemas.example/event-type/session-revoked":{}}',
    },
  },
  legacyEventType: null,
  transaction: { type: 'WEB', id: 'XOxBw-2JIRnCFd0gG0GjHAAABjY', detail: { requestApiTokenId: '00T9' } },
  uuid: 'f24790d0-d324-47f8-aac5-c27a31ab928d',
  version: '0',
  request: { ipChain: [] },
  target: [target('ada', 'User'), target('app', 'AppInstance')],
}

describe('filterPredicate', () => {
  test.each([
    ['eventType eq "security.events.provider.receive_event"', true],
    ['eventType eq "Security.events.provider.receive_event"', false],
    ['eventType sw "security."', true],
    ['eventType sw "Security."', false],
    ['eventType sw "events"', false],
    ['eventType co "provider"', true],
    ['eventType ew "receive_event"', true],
    ['eventType ew "receive"', false],
    ['eventType ne "x"', true],
    ['eventType ne "security.events.provider.receive_event"', false],
    ['client.ipAddress eq "184.73.186.14"', true],
    ['debugContext.debugData.risk co "level=MEDIUM"', true],
    ['debugContext.debugData.risk co "level=HIGH"', false],
    ['debugContext.debugData.url eq "/oauth/token"', true],
    ['transaction.detail.requestApiTokenId eq "00T9"', true],
    ['debugContext.debugData.count eq 5', true],
    ['debugContext.debugData.count eq "5"', false],
    ['debugContext.debugData.count gt 4', true],
    ['debugContext.debugData.count ge 5', true],
    ['debugContext.debugData.count lt 5', false],
    ['debugContext.debugData.count le 5', true],
    ['debugContext.debugData.count gt "4"', false],
    ['debugContext.debugData.count co "5"', false],
    ['debugContext.debugData.flag eq true', true],
    ['debugContext.debugData.flag ne true', false],
    ['displayMessage gt "Security"', true],
    ['displayMessage lt "Security"', false],
    ['(displayMessage lt "iOS" or displayMessage gt "iOS")', true],
    ['debugContext.debugData.when ge "2026-03-17T07:00:14+01:00"', true],
    ['debugContext.debugData.when gt "2026-03-17T07:00:14+01:00"', false],
    ['outcome.reason eq null', true],
    ['outcome.reason ne null', false],
    ['outcome.reason ne "x"', true],
    ['outcome.reason gt "x"', false],
    ['debugContext.debugData.missing eq null', true],
    ['debugContext.debugData.toString pr', false],
    ['debugContext.debugData.count pr', true],
    ['debugContext.debugData.empty pr', false],
    ['debugContext.debugData.none pr', false],
    ['authenticationContext.issuer.id pr', false],
    ['request.ipChain.ip pr', false],
    ['target pr', true],
    ['client pr', true],
    ['device pr', false],
    ['not (device pr)', true],
    ['eventType eq "x" or severity eq "INFO"', true],
    ['eventType eq "x" and severity eq "INFO"', false],
  ])('OKTA-L4: %s is %s', (filter, expected) => {
    expect(filterPredicate(parseLogFilter(filter))(entry)).toBe(expected)
  })

  test.each([
    ['target.id eq "ada" and target.id eq "app"', true],
    ['target.id eq "ada" and target.id eq "bob"', false],
    ['target.id eq "ada" and target.type eq "AppInstance"', true],
    ['target.id ne "ada"', true],
    ['not (target.id eq "ada")', false],
  ])('OKTA-L5: each comparison holds for any element of a list: %s is %s', (filter, expected) => {
    expect(filterPredicate(parseLogFilter(filter))(entry)).toBe(expected)
  })

  test.each([
    ['target.id eq "ada"', false],
    ['target.id ne "ada"', true],
    ['target.id eq null', true],
    ['target pr', false],
  ])('OKTA-L46: an entry without targets: %s is %s', (filter, expected) => {
    expect(filterPredicate(parseLogFilter(filter))({ ...entry, target: null })).toBe(expected)
  })
})

test.each([
  ['eventType eq "a"', ['a']],
  ['eventType eq "a" and severity eq "INFO"', ['a']],
  ['severity eq "INFO" and (eventType eq "a" or eventType eq "b")', ['a', 'b']],
  ['eventType eq "a" and eventType eq "b"', []],
  ['eventType eq "a" or eventType eq "a"', ['a']],
  ['eventType eq "a" or severity eq "INFO"', undefined],
  ['not (eventType eq "a")', undefined],
  ['eventType ne "a"', undefined],
  ['eventType sw "a"', undefined],
  ['eventType eq null', undefined],
  ['eventType pr', undefined],
])('%s narrows the types to %j', (filter, expected) => {
  expect(eventTypesOf(parseLogFilter(filter))).toEqual(expected)
})

describe('keywords', () => {
  function keywordsOf(q: string): readonly string[] {
    const keywords = readKeywords(q)
    if ('problem' in keywords) throw new Error(keywords.problem)
    return keywords
  }

  test.each([
    ['XOxBw', true],
    ['2JIRnCFd0gG0GjHAAABjY', true],
    ['XOxBw-2JIRnCFd0gG0GjHAAABjY', true],
    ['xoxbw-2jirncfd0gg0gjhaaabjy', true],
    ['XOxB', false],
    ['OxBw', false],
    ['RISK reported', true],
    ['risk  unreported', false],
    ['ada', true],
    ['ada@example.com', true],
    ['@example.com', true],
    ['ad', false],
    ['receive_event', true],
    ['session-revoked', true],
    ['5', true],
    ['6', false],
    ['displayName', false],
    ['.*', false],
    ['', true],
    ['   ', true],
  ])('OKTA-L6: %j is found: %s', (q, expected) => {
    expect(keywordPredicate(keywordsOf(q))(entry)).toBe(expected)
  })

  test('OKTA-L6: letters beyond ASCII are parts of words, and other characters end words', () => {
    const found = (q: string): boolean => {
      const message = { ...entry, displayMessage: 'Grüße \u{1D400}b \u{1F514}bell' }
      return keywordPredicate(keywordsOf(q))(message)
    }
    expect(['GRÜSSE', 'grüße', 'gr', 'b', 'bell'].map(found)).toEqual([false, true, false, false, true])
  })

  test('OKTA-L6, OKTA-L25: ten keywords of forty characters are accepted, no more and no longer', () => {
    const words = (count: number, length: number): string =>
      Array<string>(count).fill('x'.repeat(length)).join(' ')
    expect(readKeywords(words(10, 40))).toHaveLength(10)
    expect(readKeywords(words(11, 1))).toEqual({
      problem: 'Freeform search cannot contain more than 10 items.',
    })
    expect(readKeywords(words(1, 41))).toEqual({
      problem:
        'Freeform search cannot contain items longer than 40 characters. Please shorten the items in your search or use an advanced filter to query by specific fields.',
    })
  })
})
