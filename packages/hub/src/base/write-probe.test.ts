import { expect, test } from 'vitest'
import { createWriteProbe } from './write-probe.ts'

function probeOver(write: () => Promise<unknown>) {
  const clock = { ms: 0 }
  let writes = 0
  const probe = createWriteProbe({
    world: { monotonicMs: () => clock.ms },
    write() {
      writes += 1
      return write()
    },
  })
  return { probe, clock, writes: () => writes }
}

test('the result of any write counts for five seconds', async () => {
  const { probe, clock, writes } = probeOver(() => Promise.resolve())
  expect([await probe.succeeds(), await probe.succeeds(), writes()]).toEqual([true, true, 1])
  clock.ms = 5_000
  await probe.watch(Promise.resolve())
  expect([await probe.succeeds(), writes()]).toEqual([true, 1])
  clock.ms = 10_000
  expect([await probe.succeeds(), writes()]).toEqual([true, 2])
})

test('a failed write counts until one succeeds', async () => {
  let isFull = false
  const { probe, clock } = probeOver(() => (isFull ? Promise.reject(new Error('full')) : Promise.resolve()))
  await expect(probe.watch(Promise.reject(new Error('full')))).rejects.toThrow('full')
  expect(await probe.succeeds()).toBe(false)
  isFull = true
  clock.ms = 5_000
  expect(await probe.succeeds()).toBe(false)
  isFull = false
  await probe.watch(Promise.resolve())
  expect(await probe.succeeds()).toBe(true)
})

test('a probe write that hangs is the only one', async () => {
  const hanging = Promise.withResolvers<void>()
  const { probe, writes } = probeOver(() => hanging.promise)
  const asked = [probe.succeeds(), probe.succeeds()]
  expect(writes()).toBe(1)
  hanging.resolve()
  expect(await Promise.all(asked)).toEqual([true, true])
})
