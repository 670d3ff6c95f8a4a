import { expect, test } from 'vitest'
import { createClockFloor } from './clock-floor.ts'

const start = Date.UTC(2026, 0, 1, 12)

function turned(seen: readonly (Date | undefined)[] = []) {
  const clock = { wall: start, passed: 5_000 }
  const world = { now: () => new Date(clock.wall), monotonicMs: () => clock.passed }
  const floor = createClockFloor({ world, seen: async () => seen })
  return {
    floor,
    pass(ms: number, by = ms) {
      clock.passed += ms
      clock.wall += by
    },
  }
}

test('a clock that only goes forward equals its floor', async () => {
  const { floor, pass } = turned()
  expect(await floor.at()).toBe(start)
  pass(60_000)
  expect(await floor.at()).toBe(start + 60_000)
})

test('a clock that was set back is behind the floor, which grows with the elapsed time', async () => {
  const { floor, pass } = turned()
  pass(60_000, -3_600_000)
  expect(await floor.at()).toBe(start + 60_000)
})

test('times seen before the start raise the floor, which then grows with the elapsed time', async () => {
  const { floor, pass } = turned([undefined, new Date(start - 1), new Date(start + 900_000)])
  expect(await floor.at()).toBe(start + 900_000)
  pass(1_000)
  expect(await floor.at()).toBe(start + 901_000)
})
