import type { Statement } from '../../src/risk/statement.ts'
import type { Identifier } from '../../src/subjects/identifier.ts'

/** Statement of one provider: a user is at high risk, and their sessions are over. */
export function userStatement(minute: number, names: readonly Identifier[], by = 'sse1'): Statement {
  const identifiers = names.toSorted()
  const identifier = identifiers[0] ?? ''
  const at = new Date(Date.UTC(2026, 0, 1, 12, minute))
  const id = `sig-${minute}-${names.join()}`
  const source = { kind: 'security_events_provider', id: by } as const
  return {
    id,
    source,
    issuer: 'https://idp.example',
    occurredAt: at,
    receivedAt: at,
    things: [{ kind: 'user', identifiers }],
    reasons: [
      {
        id,
        identifier,
        source,
        slot: 'user-risk',
        detection: 'User risk',
        level: 'HIGH',
        message: `about ${identifier}`,
        occurredAt: at,
        receivedAt: at,
        expiresAt: undefined,
        signalId: id,
        eventType: 'https://example.com/event',
        dismissedAt: undefined,
      },
    ],
    revokes: {
      user: identifier,
      device: undefined,
      session: undefined,
      signalId: id,
      eventType: 'https://example.com/event',
      message: `about ${identifier}`,
    },
    endings: [],
  }
}
