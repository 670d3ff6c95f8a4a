import { expect, test } from 'vitest'
import { knownSource } from '../../test/known-sources.ts'
import { createRiskSources, type KnownSource } from './risk-sources.ts'

const mdm: KnownSource = knownSource('sse1', { name: 'MDM', action: 'log_only' })

test('a source counts by its action, an unknown source for nothing, an administrator always', async () => {
  const { actionOf, find } = (await createRiskSources({ list: async () => [mdm] })).judge()
  expect(actionOf({ kind: 'security_events_provider', id: 'sse1' })).toBe('log_only')
  expect(actionOf({ kind: 'security_events_provider', id: 'sse2' })).toBe('none')
  expect(actionOf({ kind: 'risk_provider', id: 'sse1' })).toBe('none')
  expect(actionOf({ kind: 'admin', id: 'admin' })).toBe('enforce_and_log')
  expect(actionOf({ kind: 'admin', id: 'sse1' })).toBe('enforce_and_log')
  expect(find({ kind: 'security_events_provider', id: 'sse1' })).toEqual(mdm)
  expect(find({ kind: 'risk_provider', id: 'sse1' })).toBeUndefined()
})

test('the last reading wins even when an earlier reading takes longer', async () => {
  const answers = [[], [mdm], [{ ...mdm, action: 'none' as const }]]
  const releases: (() => void)[] = []
  const sources = createRiskSources({
    list: () =>
      new Promise((resolve) => {
        const answer = answers.shift() ?? []
        releases.push(() => resolve(answer))
        if (releases.length === 1) resolve(answer)
      }),
  })
  const { refresh, judge } = await sources
  const both = [refresh(), refresh()]
  await Promise.resolve()
  expect(releases).toHaveLength(2) // the second waits for the first
  releases[1]?.()
  await both[0]
  await Promise.resolve()
  releases[2]?.()
  await both[1]
  expect(judge().actionOf({ kind: 'security_events_provider', id: 'sse1' })).toBe('none')
})

test('a failed reading changes nothing and does not block the next', async () => {
  let calls = 0
  const sources = await createRiskSources({
    list: async () => {
      if (++calls === 2) throw new Error('no disk')
      return calls === 1 ? [] : [mdm]
    },
  })
  await expect(sources.refresh()).rejects.toThrow('no disk')
  expect(sources.judge().actionOf(mdm)).toBe('none')
  await sources.refresh()
  expect(sources.judge().actionOf(mdm)).toBe('log_only')
})
