import { describe, expect, test } from 'vitest'
import { createLease, type Lease } from '../../src/base/lease.ts'
import { databases } from './databases.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

describe.each(databases)('LeaseStore on %s', (_, open) => {
  test('one holder has a lease until it expires or ends; the holder can renew it', async () => {
    await using storage = await open()
    const { leases } = storage.stores
    const take = (holder: string, minute: number, name = 'poll/str1'): Promise<boolean> =>
      leases.take({ name, holder, now: at(minute), until: at(minute + 5) })
    expect(await take('a', 0)).toBe(true)
    expect(await take('b', 1)).toBe(false)
    expect(await take('b', 1, 'poll/str2')).toBe(true)
    expect(await take('a', 3)).toBe(true)
    expect(await take('b', 7)).toBe(false)
    expect(await take('b', 8)).toBe(true)
    await leases.end({ name: 'poll/str1', holder: 'a' })
    expect(await take('a', 9)).toBe(false)
    await leases.end({ name: 'poll/str1', holder: 'b' })
    expect(await take('a', 9)).toBe(true)
  })

  test('a lease from a clock far ahead is ignored, one from a clock slightly ahead is respected', async () => {
    await using storage = await open()
    const { leases } = storage.stores
    const take = (holder: string, minute: number): Promise<boolean> =>
      leases.take({ name: 'poll/str1', holder, now: at(minute), until: at(minute + 5) })
    expect(await take('ahead', 500_000)).toBe(true)
    expect(await take('b', 1)).toBe(true)
    expect(await take('c', 1)).toBe(false)
    expect(await take('b', 6)).toBe(true)
    expect(await take('c', 1)).toBe(false)
    expect(await take('c', 0)).toBe(true)
  })
})

describe.each(databases)('a lease on %s', (_, open) => {
  async function openLeases() {
    const storage = await open()
    const clock = { minute: 0 }
    const { leases } = storage.stores
    const asked: string[] = []
    const lease = (holder: string): Lease =>
      createLease({
        world: { now: () => at(clock.minute) },
        leases: { ...leases, take: (claim) => (asked.push(holder), leases.take(claim)) },
        name: 'poll/str1',
        holder,
        leaseMs: 10 * 60_000,
      })
    return { clock, lease, asked, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
  }

  test('is held without a query while more than half of it is left', async () => {
    await using opened = await openLeases()
    const a = opened.lease('a')
    expect([a.until, a.isFresh()]).toEqual([0, false])
    expect(await Promise.all([a.hold(), a.hold()])).toEqual([true, true])
    opened.clock.minute = 4
    expect(await a.hold()).toBe(true)
    expect(opened.asked).toEqual(['a'])
    expect(a.until).toBe(at(10).getTime())
    opened.clock.minute = 5
    expect(await a.hold()).toBe(true)
    expect(opened.asked).toEqual(['a', 'a'])
    expect(a.until).toBe(at(15).getTime())
  })

  test('is renewed when the clock was set back', async () => {
    await using opened = await openLeases()
    const a = opened.lease('a')
    opened.clock.minute = 30
    await a.hold()
    opened.clock.minute = 0
    expect(a.isFresh()).toBe(false)
    expect(await a.hold()).toBe(true)
    expect(opened.asked).toEqual(['a', 'a'])
  })

  test('is refused while another holder has it, and granted as soon as that holder ends it', async () => {
    await using opened = await openLeases()
    const [a, b] = [opened.lease('a'), opened.lease('b')]
    expect(await a.take()).toBe(true)
    expect(await b.hold()).toBe(false)
    expect(b.until).toBe(0)
    await b.end() // never its own
    expect(await b.hold()).toBe(false)
    await a.end()
    expect(a.until).toBe(0)
    expect(await b.hold()).toBe(true)
  })
})

test('a failed query leaves the lease as it was', async () => {
  let isAway = false
  const lease = createLease({
    world: { now: () => at(0) },
    leases: {
      async take() {
        if (isAway) throw new Error('away')
        return true
      },
      async end() {
        throw new Error('away')
      },
    },
    name: 'poll/str1',
    holder: 'a',
    leaseMs: 60_000,
  })
  isAway = true
  await expect(lease.hold()).rejects.toThrow('away')
  expect(lease.until).toBe(0)
  isAway = false
  expect(await lease.hold()).toBe(true)
  isAway = true
  await expect(lease.take()).rejects.toThrow('away')
  expect(lease.until).toBe(at(1).getTime())
  await lease.end()
})
