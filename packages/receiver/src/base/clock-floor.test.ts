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

test('a clock that runs on is its own floor', async () => {
  const { floor, pass } = turned()
  expect(await floor.at()).toBe(start)
  pass(60_000)
  expect(await floor.at()).toBe(start + 60_000)
})

test('one that was set back is behind where it would be by the time that has passed', async () => {
  const { floor, pass } = turned()
  pass(60_000, -3_600_000)
  expect(await floor.at()).toBe(start + 60_000)
})

test('what was seen before the start counts, and runs on', async () => {
  const { floor, pass } = turned([undefined, new Date(start - 1), new Date(start + 900_000)])
  expect(await floor.at()).toBe(start + 900_000)
  pass(1_000)
  expect(await floor.at()).toBe(start + 901_000)
})
