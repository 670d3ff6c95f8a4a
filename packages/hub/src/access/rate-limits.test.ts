import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createRateCounts } from './rate-counts.ts'
import { createRateLimits, createRefusalLimiter, networkOf } from './rate-limits.ts'

// The limiter's library uses the global clock, so the tests replace that clock.
beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 12) }))
afterEach(() => void vi.useRealTimers())

const counts = () => createRateCounts({ world: { now: () => new Date() }, shared: undefined })
const noonS = Date.UTC(2026, 0, 1, 12) / 1_000

describe('rate limits', () => {
  test('count down within a minute and start again after it (OKTA-Q1)', async () => {
    const limits = createRateLimits(counts(), 'api', { perToken: 2, perClient: 1, perAddress: 1 })
    const subject = { kind: 'token', id: '00T1' } as const
    expect(await limits.count(subject)).toEqual({
      limit: 2,
      remaining: 1,
      resetAt: noonS + 60,
      exceeded: false,
    })
    vi.advanceTimersByTime(30_000)
    expect(await limits.count(subject)).toEqual({
      limit: 2,
      remaining: 0,
      resetAt: noonS + 60,
      exceeded: false,
    })
    expect(await limits.count(subject)).toEqual({
      limit: 2,
      remaining: 0,
      resetAt: noonS + 60,
      exceeded: true,
    })
    vi.advanceTimersByTime(30_000)
    expect(await limits.count(subject)).toEqual({
      limit: 2,
      remaining: 1,
      resetAt: noonS + 120,
      exceeded: false,
    })
  })

  test('are separate for each token, client and address', async () => {
    const limits = createRateLimits(counts(), 'api', { perToken: 1, perClient: 1, perAddress: 1 })
    for (const kind of ['token', 'client', 'address'] as const) {
      for (const id of ['192.0.2.1', '192.0.2.2'])
        expect(await limits.count({ kind, id })).toMatchObject({ exceeded: false })
    }
    expect(await limits.count({ kind: 'client', id: '192.0.2.2' })).toMatchObject({ exceeded: true })
  })

  test('0 means no limit', async () => {
    const limits = createRateLimits(counts(), 'api', { perToken: 0, perClient: 0, perAddress: 1 })
    expect(await limits.count({ kind: 'token', id: 'a' })).toBeUndefined()
    expect(await limits.count({ kind: 'client', id: 'a' })).toBeUndefined()
    expect(await limits.count({ kind: 'address', id: 'a' })).toMatchObject({ limit: 1 })
  })

  test('all addresses of an IPv6 subscriber share one budget', async () => {
    const limits = createRateLimits(counts(), 'api', { perToken: 1, perClient: 1, perAddress: 1 })
    await limits.count({ kind: 'address', id: '2001:db8::1' })
    expect(await limits.count({ kind: 'address', id: '2001:db8::ffff:1' })).toMatchObject({ exceeded: true })
    expect(await limits.count({ kind: 'address', id: '2001:db8:0:1::1' })).toMatchObject({ exceeded: false })
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', ''],
  ['nonsense', 'nonsense'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

describe('refusals at the push endpoint', () => {
  const count = async (
    limiter: ReturnType<typeof createRefusalLimiter>,
    times: number,
    issuer: string | undefined,
    address: string,
  ) => {
    const verdicts: boolean[] = []
    for (let at = 0; at < times; at++) verdicts.push((await limiter.count(issuer, address)) !== undefined)
    return verdicts
  }

  test('an address over its limit is refused whatever issuer it names', async () => {
    const limiter = createRefusalLimiter(counts(), { perIssuer: 0, perAddress: 2 })
    expect(await count(limiter, 2, 'a', '192.0.2.1')).toEqual([false, false])
    expect(await count(limiter, 2, 'b', '192.0.2.1')).toEqual([true, true])
    expect(await count(limiter, 1, undefined, '192.0.2.1')).toEqual([true])
    expect(await count(limiter, 1, 'a', '192.0.2.2')).toEqual([false])
  })

  test('an issuer over its limit is refused from every address; SETs without issuer have no issuer budget', async () => {
    const limiter = createRefusalLimiter(counts(), { perIssuer: 1, perAddress: 0 })
    expect(await count(limiter, 1, 'a', '192.0.2.1')).toEqual([false])
    expect(await count(limiter, 1, 'a', '192.0.2.2')).toEqual([true])
    expect(await count(limiter, 3, undefined, '192.0.2.1')).toEqual([false, false, false])
  })

  test('refusals of a sender over its limit do not count for the issuer', async () => {
    const limiter = createRefusalLimiter(counts(), { perIssuer: 2, perAddress: 1 })
    expect(await count(limiter, 5, 'victim', '192.0.2.1')).toEqual([false, true, true, true, true])
    expect(await count(limiter, 1, 'victim', '192.0.2.2')).toEqual([false])
  })

  test('the counts restart each minute', async () => {
    const limiter = createRefusalLimiter(counts(), { perIssuer: 1, perAddress: 1 })
    expect(await count(limiter, 2, 'a', '192.0.2.1')).toEqual([false, true])
    vi.advanceTimersByTime(60_000)
    expect(await count(limiter, 1, 'a', '192.0.2.1')).toEqual([false])
  })
})
