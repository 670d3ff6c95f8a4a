import { expect, test } from 'vitest'
import { createPollGate } from './poll-gate.ts'

test('other work ends a long poll and starts after its end', async () => {
  const gate = createPollGate()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const steps: string[] = []
  gate.opened('sse1', {
    done,
    stop() {
      steps.push('stopped')
      resolve()
    },
  })
  void done.then(() => steps.push('ended'))
  await gate.closedFor('sse1', async () => {
    steps.push('work')
    expect(gate.isOpen('sse1')).toBe(false)
    expect(gate.isOpen('sse2')).toBe(true)
  })
  expect(steps).toEqual(['stopped', 'ended', 'work'])
  expect(gate.isOpen('sse1')).toBe(true)
})

test('other work waits for a short poll, also when it fails', async () => {
  const gate = createPollGate()
  const { promise: done, reject } = Promise.withResolvers<void>()
  gate.opened('sse1', { done, stop: undefined })
  let worked = false
  const work = gate.closedFor('sse1', async () => void (worked = true))
  await Promise.resolve()
  expect(worked).toBe(false)
  reject(new Error('no answer'))
  await work
  expect(worked).toBe(true)
})

test('polls may start when the last of several pieces of work has ended, also by failing', async () => {
  const gate = createPollGate()
  const { promise, resolve } = Promise.withResolvers<void>()
  const first = gate.closedFor('sse1', () => promise)
  await expect(gate.closedFor('sse1', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(gate.isOpen('sse1')).toBe(false)
  resolve()
  await first
  expect(gate.isOpen('sse1')).toBe(true)
})
