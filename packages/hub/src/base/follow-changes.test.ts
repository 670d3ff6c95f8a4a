import { expect, test } from 'vitest'
import { followChanges, type Remembered } from './follow-changes.ts'
import { silentLogger } from '@watchbell/receiver/base'

/** Changes that the test announces, and refreshes that the test ends. */
function follow(...tables: readonly (readonly string[])[]) {
  let announce: (table: string) => void = () => undefined
  let listening = true
  const began: string[] = []
  const open: PromiseWithResolvers<void>[] = []
  const remembered: readonly Remembered[] = tables.map((tables) => ({
    tables,
    refresh() {
      began.push(tables.join(' '))
      const reading = Promise.withResolvers<void>()
      open.push(reading)
      return reading.promise
    },
  }))
  const warnings: object[] = []
  const following = followChanges({
    source: {
      onChange(listener) {
        announce = listener
        return {
          async [Symbol.asyncDispose]() {
            listening = false
          },
        }
      },
    },
    remembered,
    logger: { ...silentLogger, warn: (facts) => void warnings.push(facts) },
  })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  return {
    began,
    warnings,
    listening: () => listening,
    announce: (table: string) => announce(table),
    async end(error?: Error) {
      const reading = open.shift()
      if (error === undefined) reading?.resolve()
      else reading?.reject(error)
      await settle()
    },
    following,
  }
}

test('a change refreshes only the memory of its table', () => {
  const { announce, began } = follow(['providers'], ['streams'], ['providers', 'actions'])
  announce('providers')
  expect(began).toEqual(['providers', 'providers actions'])
  announce('something')
  expect(began).toHaveLength(2)
})

test('a change of all tables refreshes all memory', () => {
  const { announce, began } = follow(['providers'], ['streams'])
  announce('all')
  expect(began).toEqual(['providers', 'streams'])
})

test('many changes during one refresh cause one more refresh, which begins after them', async () => {
  const { announce, began, end } = follow(['providers'])
  for (let times = 0; times < 5; times++) announce('providers')
  expect(began).toHaveLength(1)
  await end()
  expect(began).toHaveLength(2)
  await end()
  expect(began).toHaveLength(2)
  announce('all')
  expect(began).toHaveLength(3)
})

test('a failed refresh is logged, and the next change refreshes again', async () => {
  const { announce, began, end, warnings } = follow(['providers'])
  announce('providers')
  await end(new Error('gone'))
  expect(warnings).toMatchObject([{ err: { message: 'gone' }, tables: ['providers'] }])
  announce('providers')
  expect(began).toHaveLength(2)
})

test('disposing stops following changes, waits for the current refresh and begins no other', async () => {
  const { announce, began, end, following, listening } = follow(['providers'])
  announce('providers')
  announce('providers')
  let disposed = false
  const disposing = following[Symbol.asyncDispose]().then(() => (disposed = true))
  await Promise.resolve()
  expect([listening(), disposed]).toEqual([false, false])
  await end()
  await disposing
  expect(began).toHaveLength(1)
})
