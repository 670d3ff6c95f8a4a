import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { ProviderActionChange, ProviderTrustChange } from '../risk/provider-actions.ts'
import { trustBody } from '../risk/source-trust.ts'
import type { RiskEvent } from '../risk/risk-event.ts'
import type { RiskProvider } from '../risk/risk-provider.ts'
import type { RiskProviderChange } from '../risk/risk-providers.ts'
import { logEvent, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'

type Source = Pick<World, 'now' | 'newUuid'>

const changed = { create: 'Create', update: 'Update', delete: 'Delete' } as const

/** A risk provider was created, changed or deleted. Okta documents no type for it (OKTA-L75), so this one is plainly ours. */
export function riskProviderEntry(
  world: Source,
  { kind, provider, before, by }: RiskProviderChange,
): LogEvent {
  const detailEntry = details(provider)
  return logEvent(world, {
    eventType: `watchbell.risk.provider.${kind}`,
    displayMessage: `${changed[kind]} a risk provider`,
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

/** A security events provider's word counts for more or less than before: a change of the provider (OKTA-L60). */
export function providerActionEntry(
  world: Source,
  { provider, from, to, by }: ProviderActionChange,
): LogEvent {
  return logEvent(world, {
    eventType: 'security.events.provider.update',
    displayMessage: 'Update a security events provider',
    by,
    target: [
      {
        id: provider.id,
        type: 'SecurityEventProvider',
        alternateId: provider.name,
        displayName: provider.issuer,
        detailEntry: { action: to },
        changeDetails: { from: { action: from }, to: { action: to } },
      },
    ],
    debugData: requestData(by),
  })
}

/** What a security events provider may say changed: a change of the provider likewise. */
export function providerTrustEntry(world: Source, { provider, trust, by }: ProviderTrustChange): LogEvent {
  return logEvent(world, {
    eventType: 'security.events.provider.update',
    displayMessage: 'Update a security events provider',
    by,
    target: [
      {
        id: provider.id,
        type: 'SecurityEventProvider',
        alternateId: provider.name,
        displayName: provider.issuer,
        detailEntry: { trust: JSON.stringify(trustBody(trust)) },
      },
    ],
    debugData: requestData(by),
  })
}

/** One risk event that a risk provider sent (OKTA-L72). Values are strings, the list one of pseudo-maps. */
export function riskSignalEntry(
  world: Source,
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

function requestData({ requestId }: Actor): JsonObject {
  return requestId === undefined ? {} : { requestId }
}
