import { describe, expect, test } from 'vitest'
import { fc } from '../../../receiver/test/properties.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import { forGood } from '../subjects/subject-store.ts'
import { levelsOf, nextExpiry, participationSlot, reasonsInForce, type KnownAbout } from './risk-state.ts'

const t = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute))

function reason(
  over: Partial<RiskReason> & { readonly at?: number; readonly until?: number; readonly by?: string } = {},
): RiskReason {
  const { at = 0, until, by = 'sse1', ...rest } = over
  return {
    id: `${by}/${at}`,
    identifier: 'user:email:ada@example.com',
    source: by === 'admin' ? { kind: 'admin', id: 'admin' } : { kind: 'security_events_provider', id: by },
    slot: 'user-risk',
    detection: 'User risk',
    level: 'HIGH',
    message: undefined,
    occurredAt: t(at),
    receivedAt: t(at),
    expiresAt: until === undefined ? undefined : t(until),
    signalId: undefined,
    eventType: undefined,
    dismissedAt: undefined,
    ...rest,
  }
}

/** The facts of an entity whose identifiers every source joins. */
function known(reasons: readonly RiskReason[]): KnownAbout {
  const identifiers = [...new Set(reasons.map(({ identifier }) => identifier))]
  const nodes = identifiers.map((_, at) => at + 1)
  return {
    nodes: new Set(nodes),
    memberships:
      nodes.length < 2
        ? []
        : ['sse1', 'sse2', 'sse3', 'admin'].flatMap((source) =>
            nodes.map((node) => ({ node, source, until: forGood, root: 1 })),
          ),
    ended: [],
    reasons: reasons.map((reason) => ({ node: identifiers.indexOf(reason.identifier) + 1, reason })),
  }
}

const level = (reasons: readonly RiskReason[], at: number): RiskLevel =>
  levelsOf(reasonsInForce(known(reasons), t(at)), () => 'enforce_and_log').enforced

describe('the level', () => {
  test.each<[string, RiskReason[], RiskLevel]>([
    ['is NONE without reasons', [], 'NONE'],
    ['is that of a single reason', [reason()], 'HIGH'],
    [
      'is the highest of two providers',
      [reason({ level: 'LOW' }), reason({ by: 'sse2', level: 'MEDIUM' })],
      'MEDIUM',
    ],
    [
      'falls with a later statement of the same provider',
      [reason(), reason({ at: 1, level: 'NONE' })],
      'NONE',
    ],
    [
      'does not fall with a later statement of another provider',
      [reason(), reason({ at: 1, by: 'sse2', level: 'NONE' })],
      'HIGH',
    ],
    [
      'does not fall with a later statement in another slot',
      [reason(), reason({ at: 1, slot: 'account', level: 'NONE' })],
      'HIGH',
    ],
    [
      'ignores a statement that arrives late about an earlier event',
      [reason({ at: 1, level: 'LOW' }), reason({ at: 0 })],
      'LOW',
    ],
    [
      'is the higher one of two statements of the same moment',
      [reason({ level: 'LOW', id: 'z' }), reason({ id: 'a' })],
      'HIGH',
    ],
    [
      'is that of the later receipt for two events of the same moment',
      [reason({ id: 'a' }), reason({ level: 'LOW', id: 'b', receivedAt: t(1) })],
      'LOW',
    ],
    [
      'covers all identifiers of the entity',
      [reason({ identifier: 'user:phone:+1' }), reason({ at: 1, level: 'LOW' })],
      'LOW',
    ],
    ['does not count an expired reason', [reason({ until: 10 })], 'NONE'],
    [
      'does not return to a reason that an expired one replaced',
      [reason(), reason({ at: 1, until: 5, level: 'LOW' })],
      'NONE',
    ],
    [
      'is that of an administrator, who overrides earlier reasons',
      [reason(), reason({ at: 1, by: 'admin', level: 'LOW' })],
      'LOW',
    ],
    [
      'rises with reasons after that of an administrator',
      [reason({ at: 2 }), reason({ at: 1, by: 'admin', level: 'LOW' })],
      'HIGH',
    ],
  ])('%s', (_name, reasons, expected) => {
    expect(level(reasons, 10)).toBe(expected)
    expect(level(reasons.toReversed(), 10)).toBe(expected)
  })

  test('an opt-out ends the reasons of its provider until it is cancelled (RISC 1.0 §2.8)', () => {
    const opt = (at: number, what: string) =>
      reason({
        at,
        slot: participationSlot,
        level: 'NONE',
        eventType: `https://schemas.example/risc/${what}`,
      })
    expect(level([reason(), reason({ by: 'sse2', level: 'LOW' }), opt(1, 'opt-out-effective')], 2)).toBe(
      'LOW',
    )
    expect(level([reason(), opt(1, 'opt-out-effective'), opt(2, 'opt-in')], 3)).toBe('HIGH')
    expect(level([reason(), opt(1, 'opt-out-initiated')], 3)).toBe('HIGH')
  })

  test('enforced and reported levels are separate, and neither has reasons of ignored sources', () => {
    const reasons = [
      reason({ level: 'LOW' }),
      reason({ by: 'sse2' }),
      reason({ by: 'sse3', level: 'MEDIUM' }),
    ]
    const actions = { sse1: 'enforce_and_log', sse2: 'log_only', sse3: 'none' } as const
    expect(
      levelsOf(
        reasonsInForce(known(reasons), t(1)),
        ({ source: { id } }) => actions[id as keyof typeof actions],
      ),
    ).toEqual({
      enforced: 'LOW',
      reported: 'HIGH',
    })
  })
})

const anyReason = fc
  .record({
    by: fc.constantFrom('sse1', 'sse2', 'admin'),
    slot: fc.constantFrom('user-risk', 'account'),
    at: fc.integer({ min: 0, max: 20 }),
    holds: fc.option(fc.integer({ min: 1, max: 20 })),
    level: fc.constantFrom(...riskLevels),
    id: fc.uuid(),
  })
  .map(({ holds, ...rest }) => reason({ ...rest, ...(holds !== null && { until: rest.at + holds }) }))
const reasons = fc.array(anyReason, { maxLength: 12 })

describe('for any statements', () => {
  test('the order of arrival does not change the level', () => {
    fc.assert(
      fc.property(
        reasons.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
        ),
        fc.integer({ min: 0, max: 50 }),
        ([listed, shuffled], at) => {
          expect(level(shuffled, at)).toBe(level(listed, at))
        },
      ),
    )
  })

  test('between two statements a level only falls, and not before nextExpiry', () => {
    fc.assert(
      fc.property(reasons, (all) => {
        for (let at = 20; at < 45; at += 1) {
          const next = nextExpiry(reasonsInForce(known(all), t(at)))
          const [now, then] = [level(all, at), level(all, at + 1)]
          expect(riskLevels.indexOf(then)).toBeLessThanOrEqual(riskLevels.indexOf(now))
          if (next === undefined || next > t(at + 1)) expect(then).toBe(now)
        }
      }),
    )
  })
})
