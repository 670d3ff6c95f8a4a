import type { ServiceAppChange, TokenChange } from '../access/access-journal.ts'
import { logEvent, noAlternateId, serviceAppType, type LogEvent } from '../systemlog/log-event.ts'
import { changeTitles, requestData, type JournalWorld } from './entry-parts.ts'

/** Okta's event types for its API tokens. */
export function tokenEntry(world: JournalWorld, { kind, token, by }: TokenChange): LogEvent {
  return logEvent(world, {
    eventType: `system.api_token.${kind}`,
    displayMessage: `${changeTitles[kind]} API token`,
    by,
    target: [
      {
        id: token.id,
        type: 'Token',
        alternateId: noAlternateId,
        displayName: token.name,
        detailEntry: {
          role: token.role,
          ...(token.expiresAt !== undefined && { expiresAt: token.expiresAt.toISOString() }),
        },
      },
    ],
    debugData: requestData(by),
    legacyEventType: `api.token.${kind}`,
  })
}

/** Okta's event types for OAuth clients. */
export function serviceAppEntry(world: JournalWorld, { kind, app, by }: ServiceAppChange): LogEvent {
  const eventType = `app.oauth2.client.lifecycle.${kind}`
  return logEvent(world, {
    eventType,
    displayMessage: `${changeTitles[kind]} OAuth client`,
    by,
    target: [
      {
        id: app.clientId,
        type: serviceAppType,
        alternateId: app.clientId,
        displayName: app.name,
        detailEntry: { scopes: app.scopes.join(' '), dpopBound: app.dpopBound },
      },
    ],
    debugData: requestData(by),
    legacyEventType: eventType,
  })
}
