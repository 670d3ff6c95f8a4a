import type { RateCounts } from '../access/rate-counts.ts'
import { createRateLimits, type RateLimits } from '../access/rate-limits.ts'
import type { ServiceAppStore } from '../access/service-app.ts'
import type { Meter } from '../base/meter.ts'
import type { Transact } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import type { ProviderStore } from '../providers/provider-store.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'
import { createPeople, type People, type PeopleJournal } from './people.ts'
import {
  createProviderActions,
  type ProviderActionJournal,
  type ProviderActions,
} from './provider-actions.ts'
import { createRiskEvents, type RiskEventJournal, type RiskEvents } from './risk-events.ts'
import type { RiskEventCounts, RiskProviderStore } from './risk-provider-store.ts'
import { createRiskProviders, type RiskProviderJournal, type RiskProviders } from './risk-providers.ts'
import { refreshedAfter, type RiskSources, type RiskSourceStore } from './risk-sources.ts'
import type { RiskStore } from './risk-store.ts'

export interface RiskRoomStores {
  readonly subjects: SubjectStore
  readonly risk: RiskStore
  readonly riskSources: RiskSourceStore
  readonly riskProviders: RiskProviderStore
  readonly providers: Pick<ProviderStore, 'findById'>
  readonly serviceApps: Pick<ServiceAppStore, 'find'>
}

export interface RiskRoomJournal
  extends PeopleJournal, ProviderActionJournal, RiskEventJournal, RiskProviderJournal {}

export interface RiskRoomDeps {
  readonly world: World
  readonly meter: Meter
  readonly stores: RiskRoomStores
  readonly transaction: Transact<RiskRoomStores, RiskRoomJournal>
  readonly sources: RiskSources
  readonly rateCounts: RateCounts
  /** The issuer of our own users' ids. */
  readonly origin: string
  readonly riskProvidersMax: number
  /** Per risk provider; 0 is without limit. */
  readonly riskEventRequestsPerMinute: number
}

/** Risk providers, risk events, actions of providers, and subjects with their risk. */
export interface RiskRoom {
  readonly riskProviders: RiskProviders
  readonly riskEvents: RiskEvents
  /** Keyed by the id of the risk provider. */
  riskEventCounts(): Promise<ReadonlyMap<string, RiskEventCounts>>
  readonly riskEventLimits: RateLimits
  readonly providerActions: ProviderActions
  readonly people: People
}

export function createRiskRoom(deps: RiskRoomDeps): RiskRoom {
  const { world, meter, stores, transaction, sources, rateCounts, origin } = deps
  const changingSources = refreshedAfter(sources, transaction)
  return {
    riskProviders: createRiskProviders({
      world,
      store: stores.riskProviders,
      transaction: changingSources,
      providersMax: deps.riskProvidersMax,
    }),
    riskEvents: createRiskEvents({ world, origin, transaction, meter }),
    riskEventCounts: () => stores.riskProviders.counts(),
    riskEventLimits: createRateLimits(rateCounts, 'risk events', {
      perToken: deps.riskEventRequestsPerMinute,
      perClient: deps.riskEventRequestsPerMinute,
      perAddress: 0,
    }),
    providerActions: createProviderActions({
      world,
      sources,
      subjects: stores.subjects,
      transaction: changingSources,
    }),
    people: createPeople({ world, judge: sources.judge, origin, stores, transaction }),
  }
}
