import { describe, expect, test } from 'vitest'
import type { Revocation } from '../risk/revocation.ts'
import type { RiskAction } from '../risk/risk-action.ts'
import type { RiskLevel } from '../risk/risk-level.ts'
import type { EntityRisk, RiskPicture } from '../risk/risk-reader.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import { wordJudge, type RiskSources } from '../risk/risk-sources.ts'
import { knownSource } from '../../test/known-sources.ts'
import { evaluate } from './evaluate.ts'
import { defaultOutcomeRules, type Outcome } from './outcome.ts'
import type { Question } from './question.ts'

const judge = wordJudge(
  (['enforce_and_log', 'log_only', 'none'] as const).map((action) =>
    knownSource(action, { name: `Vendor (${action})`, action }),
  ),
)
const sources: RiskSources = { judge: () => judge, refresh: async () => undefined }
const deps = { sources, rules: defaultOutcomeRules }

const question: Question = {
  user: 'ada@example.com',
  action: 'authenticate',
  resource: { type: 'app', id: 'mail' },
  ip: undefined,
  device: undefined,
  session: undefined,
  userAgent: undefined,
  issuedAt: undefined,
}

const at = (time: string): Date => new Date(`2026-03-01T${time}Z`)

function reason(
  level: RiskLevel,
  from: RiskAction | 'gone' | 'admin',
  over: Partial<RiskReason> = {},
): RiskReason {
  return {
    id: 'r1',
    identifier: 'user:email:ada@example.com',
    source: { kind: from === 'admin' ? 'admin' : 'security_events_provider', id: from },
    slot: 'user-risk',
    detection: 'Impossible travel',
    level,
    message: undefined,
    occurredAt: at('09:00:00'),
    receivedAt: at('09:00:01'),
    expiresAt: at('18:00:00'),
    signalId: 'evt1',
    eventType: undefined,
    dismissedAt: undefined,
    ...over,
  }
}

const thing = (kind: string, ...reasons: readonly RiskReason[]): EntityRisk => ({
  id: `${kind}1`,
  kind,
  reasons,
  reach: 'enforced',
  isLoaded: false,
  speakers: reasons.map(({ source }) => source),
})
const user = (...reasons: readonly RiskReason[]): EntityRisk => ({
  ...thing('user', ...reasons),
  id: '00u1',
  isLoaded: true,
})

function revocation(over: Partial<Revocation> = {}): Revocation {
  return {
    id: 'v1',
    user: 'user:email:ada@example.com',
    device: undefined,
    session: undefined,
    revokedAt: at('10:00:00'),
    receivedAt: at('10:00:01'),
    providerId: 'enforce_and_log',
    signalId: 'evt2',
    eventType: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
    message: undefined,
    reach: 'enforced',
    ...over,
  }
}

const picture = (entities: readonly EntityRisk[], revocations: readonly Revocation[] = []): RiskPicture => ({
  entities,
  revocations,
})

describe('levels become outcomes', () => {
  test.each<[string, readonly EntityRisk[], RiskLevel, Outcome]>([
    ['nothing known', [], 'NONE', 'allow'],
    ['a user without reasons', [user()], 'NONE', 'allow'],
    ['LOW', [user(reason('LOW', 'enforce_and_log'))], 'LOW', 'allow'],
    ['MEDIUM', [user(reason('MEDIUM', 'enforce_and_log'))], 'MEDIUM', 'challenge'],
    ['HIGH', [user(reason('HIGH', 'enforce_and_log'))], 'HIGH', 'deny'],
    [
      'the worst of several',
      [user(reason('LOW', 'enforce_and_log'), reason('HIGH', 'enforce_and_log'))],
      'HIGH',
      'deny',
    ],
    [
      'the worst of all asked about',
      [
        user(),
        thing('device', reason('MEDIUM', 'enforce_and_log')),
        thing('address', reason('HIGH', 'enforce_and_log')),
      ],
      'HIGH',
      'deny',
    ],
    ['an administrator', [user(reason('MEDIUM', 'admin'))], 'MEDIUM', 'challenge'],
    ['only log_only sources', [user(reason('HIGH', 'log_only'))], 'NONE', 'allow'],
    ['only sources with the action none', [user(reason('HIGH', 'none'))], 'NONE', 'allow'],
    ['a source that is gone', [user(reason('HIGH', 'gone'))], 'NONE', 'allow'],
    [
      'log_only beside enforced',
      [user(reason('HIGH', 'log_only'), reason('MEDIUM', 'enforce_and_log'))],
      'MEDIUM',
      'challenge',
    ],
  ])('%s', (_, entities, level, outcome) => {
    const verdict = evaluate(question, picture(entities), deps)
    expect([verdict.level, verdict.outcome]).toEqual([level, outcome])
  })

  test('what log-only sources would have said stands apart, those that count for nothing nowhere', () => {
    const entities = [
      user(reason('HIGH', 'log_only'), reason('MEDIUM', 'enforce_and_log'), reason('HIGH', 'none')),
    ]
    const { grounds, reported } = evaluate(question, picture(entities), deps)
    expect(grounds.map(({ source }) => source.id)).toEqual(['enforce_and_log'])
    expect(reported).toMatchObject({
      level: 'HIGH',
      outcome: 'deny',
      grounds: [{ source: { id: 'log_only' } }],
    })
  })

  test('other rules lead elsewhere', () => {
    const rules = { ...defaultOutcomeRules, HIGH: 'challenge' } as const
    const entities = [user(reason('HIGH', 'enforce_and_log'))]
    expect(evaluate(question, picture(entities), { sources, rules }).outcome).toBe('challenge')
  })
})

describe('a revocation ends sessions', () => {
  const session = 'session:opaque:https://idp.example|1'
  test.each<[string, Partial<Revocation>, Partial<Question>, Outcome]>([
    ['issued before', {}, { issuedAt: at('09:59:59') }, 'deny'],
    ['issued at that moment', {}, { issuedAt: at('10:00:00') }, 'deny'],
    ['issued later', {}, { issuedAt: at('10:00:01') }, 'allow'],
    ['of the session, issued before', { session }, { session: '1', issuedAt: at('09:00:00') }, 'deny'],
    ['of the session, issued later', { session }, { session: '1', issuedAt: at('11:00:00') }, 'allow'],
    ['of the session, issued nobody says when', { session }, { session: '1' }, 'deny'],
    ['of the user, issued nobody says when', {}, { session: '1' }, 'allow'],
    ['of the user, at a new sign-in', {}, {}, 'allow'],
    ['of a log_only source', { providerId: 'log_only' }, { issuedAt: at('09:00:00') }, 'allow'],
    ['of a source that counts for nothing', { providerId: 'none' }, { issuedAt: at('09:00:00') }, 'allow'],
    ['of a source that is gone', { providerId: 'gone' }, { issuedAt: at('09:00:00') }, 'allow'],
  ])('%s', (_, over, asked, outcome) => {
    const verdict = evaluate({ ...question, ...asked }, picture([user()], [revocation(over)]), deps)
    expect(verdict.outcome).toBe(outcome)
    expect(verdict.level).toBe('NONE')
  })

  test('one of a log-only source is reported', () => {
    const asked = { ...question, issuedAt: at('09:00:00') }
    const { reported } = evaluate(asked, picture([user()], [revocation({ providerId: 'log_only' })]), deps)
    expect(reported).toMatchObject({ outcome: 'deny', grounds: [{ level: undefined, signalId: 'evt2' }] })
  })

  test('without a time of issue, a note says that there is one that could not be placed', () => {
    const notes = (asked: Partial<Question>, over: Partial<Revocation> = {}) =>
      evaluate({ ...question, ...asked }, picture([user()], [revocation(over)]), deps).notes
    const told = [expect.stringContaining('issued_at')]
    expect(notes({ session: '1' })).toEqual(told)
    expect(notes({})).toEqual(told)
    expect(notes({}, { providerId: 'log_only' })).toEqual(told)
    expect(notes({}, { providerId: 'none' })).toEqual([])
    expect(notes({}, { providerId: 'gone' })).toEqual([])
    expect(notes({ issuedAt: at('11:00:00') })).toEqual([])
    expect(notes({ issuedAt: at('09:00:00') })).toEqual([])
    expect(notes({ session: '1' }, { session })).toEqual([])
  })

  test('those that could not be placed are told apart, when their word is enforced', () => {
    const unplaced = (asked: Partial<Question>, over: Partial<Revocation> = {}) =>
      evaluate({ ...question, ...asked }, picture([user()], [revocation(over)]), deps).unplaced
    expect(unplaced({})).toMatchObject([{ signalId: 'evt2', about: 'user', level: undefined }])
    expect(unplaced({ session: '1' })).toMatchObject([{ signalId: 'evt2' }])
    for (const providerId of ['log_only', 'none', 'gone']) expect(unplaced({}, { providerId })).toEqual([])
    expect(unplaced({ issuedAt: at('09:00:00') })).toEqual([])
    expect(unplaced({ issuedAt: at('11:00:00') })).toEqual([])
    expect(unplaced({ session: '1' }, { session })).toEqual([])
  })

  test('signing in again helps when nothing else stands against the user', () => {
    const asked = { ...question, issuedAt: at('09:00:00') }
    const isOnlyRevoked = (level: RiskLevel, over: Partial<Revocation> = {}) =>
      evaluate(asked, picture([user(reason(level, 'enforce_and_log'))], [revocation(over)]), deps)
        .isOnlyRevoked
    expect(isOnlyRevoked('NONE')).toBe(true)
    expect(isOnlyRevoked('MEDIUM')).toBe(true)
    expect(isOnlyRevoked('HIGH')).toBe(false)
    expect(isOnlyRevoked('NONE', { providerId: 'log_only' })).toBe(false)
  })
})

describe('reasons in words', () => {
  test('who says what of whom, since when and until when', () => {
    const entities = [
      user(
        reason('MEDIUM', 'enforce_and_log', { message: 'two countries in an hour' }),
        reason('MEDIUM', 'admin', { detection: 'Set by an administrator', expiresAt: undefined }),
      ),
    ]
    const { grounds } = evaluate(question, picture(entities), deps)
    expect(grounds.map(({ text }) => text)).toEqual([
      'Vendor (enforce_and_log) says MEDIUM of the user: Impossible travel (“two countries in an hour”), since 2026-03-01T09:00:00.000Z, until 2026-03-01T18:00:00.000Z.',
      'An administrator says MEDIUM of the user: Set by an administrator, since 2026-03-01T09:00:00.000Z, until it is replaced.',
    ])
  })

  test('the worst come first: revocations, then by level, then the latest', () => {
    const entities = [
      user(
        reason('LOW', 'enforce_and_log', { id: 'a', signalId: 'low' }),
        reason('HIGH', 'enforce_and_log', { id: 'b', signalId: 'high' }),
        reason('HIGH', 'enforce_and_log', { id: 'c', signalId: 'later', occurredAt: at('09:30:00') }),
      ),
    ]
    const asked = { ...question, issuedAt: at('09:00:00') }
    const { grounds } = evaluate(asked, picture(entities, [revocation()]), deps)
    expect(grounds.map(({ signalId }) => signalId)).toEqual(['evt2', 'later', 'high', 'low'])
  })

  test('an unknown user is allowed, and that is said', () => {
    const verdict = evaluate(question, picture([thing('address')]), deps)
    expect(verdict).toMatchObject({
      outcome: 'allow',
      level: 'NONE',
      userId: undefined,
      notes: ['Nothing is known of this user.'],
    })
    expect(evaluate(question, picture([user()]), deps)).toMatchObject({ userId: '00u1', notes: [] })
  })
})
