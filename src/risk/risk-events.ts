import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { RiskEvent } from './risk-event.ts'
import type { RiskProviderStore } from './risk-provider-store.ts'
import type { RiskProvider } from './risk-provider.ts'
import type { RiskReason } from './risk-reason.ts'
import { isLater } from './risk-state.ts'

/** What happens in one transaction: reasons, log entries and counters, or none of them. */
export interface RiskEventWork {
  readonly riskProviders: Pick<RiskProviderStore, 'findByClientId' | 'count'>
  /** Makes each the current reason of its address, unless there is later news of the provider. */
  readonly putReasons: (reasons: readonly RiskReason[]) => Promise<void>
  readonly journal: {
    record(consumed: ConsumedRiskEvents): Promise<void>
  }
}

/** Risk events that a provider sent, for the System Log (V18). */
export interface ConsumedRiskEvents {
  readonly provider: RiskProvider
  readonly events: readonly RiskEvent[]
  readonly by: Actor
}

export interface RiskEventsDeps {
  readonly world: Pick<World, 'now' | 'newUuid'>
  readonly transaction: <T>(work: (tx: RiskEventWork) => Promise<T>) => Promise<T>
}

export interface RiskEvents {
  /**
   * Takes all events of a request, durably, or none. What a provider with the action `none` sends is only counted.
   * @param clientId - of the access token that the request came with; undefined for an API token
   * @throws HubError `access.forbidden` when that is the client of no risk provider (V10, V19)
   */
  consume(clientId: string | undefined, events: readonly RiskEvent[], by: Actor): Promise<void>
}

/** How long an event holds that does not say so (V14). */
export const holdsDefaultMs = 24 * 60 * 60_000

export function createRiskEvents({ world, transaction }: RiskEventsDeps): RiskEvents {
  return {
    consume: (clientId, events, by) =>
      transaction(async ({ riskProviders, putReasons, journal }) => {
        const provider = clientId === undefined ? undefined : await riskProviders.findByClientId(clientId)
        if (provider === undefined) throw notASender()
        if (provider.action === 'none') {
          await riskProviders.count(provider.id, { taken: 0, ignored: events.length })
          return
        }
        await putReasons(reasonsOf(provider, events, world))
        await riskProviders.count(provider.id, { taken: events.length, ignored: 0 })
        await journal.record({ provider, events, by })
      }),
  }
}

/**
 * What the events mean for their addresses: one reason each, the latest and then the highest that they give. An event
 * from the future happened now, because a fast clock must not outdo all later news. One that has expired already is
 * kept all the same: it takes back what the provider said before.
 */
export function reasonsOf(
  provider: Pick<RiskProvider, 'id' | 'name'>,
  events: readonly RiskEvent[],
  world: RiskEventsDeps['world'],
): readonly RiskReason[] {
  const now = world.now()
  const byAnchor = new Map<string, RiskReason>()
  for (const { timestamp, expiresAt, subjects } of events) {
    const occurredAt = timestamp === undefined || timestamp > now ? now : timestamp
    for (const { anchor, level, message } of subjects) {
      const reason: RiskReason = {
        id: world.newUuid(),
        anchor,
        source: { kind: 'risk_provider', id: provider.id },
        slot: 'address',
        detection: 'Risk Provider Reported Risk',
        level,
        message,
        occurredAt,
        receivedAt: now,
        expiresAt: expiresAt ?? new Date(now.getTime() + holdsDefaultMs),
        signalId: undefined,
        eventType: undefined,
      }
      const before = byAnchor.get(anchor)
      if (before === undefined || isLater(reason, before)) byAnchor.set(anchor, reason)
    }
  }
  return [...byAnchor.values()]
}

function notASender(): HubError {
  return new HubError('access.forbidden', {
    detail:
      'Only the service app of a risk provider may send risk events. Register it under /api/v1/risk/providers with this client id, and use its access token.',
  })
}
