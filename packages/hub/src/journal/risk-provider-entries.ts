import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { RiskEvent } from '../risk/risk-event.ts'
import type { RiskProvider } from '../risk/risk-provider.ts'
import type { RiskProviderChange } from '../risk/risk-providers.ts'
import { logEvent, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'
import { changeTitles, requestData, type JournalWorld } from './entry-parts.ts'

/** A risk provider was created, changed or deleted. Okta documents no event type for this (OKTA-L75); this one is ours. */
export function riskProviderEntry(
  world: JournalWorld,
  { kind, provider, before, by }: RiskProviderChange,
): LogEvent {
  const detailEntry = details(provider)
  return logEvent(world, {
    eventType: `watchbell.risk.provider.${kind}`,
    displayMessage: `${changeTitles[kind]} a risk provider`,
    by,
    target: [
      {
        ...targetOf(provider),
        detailEntry,
        ...(kind === 'update' && before && { changeDetails: { from: details(before), to: detailEntry } }),
      },
    ],
    debugData: requestData(by),
  })
}

function details({ name, clientId, action }: RiskProvider): JsonObject {
  return { name, clientId, action }
}

function targetOf({ id, name, clientId }: RiskProvider): LogTarget {
  return { id, type: 'RiskProvider', alternateId: clientId, displayName: name, detailEntry: null }
}

/** One risk event of a risk provider (OKTA-L72). All values are strings; the list holds pseudo-maps. */
export function riskSignalEntry(
  world: JournalWorld,
  { provider, event, by }: { readonly provider: RiskProvider; readonly event: RiskEvent; readonly by: Actor },
): LogEvent {
  const signals = event.subjects.map(({ ip, level }) => `{ip=${ip}, riskLevel=${level}}`)
  return logEvent(world, {
    eventType: 'security.risk.signal.consume',
    displayMessage: 'Consume risk signals',
    by,
    target: [targetOf(provider)],
    debugData: {
      riskSignalList: `[${signals.join(', ')}]`,
      riskSignalSize: String(signals.length),
      riskSignalProviderAction: provider.action.toUpperCase(),
      riskSignalProviderName: provider.name,
      riskSignalProviderId: provider.id,
      ...requestData(by),
    },
  })
}
