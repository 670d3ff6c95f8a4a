import type { News } from '../../src/risk/news.ts'
import type { Anchor } from '../../src/subjects/identifier.ts'

/** News of one provider: a user is at high risk, and their sessions are over. */
export function userNews(minute: number, names: readonly Anchor[], by = 'sse1'): News {
  const anchors = names.toSorted()
  const anchor = anchors[0] ?? ''
  const at = new Date(Date.UTC(2026, 0, 1, 12, minute))
  const id = `sig-${minute}-${names.join()}`
  const source = { kind: 'security_events_provider', id: by } as const
  return {
    id,
    source,
    issuer: 'https://idp.example',
    occurredAt: at,
    receivedAt: at,
    things: [{ kind: 'user', anchors }],
    reasons: [
      {
        id,
        anchor,
        source,
        slot: 'user-risk',
        detection: 'User risk',
        level: 'HIGH',
        message: `about ${anchor}`,
        occurredAt: at,
        receivedAt: at,
        expiresAt: undefined,
        signalId: id,
        eventType: 'https://example.com/event',
        dismissedAt: undefined,
      },
    ],
    revokes: {
      user: anchor,
      device: undefined,
      session: undefined,
      signalId: id,
      eventType: 'https://example.com/event',
      message: `about ${anchor}`,
    },
    endings: [],
  }
}
