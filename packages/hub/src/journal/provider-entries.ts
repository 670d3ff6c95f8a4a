import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { Provider } from '../providers/provider.ts'
import type { ProviderChange } from '../providers/providers.ts'
import type { ProviderActionChange, ProviderTrustChange } from '../risk/provider-actions.ts'
import { trustBody } from '../risk/source-trust.ts'
import type { DialectsChange } from '../streams/provider-dialects.ts'
import { logEvent, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'
import { changeTitles, providerTarget, requestData, type JournalWorld } from './entry-parts.ts'

/** A provider was created, changed, deleted, activated or deactivated (OKTA-L60). */
export function providerEntry(world: JournalWorld, { kind, provider, before, by }: ProviderChange): LogEvent {
  const detailEntry = providerDetails(provider)
  const target: LogTarget = {
    ...providerTarget(provider),
    detailEntry,
    ...(kind === 'update' && before && { changeDetails: difference(providerDetails(before), detailEntry) }),
  }
  return logEvent(world, {
    eventType: `security.events.provider.${kind}`,
    displayMessage: `${changeTitles[kind]} a security events provider`,
    by,
    target: [target],
    debugData: requestData(by),
  })
}

function providerDetails({ issuer, jwksUrl, wellKnownUrl, type, name }: Provider): JsonObject {
  return { issuer, jwksUrl, wellKnownUrl: wellKnownUrl ?? null, providerType: type, providerName: name }
}

/** The members whose values differ, as they were and as they are. */
function difference(before: JsonObject, after: JsonObject): { from: JsonObject; to: JsonObject } {
  const names = Object.keys(after).filter((name) => before[name] !== after[name])
  const only = (from: JsonObject): JsonObject =>
    Object.fromEntries(names.map((name) => [name, from[name] ?? null]))
  return { from: only(before), to: only(after) }
}

/** The action of a security events provider changed. */
export function providerActionEntry(
  world: JournalWorld,
  { provider, from, to, by }: ProviderActionChange,
): LogEvent {
  return providerUpdateEntry(world, provider, by, {
    detailEntry: { action: to },
    changeDetails: { from: { action: from }, to: { action: to } },
  })
}

/** The trust of a security events provider changed. */
export function providerTrustEntry(
  world: JournalWorld,
  { provider, trust, by }: ProviderTrustChange,
): LogEvent {
  return providerUpdateEntry(world, provider, by, {
    detailEntry: { trust: JSON.stringify(trustBody(trust)) },
  })
}

/** The dialects of a security events provider changed. */
export function dialectsEntry(world: JournalWorld, { provider, from, to, by }: DialectsChange): LogEvent {
  return providerUpdateEntry(world, provider, by, {
    detailEntry: { ...to },
    changeDetails: { from: { ...from }, to: { ...to } },
  })
}

/** Settings that Okta does not have are entered as a change of the provider (OKTA-L60). */
function providerUpdateEntry(
  world: JournalWorld,
  provider: Provider,
  by: Actor,
  details: Pick<LogTarget, 'detailEntry' | 'changeDetails'>,
): LogEvent {
  return logEvent(world, {
    eventType: 'security.events.provider.update',
    displayMessage: 'Update a security events provider',
    by,
    target: [{ ...providerTarget(provider), ...details }],
    debugData: requestData(by),
  })
}
