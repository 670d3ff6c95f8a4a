import { describe, expect, test } from 'vitest'
import { newStream } from '../../test/new-stream.ts'
import type { Actor } from '../base/actor.ts'
import type { Verdict } from '../policy/evaluate.ts'
import type { Outcome } from '../policy/outcome.ts'
import type { RiskLevel } from '../risk/risk-level.ts'
import { hubActor, transmitterActor, type StreamChange } from '../streams/stream-journal.ts'
import { evaluationEntry } from './evaluation-entry.ts'
import { riskEntry, subjectEntry } from './risk-entries.ts'
import { dialectsEntry, providerActionEntry } from './provider-entries.ts'
import { riskProviderEntry, riskSignalEntry } from './risk-provider-entries.ts'
import { streamEntry } from './stream-entries.ts'

const now = new Date('2026-03-17T06:00:14Z')
const world = { now: () => now, newUuid: () => 'a-uuid' }
const admin: Actor = { id: '00T1', type: 'User', displayName: 'Ada', alternateId: undefined }
const provider = { id: 'sse1', name: 'Vendor', issuer: 'https://vendor.example' }

test.each<[Outcome, string]>([
  ['allow', 'INFO'],
  ['challenge', 'INFO'],
  ['deny', 'WARN'],
])('the entry of an evaluation with the outcome %s has severity %s', (outcome, severity) => {
  const opinion = { outcome, level: 'NONE', grounds: [], groundsTotal: 0 } as const
  const verdict: Verdict = {
    ...opinion,
    reported: opinion,
    notes: [],
    userId: undefined,
    unplaced: [],
    isOnlyRevoked: false,
  }
  const question = {
    user: 'ada',
    action: 'access',
    resource: { type: 'http', id: 'app' },
    ip: undefined,
    device: undefined,
    session: undefined,
    userAgent: undefined,
    issuedAt: undefined,
  }
  expect(evaluationEntry(world, { question, verdict, by: admin }).severity).toBe(severity)
})

test.each<[string, RiskLevel, RiskLevel, string]>([
  ['user', 'NONE', 'LOW', 'INFO'],
  ['user', 'LOW', 'MEDIUM', 'INFO'],
  ['user', 'MEDIUM', 'HIGH', 'WARN'],
  ['user', 'HIGH', 'NONE', 'INFO'],
  ['device', 'NONE', 'HIGH', 'WARN'],
  ['address', 'HIGH', 'LOW', 'INFO'],
])(
  'a %s whose level changes from %s to %s has an entry of severity %s',
  (kind, previous, level, severity) => {
    const change = { entity: { id: '00u1', kind, name: 'ada' }, previous, level, inForce: [] }
    const entry = riskEntry(world, change, { by: admin, detectionName: 'Admin Reported User Risk' })
    expect(entry.severity).toBe(severity)
  },
)

describe('entries of streams', () => {
  const stream = newStream('stm1', { status: 'enabled' })
  const entry = (kind: StreamChange['kind'], by: Actor, status: 'enabled' | 'paused' | 'disabled') =>
    streamEntry(world, { kind, provider, stream: { ...stream, status }, before: stream, by })

  test.each(['create', 'update', 'delete', 'verify', 'rotate'] as const)('the change %s is INFO', (kind) => {
    expect(entry(kind, admin, 'enabled')).toMatchObject({ severity: 'INFO', outcome: { result: 'SUCCESS' } })
  })

  test('a repair is WARN', () => {
    expect(entry('repair', hubActor, 'enabled')).toMatchObject({
      severity: 'WARN',
      outcome: { result: 'SUCCESS' },
    })
  })

  test.each([
    ['the transmitter', transmitterActor(provider)],
    ['the hub', hubActor],
  ])('a stream that %s stopped is WARN while paused and ERROR when disabled', (_, by) => {
    expect(entry('status', by, 'enabled')).toMatchObject({ severity: 'INFO', outcome: { result: 'SUCCESS' } })
    expect(entry('status', by, 'paused')).toMatchObject({ severity: 'WARN', outcome: { result: 'FAILURE' } })
    expect(entry('status', by, 'disabled')).toMatchObject({
      severity: 'ERROR',
      outcome: { result: 'FAILURE' },
    })
  })

  test('a stream that an administrator stopped is no failure', () => {
    for (const status of ['paused', 'disabled'] as const) {
      expect(entry('status', admin, status)).toMatchObject({
        severity: 'INFO',
        outcome: { result: 'SUCCESS', reason: null },
      })
    }
  })
})

test('all other changes by administrators and providers are INFO', () => {
  const riskProvider = {
    id: 'rkp1',
    name: 'Partner',
    clientId: '0oa1',
    action: 'log_only',
    createdAt: now,
    updatedAt: now,
  } as const
  const subject = {
    id: '00u1',
    entity: 1,
    kind: 'user' as const,
    identifiers: [],
    level: 0,
    firstSeenAt: now,
    loaded: undefined,
  }
  const none = { dialects: [], audiences: [] } as unknown as Parameters<typeof dialectsEntry>[1]['from']
  const entries = [
    riskProviderEntry(world, { kind: 'create', provider: riskProvider, before: undefined, by: admin }),
    riskSignalEntry(world, {
      provider: riskProvider,
      event: { subjects: [] } as unknown as Parameters<typeof riskSignalEntry>[1]['event'],
      by: admin,
    }),
    providerActionEntry(world, {
      provider: { ...provider, type: 'x' } as unknown as Parameters<
        typeof providerActionEntry
      >[1]['provider'],
      from: 'none',
      to: 'log_only',
      by: admin,
    }),
    subjectEntry(world, { kind: 'load', subject, by: admin }),
    subjectEntry(world, { kind: 'erase', subject, erasureId: 'era1', by: admin }),
    dialectsEntry(world, { provider, from: none, to: none, by: admin } as Parameters<
      typeof dialectsEntry
    >[1]),
  ]
  for (const { eventType, severity } of entries) expect([eventType, severity]).toEqual([eventType, 'INFO'])
})
