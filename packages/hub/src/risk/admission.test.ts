import { expect, test } from 'vitest'
import { knownSource } from '../../test/known-sources.ts'
import { userStatement } from '../../test/contract/user-statement.ts'
import { wordJudge, type KnownSource } from './risk-sources.ts'
import { withinLimits } from './admission.ts'
import { defaultTrust } from './source-trust.ts'
import type { Statement } from './statement.ts'

const ours = 'user:email:ada@example.com'
const theirs = 'user:email:ada@other.example'
const limited = { ...defaultTrust, speaksOf: { ...defaultTrust.speaksOf, domains: ['example.com'] } }
const judge = (over: Partial<KnownSource> = {}) =>
  wordJudge([knownSource('sse1', { trust: limited, ...over })])
const namesIn = (statement: Statement | string): unknown =>
  typeof statement === 'string'
    ? statement
    : {
        things: statement.things.flatMap(({ identifiers }) => identifiers),
        reasons: statement.reasons.map(({ identifier }) => identifier),
        revoked: statement.revokes?.user,
      }

test.each<[string, readonly string[], unknown]>([
  [
    'an identifier that the source may speak of stays',
    [ours],
    { things: [ours], reasons: [ours], revoked: ours },
  ],
  [
    'an identifier outside its limits is replaced by another of the same thing',
    [theirs, ours].toSorted(),
    { things: [ours], reasons: [ours], revoked: ours },
  ],
  [
    'a thing without an identifier inside its limits makes the statement unmatched',
    [theirs],
    expect.stringContaining('may not speak of'),
  ],
])('limited domains: %s', (_, names, expected) => {
  expect(namesIn(withinLimits(userStatement(1, names), judge()))).toEqual(expected)
})

test.each<[string, readonly string[], readonly string[], readonly (string | undefined)[]]>([
  ['a successor within its domains stays', [ours], [ours], ['user:email:ada.b@example.com']],
  ['a successor outside its domains is removed', [ours], [theirs], [undefined]],
  [
    'a successor outside its domains is removed although an identifier is outside too',
    [theirs, ours].toSorted(),
    [theirs],
    [undefined],
  ],
])('endings: %s', (_, names, [successor], expected) => {
  const statement: Statement = {
    ...userStatement(1, names),
    endings: names.map((identifier) => ({
      identifier,
      recycled: false,
      successor: successor === ours ? 'user:email:ada.b@example.com' : successor,
    })),
  }
  const admitted = withinLimits(statement, judge())
  expect(
    typeof admitted === 'string' ? admitted : admitted.endings.map(({ successor }) => successor),
  ).toEqual(expected)
})

test('an event of a type that its provider may not send is unmatched', () => {
  const statement = { ...userStatement(1, [ours]), eventType: 'https://example.com/other' }
  const trust = { ...limited, speaksOf: { ...limited.speaksOf, events: ['https://example.com/event'] } }
  expect(withinLimits(statement, judge({ trust }))).toBe('its provider may not send events of this type')
})

test('claims are dated to the registration of the provider at the earliest', () => {
  const registeredAt = new Date(Date.UTC(2026, 0, 1, 12, 30))
  expect(withinLimits(userStatement(1, [ours]), judge({ registeredAt }))).toMatchObject({
    claimedAt: registeredAt,
  })
  expect(withinLimits(userStatement(45, [ours]), judge({ registeredAt }))).toMatchObject({
    claimedAt: new Date(Date.UTC(2026, 0, 1, 12, 45)),
  })
})

test('an administrator may speak of all subjects', () => {
  const statement: Statement = { ...userStatement(1, [theirs]), source: { kind: 'admin', id: 'admin' } }
  expect(withinLimits(statement, judge())).toBe(statement)
})
