import { fc } from '../../../../receiver/test/properties.ts'
import { expect, test } from 'vitest'
import type { Actor } from '../../base/actor.ts'
import { realWorld } from '../../base/world.ts'
import { logEvent, type LogEvent } from '../../systemlog/log-event.ts'
import { packLogEvent, standsInRow, unpackLogEvent } from './log-row.ts'

const world = realWorld(globalThis.fetch)
const text = fc.oneof(
  fc.constantFrom('', '0', 'a', 'ada@example.com', 'unknown', 'SUCCESS', 'é"\\\n\u2028😀'),
  fc.string(),
)
const object = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.constant(null)), {
  maxKeys: 3,
  noNullPrototype: true,
})
const target = fc.record(
  {
    id: text,
    type: text,
    alternateId: text,
    displayName: text,
    detailEntry: fc.option(object),
    changeDetails: fc.record({ from: object, to: object }),
  },
  { requiredKeys: ['id', 'type', 'alternateId', 'displayName', 'detailEntry'], noNullPrototype: true },
)

const entries = fc
  .record({
    by: fc.record(
      {
        id: text,
        type: text,
        displayName: text,
        alternateId: text,
        ip: text,
        userAgent: text,
        requestId: text,
      },
      { requiredKeys: ['id', 'type', 'displayName'], noNullPrototype: true },
    ) as fc.Arbitrary<Actor>,
    job: fc.option(text, { nil: undefined }),
    legacyEventType: fc.option(text, { nil: undefined }),
    reason: fc.option(text),
    result: fc.constantFrom('SUCCESS', 'FAILURE', 'DENY'),
    severity: fc.constantFrom('INFO', 'WARN', 'DEBUG'),
    detail: fc.option(object),
    target: fc.option(fc.array(target, { maxLength: 3 })),
    debugData: fc.oneof(object, fc.record({ signalId: text, jti: text }, { noNullPrototype: true })),
    displayMessage: text,
  })
  .map(
    ({ by, job, legacyEventType, reason, result, severity, detail, displayMessage, ...facts }): LogEvent => {
      const entry = logEvent(world, {
        eventType: 'user.risk.detect',
        displayMessage,
        by,
        ...facts,
        target: facts.target,
        ...(job !== undefined && { job }),
        ...(legacyEventType !== undefined && { legacyEventType }),
        outcome: { result, reason },
      })
      return { ...entry, severity, transaction: { ...entry.transaction, detail } }
    },
  )

test('an unpacked entry equals the packed one, with its members in the same order', () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const plain = JSON.stringify(entry)
      expect(JSON.stringify(unpackLogEvent(packLogEvent(entry), entry.eventType))).toBe(plain)
      expect(JSON.stringify(unpackLogEvent(plain, entry.eventType))).toBe(plain)
    }),
  )
})

test('every searchable value of an entry is in its row, as JSON writes it', () => {
  const valuesOf = (value: unknown): readonly string[] =>
    typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(valuesOf)
      : typeof value === 'string' || typeof value === 'number'
        ? [String(value)]
        : []
  fc.assert(
    fc.property(entries, (entry) => {
      const row = packLogEvent(entry) + entry.eventType
      for (const value of valuesOf(entry).filter(standsInRow)) {
        expect(row).toContain(JSON.stringify(value).slice(1, -1))
      }
    }),
  )
})

test('a row is half as long as its entry', () => {
  const issuer = 'https://transmitter.example'
  const subject = { format: 'email', email: 'ada@example.com' }
  const entry = logEvent(world, {
    eventType: 'security.events.provider.receive_event',
    displayMessage: 'Security events provider reported risk',
    by: { id: 'sepabc', type: 'SecurityEventProvider', displayName: issuer, alternateId: issuer },
    target: [
      {
        id: subject.email,
        type: 'User',
        alternateId: subject.email,
        displayName: subject.email,
        detailEntry: subject,
      },
    ],
    debugData: { jti: '4d3559ec67504aaba65d40b0363faad8', signalId: 'sig7762f8212588e27f3ab5bd60a6945313' },
    job: 'sig7762f8212588e27f3ab5bd60a6945313',
  })
  expect(packLogEvent(entry).length).toBeLessThan(JSON.stringify(entry).length / 2)
})
