import { expect, test } from 'vitest'
import type { RiskPicture } from '../../risk/risk-reader.ts'
import { packPictures, packQuestions, unpackPictures, unpackQuestions } from './risk-procedures.ts'

const at = (time: string): Date => new Date(`2026-01-31T${time}Z`)

test('questions reach the other thread unchanged', () => {
  const questions = [
    {
      about: { user: 'ada\u2028@bücher.example', device: '"\\', address: '2001:db8::1' },
      now: at('12:00:00.001'),
    },
    { about: {}, now: at('12:00:01') },
  ]
  expect(unpackQuestions(packQuestions(questions))).toStrictEqual(questions)
})

const reason = {
  id: 'r1',
  identifier: 'user:email:ada@example.com',
  source: { kind: 'admin', id: 'admin' },
  slot: 'user',
  detection: 'Admin Reported User Risk',
  level: 'HIGH',
  message: 'lost \u{1f4bb}',
  occurredAt: at('09:00:00'),
  receivedAt: at('09:00:01'),
  expiresAt: at('10:00:00'),
  signalId: 's1',
  eventType: 'https://example.com/event',
  dismissedAt: at('09:30:00'),
} as const
const revocation = {
  id: 's1',
  user: 'user:email:ada@example.com',
  device: 'device:opaque:https://mdm.example|42',
  session: 'session:opaque:https://idp.example|7',
  revokedAt: at('09:00:00'),
  receivedAt: at('09:00:01'),
  providerId: 'sse1',
  signalId: 's1',
  eventType: 'https://example.com/event',
  message: 'stolen',
  reach: 'enforced' as const,
}
const entity = { id: '00u1', kind: 'user', reach: 'enforced', isLoaded: false, speakers: [] } as const

test.each<[string, RiskPicture]>([
  ['nothing known', { entities: [], revocations: [] }],
  ['an entity without reasons', { entities: [{ ...entity, reasons: [] }], revocations: [] }],
  [
    'everything given',
    {
      entities: [{ ...entity, speakers: [reason.source], reasons: [reason] }],
      revocations: [revocation],
    },
  ],
  [
    'all optional members absent',
    {
      entities: [
        {
          ...entity,
          id: '203.0.113.7',
          kind: 'address',
          reasons: [
            {
              ...reason,
              message: undefined,
              expiresAt: undefined,
              signalId: undefined,
              eventType: undefined,
              dismissedAt: undefined,
            },
          ],
        },
      ],
      revocations: [
        { ...revocation, user: undefined, device: undefined, session: undefined, message: undefined },
      ],
    },
  ],
])('pictures come back unchanged: %s', (_what, picture) => {
  expect(unpackPictures(packPictures([picture, picture]))).toStrictEqual([picture, picture])
})
