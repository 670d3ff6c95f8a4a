import { succeedsWithin } from '../base/succeeds-within.ts'
import type { Hub } from '../hub.ts'
import { problemOf } from '../streams/stream.ts'
import { riskLevels } from '../risk/risk-level.ts'
import type { Storage } from '../stores.ts'
import type { Instruments } from './registry.ts'

export interface HubStateDeps {
  readonly now: () => Date
  /** Requests in progress. */
  readonly inFlight: () => number
  readonly hub: Pick<Hub, 'keys' | 'intake' | 'waitingSets' | 'providers'>
  readonly storage: Pick<Storage, 'poolStats'> & {
    readonly stores: Pick<Storage['stores'], 'signals' | 'erasures' | 'subjects'>
  }
}

/** A scrape waits at most this long for the database. */
const databaseWaitMs = 2_000
/** Maximum index entries and rows that a scrape reads for each level: never all subjects. */
const riskyLookedAtMax = 100_000

/**
 * Gauges are read at scrape time, with few and bounded queries.
 * @returns a function to call before the metrics are written; never rejects
 */
export function createHubState(instruments: Instruments, deps: HubStateDeps): () => Promise<void> {
  const { gauge } = instruments
  const flag = (yes: boolean): number => (yes ? 1 : 0)
  const secondsOf = (date: Date): number => date.getTime() / 1_000

  function readMemory(): void {
    const { hub, storage } = deps
    gauge('watchbell_inbox_waiting').set(hub.waitingSets())
    gauge('watchbell_http_requests_in_flight').set(deps.inFlight())

    gauge('watchbell_jwks_age_seconds').reset()
    gauge('watchbell_jwks_failing').reset()
    for (const [provider, { ageMs, lastError }] of hub.keys.statuses()) {
      if (ageMs !== undefined) gauge('watchbell_jwks_age_seconds').set({ provider }, ageMs / 1_000)
      gauge('watchbell_jwks_failing').set({ provider }, flag(lastError !== undefined))
    }

    for (const name of streamGauges) gauge(name).reset()
    for (const {
      providerId: provider,
      settings,
      status = 'unknown',
      ...stream
    } of hub.intake.registry.list()) {
      gauge('watchbell_stream_status').set({ provider, delivery: settings.delivery, status }, 1)
      gauge('watchbell_stream_failing').set({ provider }, flag(problemOf(stream) !== undefined))
      if (stream.lastEventAt !== undefined) {
        gauge('watchbell_stream_last_event_timestamp_seconds').set(
          { provider },
          secondsOf(stream.lastEventAt),
        )
      }
    }

    const pool = storage.poolStats?.()
    if (pool === undefined) return
    gauge('watchbell_database_pool_connections').set({ state: 'busy' }, pool.total - pool.idle)
    gauge('watchbell_database_pool_connections').set({ state: 'idle' }, pool.idle)
    gauge('watchbell_database_pool_waiting').set(pool.waiting)
  }

  async function readDatabase(): Promise<void> {
    const { signals, erasures, subjects } = deps.storage.stores
    const providers = await deps.hub.providers.list()
    gauge('watchbell_provider_info').reset()
    for (const { id: provider, name, issuer } of providers) {
      gauge('watchbell_provider_info').set({ provider, name, issuer }, 1)
    }
    const [counts, [oldest], erasing] = await Promise.all([
      signals.counts(),
      signals.claimOldest(1),
      erasures.backlog(),
    ])
    for (const [index, level] of riskLevels.entries()) {
      if (index > 0)
        gauge('watchbell_users').set({ level }, await subjects.countUsersOf(index, riskyLookedAtMax))
    }
    const ageS = (since: Date | undefined): number =>
      since === undefined ? 0 : Math.max(0, secondsOf(deps.now()) - secondsOf(since))
    gauge('watchbell_signals_pending').set(counts.pending)
    gauge('watchbell_signals_failed').set(counts.failed)
    gauge('watchbell_signals_oldest_pending_age_seconds').set(ageS(oldest?.receivedAt))
    gauge('watchbell_erasures_pending').set(erasing.count)
    gauge('watchbell_erasures_oldest_pending_age_seconds').set(ageS(erasing.since))
  }

  return async () => {
    readMemory()
    for (const name of databaseGauges) gauge(name).remove()
    gauge('watchbell_users').reset()
    const up = await succeedsWithin(databaseWaitMs, readDatabase())
    gauge('watchbell_database_up').set(flag(up))
  }
}

const streamGauges = [
  'watchbell_stream_status',
  'watchbell_stream_failing',
  'watchbell_stream_last_event_timestamp_seconds',
] as const

const databaseGauges = [
  'watchbell_signals_pending',
  'watchbell_signals_failed',
  'watchbell_signals_oldest_pending_age_seconds',
  'watchbell_erasures_pending',
  'watchbell_erasures_oldest_pending_age_seconds',
] as const
