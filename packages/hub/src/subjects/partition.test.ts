import { describe, expect, test } from 'vitest'
import { fc } from '../../../receiver/test/properties.ts'
import { scopeOf, type Identifier } from './identifier.ts'
import { adminSource, claimKey, mergeClaims, standingOf, type Claim } from './claim.ts'
import { ownView, partition, sourceNamesMax, type Claimants, type Ending } from './partition.ts'

const a: Identifier = 'user:email:ada@example.com'
const b: Identifier = 'user:email:countess@example.com'
const phone: Identifier = 'user:phone:+15551234'
const sub1: Identifier = 'user:iss_sub:https://idp.example|1'
const sub2: Identifier = 'user:iss_sub:https://idp.example|2'
const other1: Identifier = 'user:iss_sub:https://other.example|1'
const other2: Identifier = 'user:iss_sub:https://other.example|2'

const issuers: Readonly<Record<string, string>> = {
  idp: 'https://idp.example',
  other: 'https://other.example',
  late: 'l',
}

function claimOf(source: string, at: number, ...identifiers: readonly Identifier[]): Claim {
  const sorted = [...new Set(identifiers)].toSorted()
  const occurrence = { at, id: `signal-${at}` }
  const standing = source === adminSource ? 0 : standingOf(issuers[source], sorted)
  return {
    key: claimKey(source, sorted),
    source,
    identifiers: sorted,
    standing,
    first: occurrence,
    last: occurrence,
  }
}
const claim = (at: number, ...identifiers: readonly Identifier[]): Claim => claimOf('idp', at, ...identifiers)

/** idp was registered before other, and both before late; what a source may do beside is given. */
function claimants(
  permitted: Readonly<Record<string, readonly Identifier[]>> = {},
  silent: readonly string[] = [],
  unspeakable: Readonly<Record<string, readonly Identifier[]>> = {},
): Claimants {
  return (source) => ({
    isBelieved: !silent.includes(source),
    rank: ['idp', 'other', 'late'].indexOf(source),
    may: (identifier) =>
      (scopeOf(identifier) !== undefined && scopeOf(identifier) === issuers[source]) ||
      (permitted[source] ?? []).includes(identifier),
    speaksOf: (identifier) => !(unspeakable[source] ?? []).includes(identifier),
  })
}

const ending = (source: string, identifier: Identifier, at: number, over: Partial<Ending> = {}): Ending => ({
  source,
  identifier,
  at,
  recycled: false,
  successor: undefined,
  ...over,
})

const groups = (claims: readonly Claim[], ended: readonly [Identifier, number][] = []) =>
  partition(
    claims,
    ended.map(([identifier, at]) => ending('idp', identifier, at)),
    claimants(),
  ).groups.map((group) => [...group])
const refused = (...claims: readonly Claim[]) => [...partition(claims, [], claimants()).refused]

describe('who is who', () => {
  test.each<[string, Claim[], Identifier[][]]>([
    ['nobody said anything', [], []],
    ['two names', [claim(1, a, sub1)], [[a, sub1]]],
    ['a chain', [claim(1, a, sub1), claim(2, sub1, phone)], [[a, sub1, phone]]],
    [
      'one sub of each of two issuers',
      [claim(1, a, sub1), claimOf('other', 2, a, other1)],
      [[a, sub1, other1]],
    ],
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
      { length: sourceNamesMax + 1 },
      (_, at): Identifier => `user:email:${at}@example.com`,
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

describe('whose claims hold', () => {
  const both = [claimOf('other', 1, a, b, other1), claimOf('idp', 9, a, sub1), claimOf('idp', 9, b, sub2)]

  test('of two sources that contradict each other about their own ids, that which was registered first', () => {
    expect(new Set(groups(both))).toEqual(new Set([[a, sub1].toSorted(), [b, sub2].toSorted()]))
    expect(refused(...both)).toEqual([[both[0]?.key, expect.stringContaining('exclude each other')]])
  })

  test('what an administrator loaded before everything, whatever is said', () => {
    const login: Identifier = 'user:login:ada'
    const loaded = claimOf(adminSource, 9, login, a, sub2)
    expect(groups([claim(1, a, sub1), loaded])).toEqual([[a, sub2, login].toSorted()])
  })

  test('an issuer’s word about its own ids before addresses alone, whoever is first', () => {
    const addresses = claimOf('idp', 1, a, b)
    const own = [claimOf('late', 2, a, 'user:opaque:l|1'), claimOf('late', 2, b, 'user:opaque:l|2')].map(
      (claim): Claim => ({ ...claim, standing: 1 }),
    )
    expect(partition([addresses, ...own], [], claimants()).refused).toEqual(
      new Map([[addresses.key, expect.any(String)]]),
    )
  })

  test('none of a source whose word is not acted on', () => {
    expect(partition(both, [], claimants({}, ['idp'])).groups).toEqual([[a, b, other1].toSorted()])
    expect(partition(both, [], claimants({}, ['other'])).groups).toHaveLength(2)
  })

  test('ids of another issuer take a permission', () => {
    const claims = [claimOf('other', 1, a, sub1)]
    expect(refused(...claims)).toEqual([[claims[0]?.key, expect.stringContaining('takes a permission')]])
    expect(partition(claims, [], claimants({ other: [sub1] })).refused).toEqual(new Map())
  })

  test('to join what others vouch for takes a permission, also by way of an own id', () => {
    const [first, second] = [claimOf('idp', 5, a, sub1), claimOf('other', 5, b, other1)]
    const joining = [
      [claimOf('late', 1, a, b, 'user:opaque:l|1')],
      [claimOf('late', 1, a, 'user:opaque:l|1'), claimOf('late', 2, b, 'user:opaque:l|1')],
    ].map((claims) => claims.map((claim): Claim => ({ ...claim, standing: 1 })))
    for (const claims of joining) {
      const { groups, refused } = partition([first, second, ...claims], [], claimants())
      expect(groups.some((group) => group.includes(a) && group.includes(b))).toBe(false)
      expect([...refused.values()]).toEqual([expect.stringContaining('other sources vouch for')])
      const permitted = partition([first, second, ...claims], [], claimants({ late: [a, b] }))
      expect(permitted.refused.size).toBe(0)
      expect(permitted.groups).toHaveLength(1)
    }
  })
})

test('a claim counts without identifiers of which its source may not speak', () => {
  const said = claimOf('idp', 1, a, phone, sub1)
  const limited = claimants({}, [], { idp: [a] })
  expect(partition([said], [], limited).groups).toEqual([[phone, sub1].toSorted()])
  expect(ownView('idp', [said], [], limited).groups).toEqual([[phone, sub1].toSorted()])
})

describe('endings', () => {
  const mine = claimOf('idp', 1, a, sub1)
  const theirs = claimOf('other', 1, a, other1)
  const of = (endings: readonly Ending[], may: Claimants = claimants()) =>
    partition([mine, theirs], endings, may)
      .groups.map((group) => group.join(' '))
      .toSorted()

  test('a source ends its own words', () => {
    expect(of([ending('other', a, 2)])).toEqual([[a, sub1].toSorted().join(' ')])
    expect(of([ending('late', a, 2)])).toEqual([[a, sub1, other1].toSorted().join(' ')])
  })

  test('those of others with a permission, and never an administrator’s', () => {
    const may = claimants({ other: [a] })
    expect(of([ending('other', a, 2)], may)).toEqual([])
    const loaded = claimOf(adminSource, 1, a, 'user:login:ada')
    expect(partition([loaded], [ending('other', a, 2)], may).groups).toHaveLength(1)
    expect(of([ending('other', a, 2)], claimants({ other: [a] }, ['other']))).toEqual([
      [a, sub1].toSorted().join(' '),
    ])
  })

  test('a new name takes the place of the old one, in that source’s claims only', () => {
    expect(of([ending('idp', a, 2, { successor: b })])).toEqual(
      [[a, other1].toSorted().join(' '), [b, sub1].toSorted().join(' ')].toSorted(),
    )
    expect(ownView('idp', [mine, theirs], [ending('idp', a, 2, { successor: b })], claimants())).toEqual({
      groups: [[b, sub1].toSorted()],
      renamed: [{ identifier: a, until: 2, successor: b }],
    })
  })

  test('names that change into each other come to an end', () => {
    const endings = [ending('idp', a, 2, { successor: b }), ending('idp', b, 3, { successor: a })]
    expect(ownView('idp', [mine], endings, claimants()).groups).toEqual([[a, sub1].toSorted()])
  })
})

test('in its own view a source is contradicted by nobody but itself and administrators', () => {
  const claims = [claimOf('idp', 1, a, sub1), claimOf('idp', 1, b, sub2), claimOf('other', 9, a, b, other1)]
  expect(partition(claims, [], claimants()).refused.size).toBe(1)
  expect(ownView('other', claims, [], claimants()).groups).toEqual([[a, b, other1].toSorted()])
  const loaded = [claimOf(adminSource, 9, a, 'user:login:a'), claimOf(adminSource, 9, b, 'user:login:b')]
  expect(ownView('other', [...claims, ...loaded], [], claimants()).groups).toHaveLength(2)
})

const identifiers: readonly Identifier[] = [a, b, phone, sub1, sub2, other1, other2, 'device:did:did:x:1']
const claims = fc.array(
  fc
    .tuple(
      fc.constantFrom('idp', 'other', 'late'),
      fc.integer({ min: 0, max: 6 }),
      fc.uniqueArray(fc.constantFrom(...identifiers), { minLength: 2, maxLength: 4 }),
    )
    .map(([source, at, names]) => claimOf(source, at, ...names)),
  { maxLength: 14 },
)
const ended = fc.array(
  fc
    .tuple(fc.constantFrom('idp', 'other'), fc.constantFrom(...identifiers), fc.integer({ min: 0, max: 7 }))
    .map(([source, identifier, at]) => ending(source, identifier, at)),
  { maxLength: 3 },
)

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
            const { groups, refused } = partition(all, ends, claimants())
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
        const { groups } = partition(all, ends, claimants())
        for (const group of groups) expect(group.includes(sub1) && group.includes(sub2)).toBe(false)
        expect(new Set(groups.flat()).size).toBe(groups.flat().length)
      }),
    )
  })

  test('what hangs together with nothing new stays: parts can be worked out by themselves', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const isolated = claim(9, 'user:email:x@example.com', 'user:phone:+1')
        const whole = partition([...all, isolated], [], claimants())
        const part = partition(all, [], claimants())
        expect(new Set(whole.groups.map((group) => group.join()))).toEqual(
          new Set([...part.groups.map((group) => group.join()), isolated.identifiers.join()]),
        )
      }),
    )
  })
})
