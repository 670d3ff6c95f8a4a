import { describe, expect, test } from 'vitest'
import { defaultPaceLimits, pauseMs, type PollOutcome } from './poll-pace.ts'

const soon = { kind: 'failed', pace: 'soon', retryAfterS: undefined } as const
const slow = { kind: 'failed', pace: 'slow', retryAfterS: undefined } as const

describe('the pause before the next poll', () => {
  test.each<[string, PollOutcome, { elapsedMs?: number; badInARow?: number; random?: number }, number]>([
    ['progress with more to come', { kind: 'progress', more: true }, {}, 0],
    ['progress and no more', { kind: 'progress', more: false }, { elapsedMs: 1_000 }, 4_000],
    ['nothing, answered at once', { kind: 'nothing' }, { elapsedMs: 10 }, 4_990],
    ['nothing, held open for long', { kind: 'nothing' }, { elapsedMs: 30_000 }, 0],
    ['nothing, and the clock was set back', { kind: 'nothing' }, { elapsedMs: -1e9 }, 5_000],
    ['a first failure', soon, { random: 0.999 }, 999],
    ['a first failure, with the least jitter', soon, { random: 0 }, 250],
    ['a third failure', soon, { badInARow: 3, random: 0.5 }, 2_000],
    ['a hundredth failure', soon, { badInARow: 100, random: 0.5 }, 30_000],
    ['a failure with Retry-After', { ...soon, retryAfterS: 20 }, { random: 0 }, 20_000],
    [
      'a failure with a Retry-After that is shorter than the backoff',
      { ...soon, retryAfterS: 1 },
      { badInARow: 9, random: 0.5 },
      30_000,
    ],
    ['a failure with an absurd Retry-After', { ...soon, retryAfterS: 86_400 }, {}, 600_000],
    ['a failure that an operator must mend', slow, { random: 0 }, 150_000],
    ['the same with the most jitter', slow, { random: 1 }, 300_000],
    ['the same with a longer Retry-After', { ...slow, retryAfterS: 500 }, {}, 500_000],
    ['repeated SETs', { kind: 'stalled' }, { badInARow: 2, random: 0.5 }, 1_000],
    ['only refused SETs', { kind: 'refused' }, { badInARow: 3, random: 0.5 }, 2_000],
    ['SETs that must wait', { kind: 'deferred', retryAfterS: undefined }, { random: 0.5 }, 500],
    ['SETs that must wait for a known time', { kind: 'deferred', retryAfterS: 7 }, {}, 7_000],
  ])('%s', (_, outcome, { elapsedMs = 0, badInARow = 1, random = 0.5 }, expected) => {
    expect(pauseMs(defaultPaceLimits, outcome, { elapsedMs, badInARow, random })).toBe(expected)
  })
})
