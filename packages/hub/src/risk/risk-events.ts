import type { Actor } from '../base/actor.ts'
import { createGroupCommit, type GroupCommitLimits } from '../base/group-commit.ts'
import { HubError } from '../base/hub-error.ts'
import type { Meter } from '../base/meter.ts'
import type { Transact } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import { applyStatements, type StatementDeps } from './apply-statements.ts'
import { statementOfReason } from './statement.ts'
import type { RiskEvent } from './risk-event.ts'
import type { RiskEventCounts, RiskProviderStore } from './risk-provider-store.ts'
import type { RiskProvider } from './risk-provider.ts'
import type { RiskReason } from './risk-reason.ts'
import { wordJudge, type RiskSourceStore } from './risk-sources.ts'
import { isLater } from './risk-state.ts'

export interface RiskEventJournal {
  riskEventsConsumed(consumed: readonly ConsumedRiskEvents[]): Promise<void>
}

interface RiskEventStores {
  readonly riskProviders: Pick<RiskProviderStore, 'findByClientId' | 'count'>
  readonly riskSources: Pick<RiskSourceStore, 'list'>
  readonly subjects: StatementDeps['subjects']
  readonly risk: StatementDeps['risk']
}

/** Risk events that a provider sent, for the System Log (OKTA-V18). */
export interface ConsumedRiskEvents {
  readonly provider: RiskProvider
  readonly events: readonly RiskEvent[]
  readonly by: Actor
}

export interface RiskEventsDeps {
  readonly world: Pick<World, 'now' | 'newUuid' | 'newId'>
  /** The issuer of our own users' ids. */
  readonly origin: string
  readonly transaction: Transact<RiskEventStores, RiskEventJournal>
  readonly limits?: GroupCommitLimits
  readonly meter?: Pick<Meter, 'now' | 'committed'> | undefined
}

export interface RiskEvents {
  /**
   * Stores all events of a request durably, or none. Events of a provider with the action `none` are only counted.
   * @param clientId - of the access token of the request; undefined for an API token
   * @throws HubError `access.forbidden` when no risk provider has this client (OKTA-V10, OKTA-V19), `hub.overloaded`,
   *   `hub.unavailable`: nothing was stored
   */
  consume(clientId: string | undefined, events: readonly RiskEvent[], by: Actor): Promise<void>
}

/** How long an event without `expiresAt` holds (OKTA-V14), in milliseconds. */
export const holdsDefaultMs = 24 * 60 * 60_000

export function createRiskEvents({
  world,
  origin,
  transaction,
  limits = requestLimits,
  meter,
}: RiskEventsDeps): RiskEvents {
  /** Stores all requests, or none. @returns for each whether its client belongs to a risk provider */
  const consumeAll = (requests: readonly Request[]): Promise<readonly Outcome[]> =>
    transaction(async ({ stores, journal }) => {
      const { riskProviders, riskSources, subjects, risk } = stores
      const providerOf = await providersOf(riskProviders, requests)
      const consumed = requests.flatMap(({ clientId, events, by }) => {
        const provider = providerOf(clientId)
        return provider === undefined || provider.action === 'none' ? [] : [{ provider, events, by }]
      })
      if (consumed.length > 0) {
        const reasons = consumed.flatMap(({ provider, events }) => reasonsOf(provider, events, world))
        const judge = wordJudge(await riskSources.list())
        const deps = { subjects, risk, world, judge, origin, ignoreUnknownUsers: false }
        await applyStatements(deps, reasons.map(statementOfReason))
        await journal.riskEventsConsumed(consumed)
      }
      for (const [provider, counts] of countsOf(requests, providerOf)) {
        await riskProviders.count(provider.id, counts)
      }
      return requests.map(({ clientId }) => (providerOf(clientId) === undefined ? 'no_sender' : 'taken'))
    })
  /** Used when a batch fails: one bad request must not fail the others. */
  const consumeEach = async (requests: readonly Request[]): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = []
    for (const request of requests) {
      outcomes.push(...(await consumeAll([request]).catch((cause: unknown) => [{ cause }])))
    }
    return outcomes
  }
  const requests = createGroupCommit<Request, Outcome>({
    commit: (batch) =>
      batch.length === 1 ? consumeAll(batch) : consumeAll(batch).catch(() => consumeEach(batch)),
    unavailable: unavailable.detail,
    limits,
    kind: 'risk_events',
    meter,
  })
  return {
    async consume(clientId, events, by) {
      const outcome = await requests.append({ clientId, events, by })
      if (outcome === 'no_sender') throw notASender()
      if (outcome !== 'taken') throw new HubError('hub.unavailable', { ...unavailable, cause: outcome.cause })
    },
  }
}

/** How many requests share a commit, and how many may wait for one. */
export const requestLimits: GroupCommitLimits = { batchMax: 64, waitingMax: 2_000 }

const unavailable = { detail: 'The risk events could not be stored. Send them again.', retryAfterS: 5 }

interface Request {
  readonly clientId: string | undefined
  readonly events: readonly RiskEvent[]
  readonly by: Actor
}

type Outcome = 'taken' | 'no_sender' | { readonly cause: unknown }

type ProviderOf = (clientId: string | undefined) => RiskProvider | undefined

async function providersOf(
  riskProviders: RiskEventStores['riskProviders'],
  requests: readonly Request[],
): Promise<ProviderOf> {
  const known = new Map<string | undefined, RiskProvider | undefined>()
  for (const { clientId } of requests) {
    if (clientId === undefined || known.has(clientId)) continue
    known.set(clientId, await riskProviders.findByClientId(clientId))
  }
  return (clientId) => known.get(clientId)
}

function countsOf(
  requests: readonly Request[],
  providerOf: ProviderOf,
): ReadonlyMap<RiskProvider, RiskEventCounts> {
  const counts = new Map<RiskProvider, RiskEventCounts>()
  for (const { clientId, events } of requests) {
    const provider = providerOf(clientId)
    if (provider === undefined) continue
    const { taken, ignored } = counts.get(provider) ?? { taken: 0, ignored: 0 }
    const isIgnored = provider.action === 'none'
    counts.set(provider, {
      taken: taken + (isIgnored ? 0 : events.length),
      ignored: ignored + (isIgnored ? events.length : 0),
    })
  }
  return counts
}

/**
 * One reason for each address: the latest, at the same moment the highest. An event from the future is dated to now:
 * otherwise a fast clock would win against all later statements. An expired event is kept: it replaces the provider's
 * earlier reason.
 */
export function reasonsOf(
  provider: Pick<RiskProvider, 'id' | 'name'>,
  events: readonly RiskEvent[],
  world: Pick<World, 'now' | 'newUuid'>,
): readonly RiskReason[] {
  const now = world.now()
  const byIdentifier = new Map<string, RiskReason>()
  for (const { timestamp, expiresAt, subjects } of events) {
    const occurredAt = timestamp === undefined || timestamp > now ? now : timestamp
    for (const { identifier, level, message } of subjects) {
      const reason: RiskReason = {
        id: world.newUuid(),
        identifier,
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
        dismissedAt: undefined,
      }
      const before = byIdentifier.get(identifier)
      if (before === undefined || isLater(reason, before)) byIdentifier.set(identifier, reason)
    }
  }
  return [...byIdentifier.values()]
}

function notASender(): HubError {
  return new HubError('access.forbidden', {
    detail:
      'Only the service app of a risk provider may send risk events. Register it under /api/v1/risk/providers with this client id, and use its access token.',
  })
}
