import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { createWorker } from './worker.ts'

const idle = { name: 'test', idleMs: 60_000, afterErrorMs: 60_000, logger: silentLogger }

test('a started worker runs while there is work, then sleeps until it is woken', async () => {
  let work = 3
  const rounds: number[] = []
  await using worker = createWorker({
    ...idle,
    runOnce: async () => (rounds.push(work), work > 0 ? work-- : 0),
  })
  worker.start()
  while (rounds.length < 4) await delay(1)
  expect(rounds).toEqual([3, 2, 1, 0])
  worker.wake()
  while (rounds.length < 5) await delay(1)
})

test('a wake during a round is not lost', async () => {
  let rounds = 0
  let release = (): void => {}
  await using worker = createWorker({
    ...idle,
    runOnce: () => new Promise((resolve) => ((rounds += 1), (release = () => resolve(0)))),
  })
  worker.start()
  worker.wake()
  release()
  await expect.poll(() => rounds).toBe(2)
  release()
})

test('a wake does not shorten the pause after an error: a failing loop never spins', async () => {
  let rounds = 0
  await using worker = createWorker({
    ...idle,
    runOnce: async () => {
      rounds += 1
      throw new Error('down')
    },
  })
  worker.start()
  for (let wakes = 0; wakes < 20; wakes += 1) {
    worker.wake()
    await delay(1)
  }
  expect(rounds).toBe(1)
})

test('an outage is logged once, and so is its end', async () => {
  let tries = 0
  const said: string[] = []
  const logger = {
    ...silentLogger,
    error: (facts: object) => said.push(`error ${Object.keys(facts).join()}`),
  }
  await using worker = createWorker({
    ...idle,
    afterErrorMs: 1,
    logger: {
      ...logger,
      info: ({ failures }: { failures?: number }) => said.push(`again after ${failures}`),
    },
    runOnce: async () => {
      tries += 1
      if (tries <= 5) throw new Error('down')
      return 0
    },
  })
  worker.start()
  await expect.poll(() => said).toEqual(['error err,worker,failures', 'again after 5'])
})

test('after a round with work the next round waits, whatever wakes the worker; a lone item is handled at once', async () => {
  const found = [0, 2, 3]
  const rounds: number[] = []
  await using worker = createWorker({
    ...idle,
    gatherMs: 60_000,
    runOnce: async () => (rounds.push(found.length), found.shift() ?? 0),
  })
  worker.start()
  while (rounds.length < 2) {
    worker.wake()
    await delay(1)
  }
  for (let wakes = 0; wakes < 20; wakes += 1) {
    worker.wake()
    await delay(1)
  }
  expect(found).toEqual([3])
})

test('disposing waits for the current round', async () => {
  let ended = false
  const worker = createWorker({
    ...idle,
    runOnce: async () => {
      await delay(20)
      ended = true
      return 1
    },
  })
  worker.start()
  await worker[Symbol.asyncDispose]()
  expect(ended).toBe(true)
})
