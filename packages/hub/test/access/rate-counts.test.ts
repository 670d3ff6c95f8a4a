import { afterEach, describe, expect, test, vi } from 'vitest'
import { createRateCounts, keysPerExchangeMax } from '../../src/access/rate-counts.ts'
import type { RateCountStore } from '../../src/access/rate-count-store.ts'
import { createRateLimits } from '../../src/access/rate-limits.ts'
import { databases } from '../contract/databases.ts'

const noon = Date.UTC(2026, 0, 1, 12)
const world = { now: () => new Date() }

// The limiter's windows run on the clock of the library, so the tests turn that one; the database needs none.
function stopClock(): void {
  vi.useFakeTimers({ now: noon, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
}
afterEach(() => void vi.useRealTimers())

function node(store: Pick<RateCountStore, 'add'>, limit: number) {
  const counts = createRateCounts({ world, shared: store })
  const counter = counts.counter('api token', limit)
  return {
    exchange: () => counts.exchange(),
    /** Counts so many times. @returns how many were let through */
    async count(times: number, key = '00T1'): Promise<number> {
      let passed = 0
      for (let time = 0; time < times; time++) {
        const used = await counter?.(key)
        if (used !== undefined && used.consumed <= used.limit) passed += 1
      }
      return passed
    },
    /** Counts once. @returns how much is used up, and how many seconds after noon the window ends */
    async state(key = '00T1') {
      const used = await counter?.(key)
      return [used?.consumed, ((used?.endsAt ?? 0) - noon) / 1_000]
    },
  }
}

describe.each(databases)('counts that several nodes share on %s', (_database, open) => {
  async function nodes(limit: number) {
    const storage = await open()
    stopClock()
    const { rateCounts } = storage.stores
    return {
      store: rateCounts,
      a: node(rateCounts, limit),
      b: node(rateCounts, limit),
      [Symbol.asyncDispose]: () => {
        vi.useRealTimers()
        return storage[Symbol.asyncDispose]()
      },
    }
  }

  test('after an exchange every node decides by what all have counted', async () => {
    await using opened = await nodes(10)
    const { a, b } = opened
    expect([await a.count(4), await b.count(4)]).toEqual([4, 4])
    await a.exchange()
    await b.exchange()
    expect(await b.state()).toEqual([9, 60])
    await b.exchange()
    expect(await a.state()).toEqual([5, 60]) // asked nothing since, so it learned nothing
    await a.exchange()
    expect([await a.count(5), await b.count(5)]).toEqual([0, 1])
    await b.exchange()
    expect(await b.count(1)).toBe(0)
  })

  test('no more can pass than the limit and what the others let through since the last exchange', async () => {
    await using opened = await nodes(10)
    const { a, b } = opened
    const passed: number[] = []
    for (let round = 0; round < 5; round++) {
      passed.push(await a.count(3), await b.count(3))
      await a.exchange()
      await b.exchange()
    }
    // 13 and not 10: in the third round neither knew of the last three of the other
    expect(passed).toEqual([3, 3, 3, 3, 1, 0, 0, 0, 0, 0])
  })

  test('windows become one, which ends a minute after the first request at any node', async () => {
    await using opened = await nodes(10)
    const { a, b } = opened
    await a.count(1)
    await a.exchange()
    vi.advanceTimersByTime(20_000)
    expect(await b.state()).toEqual([1, 80])
    await b.exchange()
    expect(await b.state()).toEqual([3, 60])
    vi.advanceTimersByTime(40_000)
    expect(await b.state()).toEqual([1, 120])
    await b.exchange()
    expect(await a.state()).toEqual([1, 120])
    await a.exchange()
    expect(await a.state()).toEqual([3, 120])
  })

  test('keys are apart, and so are counters', async () => {
    await using opened = await nodes(10)
    const { a, b, store } = opened
    const other = createRateCounts({ world, shared: store })
    const clients = other.counter('api client', 10)
    await a.count(5)
    await a.exchange()
    await b.count(1, '00T2')
    await clients?.('00T1')
    await b.exchange()
    await other.exchange()
    expect(await b.state('00T2')).toEqual([2, 60])
    expect(await clients?.('00T1')).toMatchObject({ consumed: 2 })
  })

  test('what is beyond the limit is not told again and again', async () => {
    await using opened = await nodes(2)
    const { a, b, store } = opened
    await a.count(500)
    await a.exchange()
    await b.count(1)
    await b.exchange()
    expect(await b.state()).toEqual([5, 60]) // three of a's, the one and this one
    const told = vi.spyOn(store, 'add')
    await a.count(500)
    await a.exchange()
    expect(told).not.toHaveBeenCalled()
  })
})

describe('while the database is away', () => {
  const away = { add: () => Promise.reject(new Error('gone')) }

  test('a node goes by its own counts, and tells them when it is back', async () => {
    stopClock()
    const told: unknown[] = []
    let back = false
    const a = node(
      {
        add: async (counts) => (back ? (told.push(...counts.map(({ count }) => count)), counts) : away.add()),
      },
      3,
    )
    expect(await a.count(2)).toBe(2)
    await expect(a.exchange()).rejects.toThrow('gone')
    expect(await a.count(2)).toBe(1)
    await expect(a.exchange()).rejects.toThrow('gone')
    back = true
    await a.exchange()
    expect(told).toEqual([4])
    expect(await a.state()).toEqual([5, 60])
  })

  test('minutes that are over are forgotten', async () => {
    stopClock()
    const a = node(away, 3)
    await a.count(2)
    await expect(a.exchange()).rejects.toThrow('gone')
    vi.advanceTimersByTime(60_000)
    await a.exchange()
    expect(await a.count(4)).toBe(3)
  })
})

test('what comes in while the database answers is not lost', async () => {
  stopClock()
  const answer = Promise.withResolvers<void>()
  const a = node(
    {
      async add(counts) {
        await answer.promise
        return counts.map((each) => ({ ...each, count: each.count + 10 }))
      },
    },
    100,
  )
  await a.count(5)
  const exchange = a.exchange()
  await a.count(2)
  answer.resolve()
  await exchange
  expect(await a.state()).toEqual([5 + 10 + 2 + 1, 60])
})

test('very many keys are told in several exchanges', async () => {
  stopClock()
  const sizes: number[] = []
  const a = node({ add: async (counts) => (sizes.push(counts.length), counts) }, 3)
  for (let key = 0; key < keysPerExchangeMax + 10; key++) await a.count(1, `${key}`)
  for (let times = 0; times < 3; times++) await a.exchange()
  expect(sizes).toEqual([keysPerExchangeMax, 10])
})

test('the numbers of the headers stay within their bounds when others have used up the budget (OKTA-Q1)', async () => {
  stopClock()
  const until = new Date(noon + 30_000)
  const counts = createRateCounts({
    world,
    shared: { add: async (counts) => counts.map(({ key }) => ({ key, count: 50, until })) },
  })
  const limits = createRateLimits(counts, 'api', { perToken: 10, perClient: 0, perAddress: 0 })
  const subject = { kind: 'token', id: '00T1' } as const
  expect(await limits.count(subject)).toMatchObject({ remaining: 9, exceeded: false })
  await counts.exchange()
  expect(await limits.count(subject)).toEqual({
    limit: 10,
    remaining: 0,
    resetAt: noon / 1_000 + 30,
    exceeded: true,
  })
})
