import { describe, expect, test } from 'vitest'
import { createUntimedSessions, type UntimedSessions } from '../../src/policy/untimed-sessions.ts'
import { markKey, userKey, type SignInMark } from '../../src/policy/sign-in-mark.ts'
import type { Storage } from '../../src/stores.ts'
import { databases } from './databases.ts'

const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 12, 0, second))

const mark = (key: string, over: Partial<SignInMark> = {}): SignInMark => ({
  user: 'ada',
  kind: 'session',
  key,
  revocations: [],
  ...over,
})

describe.each(databases)('SignInMarkStore on %s', (_, open) => {
  test('insertOnce keeps an existing mark, put replaces it', async () => {
    await using storage = await open()
    const { signInMarks: store } = storage.stores
    await store.insertOnce(mark('s', { revocations: ['r1'] }), at(1))
    await store.insertOnce(mark('s', { revocations: ['r2'] }), at(2))
    await store.put(mark('a', { kind: 'address', revocations: ['r1'] }), at(1))
    await store.put(mark('a', { kind: 'address', revocations: ['r2', 'r1'] }), at(2))
    await store.put(mark('a', { user: 'bob', kind: 'address' }), at(2))
    const found = await store.find('ada', ['a', 's', 'none'])
    expect(found.toSorted((one, other) => one.key.localeCompare(other.key))).toEqual([
      mark('a', { kind: 'address', revocations: ['r2', 'r1'] }),
      mark('s', { revocations: ['r1'] }),
    ])
    expect(await store.find('ada', ['none'])).toEqual([])
  })

  test('keepNewest keeps the newest marks of one kind and user', async () => {
    await using storage = await open()
    const { signInMarks: store } = storage.stores
    for (const second of [3, 1, 2]) await store.insertOnce(mark(`s${second}`), at(second))
    await store.insertOnce(mark('a1', { kind: 'address' }), at(0))
    await store.insertOnce(mark('s0', { user: 'bob' }), at(0))
    await store.keepNewest('ada', 'session', 2)
    const keys = async (user: string) =>
      (await store.find(user, ['s0', 's1', 's2', 's3', 'a1'])).map(({ key }) => key).toSorted()
    expect(await keys('ada')).toEqual(['a1', 's2', 's3'])
    expect(await keys('bob')).toEqual(['s0'])
  })

  test('prunes old marks, oldest first and up to the limit, and forgets users', async () => {
    await using storage = await open()
    const { signInMarks: store } = storage.stores
    for (const second of [3, 1, 2, 9]) await store.insertOnce(mark(`s${second}`), at(second))
    expect(await store.prune(at(1), 10)).toBe(0)
    expect(await store.prune(at(5), 2)).toBe(2)
    expect((await store.find('ada', ['s1', 's2', 's3', 's9'])).map(({ key }) => key).toSorted()).toEqual([
      's3',
      's9',
    ])
    expect(await store.prune(at(5), 2)).toBe(1)
    await store.insertOnce(mark('s', { user: 'bob' }), at(9))
    await store.forgetUsers(['ada', 'eve'])
    expect(await store.find('ada', ['s9'])).toEqual([])
    expect(await store.find('bob', ['s'])).toHaveLength(1)
  })

  describe('several nodes', () => {
    const node = (storage: Storage): UntimedSessions =>
      createUntimedSessions({
        world: { now: () => new Date() },
        marks: storage.stores.signInMarks,
        transaction: (work) => storage.transaction((stores) => work({ stores, journal: undefined })),
      })
    const question = { user: 'ada@example.com', session: undefined, ip: '203.0.113.7' }
    const asked = (over: object, unplaced: readonly string[]) => ({
      question: { ...question, ...over },
      unplaced,
      reachesUser: true,
    })

    test('share their marks', async () => {
      await using storage = await open()
      const [one, other] = [node(storage), node(storage)]
      const old = { session: 'old' }
      expect(await one.place(asked(old, []))).toEqual([])
      expect(await other.place(asked(old, ['r1']))).toEqual(['r1'])
      expect(await one.place(asked(old, ['r1']))).toEqual(['r1'])
      expect(await one.place(asked({ session: 'new' }, ['r1']))).toEqual([])
      expect(await other.place(asked({ session: 'new' }, ['r1']))).toEqual([])
      expect(await other.place(asked({ session: 'new' }, ['r2', 'r1']))).toEqual(['r2'])
      expect(await other.place(asked({}, ['r1']))).toEqual(['r1'])
      expect(await one.place(asked({}, ['r1']))).toEqual([])
      expect(await one.place(asked({ user: 'ADA@example.com' }, ['r1']))).toEqual([])
    })

    test('let none of many concurrent new sessions in before the user had to sign in', async () => {
      await using storage = await open()
      const nodes = [node(storage), node(storage)]
      const come = (session: string | undefined) =>
        Promise.all(
          Array.from({ length: 10 }, (_, each) =>
            nodes[each % 2]!.place(asked({ session: session && `${session}${each}` }, ['r1'])),
          ),
        )
      expect((await come('s'))[0]).toEqual(['r1'])
      expect((await come(undefined))[0]).toEqual(['r1'])
      expect((await come(undefined)).flat()).toEqual([])
    })

    test('keep a limited number of marks of a user and remove the oldest', async () => {
      await using storage = await open()
      const one = node(storage)
      const addresses = Array.from({ length: 520 }, (_, each) => `203.0.${each >> 8}.${each & 255}`)
      for (const ip of addresses) await one.place(asked({ ip }, ['r1']))
      const keys = addresses.map((ip) => markKey('address', ip))
      expect(await storage.stores.signInMarks.find(userKey(question.user), keys)).toHaveLength(500)
      expect(await one.place(asked({ ip: addresses.at(-1) }, ['r1']))).toEqual([])
      expect(await one.place(asked({ ip: addresses[0] }, ['r1']))).toEqual(['r1'])
    })
  })
})
