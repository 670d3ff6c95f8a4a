import { actorOf } from '../access/caller.ts'
import type { World } from '../base/world.ts'
import { readRiskEvents } from '../risk/risk-event.ts'
import type { RiskEvents } from '../risk/risk-events.ts'
import type { RiskEventCounts } from '../risk/risk-provider-store.ts'
import type { RiskProviders } from '../risk/risk-providers.ts'
import { actorFacts, routesOf, type Route } from './route.ts'

export interface RiskEventCountDeps {
  readonly riskProviders: Pick<RiskProviders, 'get'>
  riskEventCounts(): Promise<ReadonlyMap<string, RiskEventCounts>>
}

/** How many risk events a provider sent: what is left of those that its action `none` set aside. */
export function riskEventCountRoutes({
  riskProviders,
  riskEventCounts,
}: RiskEventCountDeps): readonly Route[] {
  return routesOf({
    'GET /v1/risk/providers/:id/counts': async ({ params }) => {
      const { id } = await riskProviders.get(params['id'] ?? '')
      const { taken, ignored } = (await riskEventCounts()).get(id) ?? { taken: 0, ignored: 0 }
      return { status: 200, body: { taken, ignored } }
    },
  })
}

export interface RiskEventDeps {
  readonly riskEvents: RiskEvents
  readonly world: Pick<World, 'now'>
}

/** Risk Events (OKTA §5): 202 without a body, when all of them are durable. */
export function riskEventRoutes({ riskEvents, world }: RiskEventDeps): readonly Route[] {
  return routesOf({
    'POST /api/v1/risk/events/ip': async (request, caller) => {
      const clientId = caller.kind === 'client' ? caller.clientId : undefined
      const by = actorOf(caller, actorFacts(request))
      await riskEvents.consume(clientId, readRiskEvents(request.json, world.now()), by)
      return { status: 202 } // OKTA-V11
    },
  })
}
