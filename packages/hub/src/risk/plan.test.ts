import { describe, expect, test } from 'vitest'
import { judgeOf } from '../../test/known-sources.ts'
import type { Identifier } from '../subjects/identifier.ts'
import type { KnownClaim } from '../subjects/subject-store.ts'
import type { Admission } from './admission.ts'
import { reasonsPerSourceMax, type RiskSnapshot } from './ledger.ts'
import { plan } from './plan.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import type { EntityState } from './risk-store.ts'
import { claimsOf } from './statement-names.ts'
import type { Statement } from './statement.ts'

const t = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute))
const ada: Identifier = 'user:email:ada@example.com'
const sub: Identifier = 'user:iss_sub:https://idp.example|ada'
const bob: Identifier = 'user:email:bob@example.com'
/** Identifier, node, entity: ada and sub are one entity. */
const nodes: readonly (readonly [Identifier, number, number])[] = [
  [ada, 1, 1],
  [sub, 2, 1],
  [bob, 3, 3],
]

interface ReasonOver {
  readonly by?: string
  readonly until?: number
  readonly slot?: string
}

function reason(at: number, level: RiskLevel, identifier: Identifier, over: ReasonOver = {}): RiskReason {
  const { by = 'sse1', until, slot = 'user-risk' } = over
  return {
    id: `${by}/${at}/${level}`,
    identifier,
    source: { kind: 'security_events_provider', id: by },
    slot,
    detection: 'User risk',
    level,
    message: undefined,
    occurredAt: t(at),
    receivedAt: t(at),
    expiresAt: until === undefined ? undefined : t(until),
    signalId: undefined,
    eventType: undefined,
    dismissedAt: undefined,
  }
}

/** One statement of one thing, by these names; kept with the first. */
function states(
  at: number,
  level: RiskLevel | undefined,
  names: readonly Identifier[],
  over: ReasonOver & Pick<Partial<Statement>, 'revokes'> = {},
): Admission {
  const made = reason(at, level ?? 'NONE', names[0] ?? '', over)
  const statement: Statement = {
    source: made.source,
    issuer: 'https://idp.example',
    id: made.id,
    occurredAt: t(at),
    receivedAt: t(at),
    things: [{ kind: 'user', identifiers: names.toSorted() }],
    reasons: level === undefined ? [] : [made],
    revokes: over.revokes,
    endings: [],
  }
  return { statement, claims: claimsOf(statement) }
}

interface Known {
  /** Of the entity of ada and sub, of the node of ada. */
  readonly reasons?: readonly RiskReason[]
  readonly level?: RiskLevel
  readonly changesAt?: Date | undefined
  readonly changed?: readonly number[]
  readonly refused?: ReadonlyMap<string, string>
  readonly newlyRefused?: readonly KnownClaim[]
  /** Minute. */
  readonly now?: number
}

function snapshot(known: Known = {}): RiskSnapshot {
  const { reasons = [], level = 'NONE', changesAt, changed = [], refused = new Map(), now = 60 } = known
  const entity = (number: number, mine: readonly RiskReason[]): EntityState => ({
    entity: number,
    id: `00u${number}`,
    kind: 'user',
    name: number === 1 ? 'ada' : 'bob',
    level: number === 1 ? riskLevels.indexOf(level) : 0,
    changesAt: number === 1 ? changesAt : undefined,
    known: {
      nodes: new Set(nodes.filter(([, , of]) => of === number).map(([, node]) => node)),
      memberships: [],
      ended: [],
      reasons: mine.map((reason) => ({ node: 1, reason })),
    },
  })
  return {
    joined: {
      nodes: new Map(
        nodes.map(([identifier, node, of]) => [
          identifier,
          { node, identifier, id: `00u${node}`, entity: of, vouchedBy: undefined },
        ]),
      ),
      changed: new Set(changed),
      refused,
      newlyRefused: known.newlyRefused ?? [],
    },
    states: [entity(1, reasons), entity(3, [])],
    judge: judgeOf('sse1', 'sse2'),
    now: t(now),
  }
}

const texts = (reasons: readonly { readonly node: number; readonly reason: RiskReason }[]): string[] =>
  reasons.map(({ node, reason: { id } }) => `${node} ${id}`)

/** A plan in short form. */
function short(statements: readonly Admission[], known?: Known) {
  const { outcomes, changes } = plan(statements, snapshot(known))
  return {
    levelChanges: outcomes.map(({ changes }) =>
      changes.map(({ entity, previous, level }) => `${entity.name}: ${previous} → ${level}`),
    ),
    written: texts(changes.reasons),
    history: texts(changes.history),
    levels: changes.levels.map(
      ({ entity, level, changesAt }) =>
        `${entity}: ${riskLevels[level]} ${changesAt?.getUTCMinutes() ?? '-'}`,
    ),
  }
}

describe('what statements change', () => {
  test.each<[string, readonly Admission[], Known, ReturnType<typeof short>]>([
    ['nothing', [], {}, { levelChanges: [], written: [], history: [], levels: [] }],
    [
      'a first reason raises the level',
      [states(1, 'HIGH', [ada])],
      {},
      {
        levelChanges: [['ada: NONE → HIGH']],
        written: ['1 sse1/1/HIGH'],
        history: [],
        levels: ['1: HIGH -'],
      },
    ],
    [
      'a reason is kept with every name of its thing',
      [states(1, 'LOW', [ada, sub])],
      {},
      {
        levelChanges: [['ada: NONE → LOW']],
        written: ['1 sse1/1/LOW', '2 sse1/1/LOW'],
        history: [],
        levels: ['1: LOW -'],
      },
    ],
    [
      'a later statement replaces an earlier one of its source and slot',
      [states(2, 'LOW', [ada])],
      { reasons: [reason(1, 'HIGH', ada)], level: 'HIGH' },
      {
        levelChanges: [['ada: HIGH → LOW']],
        written: ['1 sse1/2/LOW'],
        history: ['1 sse1/1/HIGH'],
        levels: ['1: LOW -'],
      },
    ],
    [
      'a statement older than the current reason goes to the history',
      [states(1, 'HIGH', [ada])],
      { reasons: [reason(2, 'LOW', ada)], level: 'LOW' },
      { levelChanges: [[]], written: [], history: ['1 sse1/1/HIGH'], levels: [] },
    ],
    [
      'the same statement again changes nothing',
      [states(1, 'HIGH', [ada])],
      { reasons: [reason(1, 'HIGH', ada)], level: 'HIGH' },
      { levelChanges: [[]], written: [], history: [], levels: [] },
    ],
    [
      'another source replaces nothing',
      [states(2, 'NONE', [ada], { by: 'sse2' })],
      { reasons: [reason(1, 'HIGH', ada)], level: 'HIGH' },
      { levelChanges: [[]], written: ['1 sse2/2/NONE'], history: [], levels: [] },
    ],
    [
      'another slot replaces nothing',
      [states(2, 'NONE', [ada], { slot: 'credential' })],
      { reasons: [reason(1, 'HIGH', ada)], level: 'HIGH' },
      { levelChanges: [[]], written: ['1 sse1/2/NONE'], history: [], levels: [] },
    ],
    [
      'each statement reports its changes, and levels are written once',
      [states(1, 'LOW', [ada]), states(2, 'HIGH', [ada]), states(3, 'NONE', [bob])],
      {},
      {
        levelChanges: [['ada: NONE → LOW'], ['ada: LOW → HIGH'], []],
        written: ['1 sse1/2/HIGH', '3 sse1/3/NONE'],
        history: ['1 sse1/1/LOW'],
        levels: ['1: HIGH -'],
      },
    ],
    [
      'a reason that expires makes its entity due at its expiry',
      [states(1, 'HIGH', [ada], { until: 90 })],
      { now: 60 },
      {
        levelChanges: [['ada: NONE → HIGH']],
        written: ['1 sse1/1/HIGH'],
        history: [],
        levels: ['1: HIGH 30'],
      },
    ],
    [
      'a later expiry does not change when the entity is due',
      [states(2, 'HIGH', [ada], { until: 100 })],
      { reasons: [reason(1, 'HIGH', ada, { until: 90 })], level: 'HIGH', changesAt: t(90) },
      { levelChanges: [[]], written: ['1 sse1/2/HIGH'], history: ['1 sse1/1/HIGH'], levels: [] },
    ],
    [
      'a reason of an unknown source does not count, and is kept',
      [states(1, 'HIGH', [ada], { by: 'gone' })],
      {},
      { levelChanges: [[]], written: ['1 gone/1/HIGH'], history: [], levels: [] },
    ],
    [
      'the level of a joined entity is reported with the first statement that names it',
      [states(1, undefined, [bob]), states(2, undefined, [ada])],
      { reasons: [reason(1, 'HIGH', ada)], level: 'NONE', changed: [1] },
      { levelChanges: [[], ['ada: NONE → HIGH']], written: [], history: [], levels: ['1: HIGH -'] },
    ],
    [
      'the level of an entity that no statement names is reported with the last applied statement',
      [states(1, undefined, [bob]), { unmatched: 'unknown', ignored: true }],
      { reasons: [reason(1, 'HIGH', ada)], level: 'NONE', changed: [1] },
      { levelChanges: [['ada: NONE → HIGH'], []], written: [], history: [], levels: ['1: HIGH -'] },
    ],
  ])('%s', (_, statements, known, expected) => {
    expect(short(statements, known)).toEqual(expected)
  })

  test('over the limit of reasons of one source, the lowest level moves to the history', () => {
    const many = Array.from({ length: reasonsPerSourceMax }, (_, at) =>
      reason(at, at === 7 ? 'LOW' : 'MEDIUM', ada, { slot: `slot-${at}` }),
    )
    const { changes } = plan(
      [states(300, 'HIGH', [ada])],
      snapshot({ reasons: many, level: 'MEDIUM', now: 400 }),
    )
    expect(texts(changes.dropped)).toEqual(['1 sse1/7/LOW'])
    expect(texts(changes.history)).toEqual(['1 sse1/7/LOW'])
    expect(texts(changes.reasons)).toEqual(['1 sse1/300/HIGH'])
  })

  test('a revocation is stored once for each combination of identifiers of its members', () => {
    const revokes = {
      user: ada,
      device: undefined,
      session: undefined,
      signalId: 'sig1',
      eventType: 'https://example.com/revoked',
      message: undefined,
    }
    const { changes } = plan([states(1, undefined, [ada, sub], { revokes })], snapshot())
    expect(changes.revocations).toMatchObject([
      { user: 1, device: undefined, session: undefined, revokedAt: t(1), providerId: 'sse1' },
      { user: 2, device: undefined, session: undefined, revokedAt: t(1), providerId: 'sse1' },
    ])
  })
})

describe('outcomes', () => {
  test('a statement that is not admitted changes nothing and has a reason', () => {
    const { outcomes, changes } = plan([{ unmatched: 'nobody here', ignored: false }], snapshot())
    expect(outcomes).toEqual([
      { unmatched: 'nobody here', ignored: false, refused: undefined, changes: [], contradicted: [] },
    ])
    expect(Object.values(changes).flat()).toEqual([])
  })

  test('a claim that is not believed is reported with its statement, an older claim with the last statement', () => {
    const mine = states(1, undefined, [ada, sub])
    const [claim] = 'claims' in mine ? mine.claims : []
    const refusedClaim = { ...claim, refused: 'it excludes another' } as KnownClaim // there is one
    const other: KnownClaim = { ...refusedClaim, key: 'other', source: 'sse2' }
    const { outcomes } = plan(
      [mine, states(2, undefined, [bob])],
      snapshot({
        refused: new Map([[refusedClaim.key, 'it excludes another']]),
        newlyRefused: [refusedClaim, other],
      }),
    )
    expect(outcomes.map(({ refused, contradicted }) => [refused, contradicted])).toEqual([
      ['it excludes another', [refusedClaim]],
      [undefined, [other]],
    ])
  })

  test('an identifier without a node is an internal error', () => {
    expect(() => plan([states(1, 'HIGH', ['user:email:eve@example.com'])], snapshot())).toThrow(
      'not made known',
    )
  })
})
