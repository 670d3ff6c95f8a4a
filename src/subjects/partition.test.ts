import { describe, expect, test } from 'vitest'
import { fc } from '../../test/properties.ts'
import type { Anchor } from './anchor.ts'
import { claimKey, mergeClaims, type Claim } from './claim.ts'
import { entityAnchorsMax, partition } from './partition.ts'

const a: Anchor = 'user:email:ada@example.com'
const b: Anchor = 'user:email:countess@example.com'
const phone: Anchor = 'user:phone:+15551234'
const sub1: Anchor = 'user:iss_sub:https://idp.example|1'
const sub2: Anchor = 'user:iss_sub:https://idp.example|2'
const other1: Anchor = 'user:iss_sub:https://other.example|1'

function claim(at: number, ...anchors: readonly Anchor[]): Claim {
  const sorted = [...new Set(anchors)].toSorted()
  const occurrence = { at, id: `signal-${at}` }
  return { key: claimKey(sorted), anchors: sorted, standing: 2, first: occurrence, last: occurrence }
}

const groups = (claims: readonly Claim[], ended: readonly [Anchor, number][] = []) =>
  partition(claims, new Map(ended)).groups.map((group) => [...group])
const refused = (...claims: readonly Claim[]) => [...partition(claims, new Map()).refused]

describe('who is who', () => {
  test.each<[string, Claim[], Anchor[][]]>([
    ['nobody said anything', [], []],
    ['two names', [claim(1, a, sub1)], [[a, sub1]]],
    ['a chain', [claim(1, a, sub1), claim(2, sub1, phone)], [[a, sub1, phone]]],
    ['one sub of each of two issuers', [claim(1, a, sub1), claim(2, a, other1)], [[a, sub1, other1]]],
    ['two subs of one issuer: the first wins', [claim(1, a, sub1), claim(2, a, sub2)], [[a, sub1]]],
    ['and the first is who happened first', [claim(2, a, sub1), claim(1, a, sub2)], [[a, sub2]]],
    [
      'two groups with a sub each are not merged by an address',
      [claim(1, a, sub1), claim(2, b, sub2), claim(3, a, b)],
      [
        [a, sub1],
        [b, sub2],
      ],
    ],
  ])('%s', (_name, claims, expected) => {
    expect(groups(claims)).toEqual(expected.map((group) => group.toSorted()))
  })

  test('what is not believed is not believed as a whole, with its reason', () => {
    expect(refused(claim(1, a, sub1), claim(2, a, b, sub2))).toEqual([
      [
        claim(2, a, b, sub2).key,
        'it would give one entity two identifiers that exclude each other (iss_sub)',
      ],
    ])
    expect(groups([claim(1, a, sub1), claim(2, a, b, sub2)])).toEqual([[a, sub1]])
  })

  test('two subs in one claim', () => expect(refused(claim(1, sub1, sub2))).toHaveLength(1))
  test('things of different kinds', () => {
    expect(refused(claim(1, a, 'device:did:did:x:1'))).toEqual([
      [expect.any(String), 'it names things of different kinds as one (device, user)'],
    ])
  })

  test('as many names as an entity may have, and one more', () => {
    const names = Array.from(
      { length: entityAnchorsMax + 1 },
      (_, at): Anchor => `user:email:${at}@example.com`,
    )
    expect(refused(claim(1, ...names.slice(1)))).toEqual([])
    expect(refused(claim(1, ...names))).toHaveLength(1)
    expect(refused(claim(1, ...names.slice(1)), claim(2, ...names.slice(0, 2)))).toHaveLength(1)
  })

  test('an ended name is left out of what was said before, not of what is said after', () => {
    expect(groups([claim(1, a, sub1)], [[a, 2]])).toEqual([])
    expect(groups([claim(1, a, sub1, phone)], [[a, 2]])).toEqual([[sub1, phone].toSorted()])
    expect(groups([claim(3, a, sub1)], [[a, 2]])).toEqual([[a, sub1].toSorted()])
    // The old owner's claim no longer stands in the way of the new one's.
    expect(groups([claim(1, a, sub1), claim(3, a, sub2)], [[a, 2]])).toEqual([[a, sub2].toSorted()])
  })

  test('a claim that is made again after the end joins again', () => {
    expect(groups([mergeClaims(claim(1, a, sub1), claim(3, a, sub1))], [[a, 2]])).toEqual([
      [a, sub1].toSorted(),
    ])
  })
})

const anchors: readonly Anchor[] = [a, b, phone, sub1, sub2, other1, 'device:did:did:x:1']
const claims = fc.array(
  fc
    .tuple(
      fc.integer({ min: 0, max: 6 }),
      fc.uniqueArray(fc.constantFrom(...anchors), { minLength: 2, maxLength: 4 }),
    )
    .map(([at, names]) => claim(at, ...names)),
  { maxLength: 14 },
)
const ended = fc.array(fc.tuple(fc.constantFrom(...anchors), fc.integer({ min: 0, max: 7 })), {
  maxLength: 3,
})

describe('for any claims, contradictory ones included', () => {
  test('the order in which they are listed is nothing', () => {
    fc.assert(
      fc.property(
        claims.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
        ),
        ended,
        ([listed, shuffled], ends) => {
          const of = (all: readonly Claim[]) => {
            const { groups, refused } = partition(all, new Map(ends))
            return {
              groups: groups.map((group) => group.join()).toSorted(),
              refused: new Map([...refused].toSorted(([a], [b]) => (a < b ? -1 : 1))),
            }
          }
          expect(of(shuffled)).toEqual(of(listed))
        },
      ),
    )
  })

  test('no entity has two identifiers that exclude each other, and nobody is in two entities', () => {
    fc.assert(
      fc.property(claims, ended, (all, ends) => {
        const { groups } = partition(all, new Map(ends))
        for (const group of groups) expect(group.includes(sub1) && group.includes(sub2)).toBe(false)
        expect(new Set(groups.flat()).size).toBe(groups.flat().length)
      }),
    )
  })

  test('what hangs together with nothing new stays: parts can be worked out by themselves', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const isolated = claim(9, 'user:email:x@example.com', 'user:phone:+1')
        const whole = partition([...all, isolated], new Map())
        const part = partition(all, new Map())
        expect(new Set(whole.groups.map((group) => group.join()))).toEqual(
          new Set([...part.groups.map((group) => group.join()), isolated.anchors.join()]),
        )
      }),
    )
  })
})
