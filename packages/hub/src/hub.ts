import type { Logger } from '@watchbell/receiver/base'
import { createKeyCache, defaultKeyLimits, fetchKeySet, type KeyCache } from '@watchbell/receiver/jwks'
import { createAccessRoom, type AccessRoom } from './access/access-room.ts'
import { followChanges } from './base/follow-changes.ts'
import { HubError } from './base/hub-error.ts'
import { silentMeter, type Meter } from './base/meter.ts'
import type { SecretBox } from './base/secret-box.ts'
import { succeedsWithin } from './base/succeeds-within.ts'
import { silentTracer, type Tracer } from './base/tracer.ts'
import type { World } from './base/world.ts'
import { matchesOf, type EventMatch } from './handling/event-matches.ts'
import { createIngestRoom, type IngestRoom } from './ingest/ingest-room.ts'
import { createStreamRoom, type StreamRoom } from './streams/stream-room.ts'
import { createEvaluationJournal } from './journal/evaluation-journal.ts'
import { journaled } from './journal/journal.ts'
import { createEvaluator, type Evaluator } from './policy/evaluator.ts'
import type { NeverDenied } from './policy/never-denied.ts'
import type { OutcomeTable } from './policy/outcome-table.ts'
import type { OutcomeRules } from './policy/outcome.ts'
import { createUntimedSessions } from './policy/untimed-sessions.ts'
import { createProviders, followedProviders, type Providers } from './providers/providers.ts'
import type { RiskAction } from './risk/risk-action.ts'
import { createRiskRoom, type RiskRoom } from './risk/risk-room.ts'
import { createRiskSources, refreshedAfter } from './risk/risk-sources.ts'
import { createSourceChanges } from './risk/source-changes.ts'
import type { SignalStore } from './signals/signal-store.ts'
import type { Signal } from './signals/signal.ts'
import type { Storage, Stores } from './stores.ts'
import type { ErasureBacklog } from './subjects/erasure-store.ts'
import { defaultDiscoveryLimits, readTransmitterMetadata } from './streams/discovery.ts'
import { createHealthLog } from './streams/health-log.ts'
import { changeStreamsOfProvider } from './streams/provider-changes.ts'
import { untouchedStreams } from './streams/untouched-streams.ts'
import type { Erasures } from './upkeep/erasures.ts'
import { createUpkeepRoom } from './upkeep/upkeep-room.ts'

export interface HubSettings {
  /** Public origin, without a trailing slash: issuer of access tokens and audience of SETs. */
  readonly origin: string
  /** Days; 0 keeps for ever. The same for the next three. */
  readonly signalRetentionDays: number
  readonly tokenRetentionDays: number
  readonly logRetentionDays: number
  readonly riskHistoryRetentionDays: number
  /** Per token, client and address; 0 is without limit. */
  readonly apiRequestsPerMinute: number
  /** Per issuer and per source address; 0 is without limit. */
  readonly refusalsPerMinute: number
  /** Verified SETs and their bytes, per provider; 0 or undefined is without limit. */
  readonly setsPerMinute?: number
  readonly setBytesPerMinute?: number
  readonly checkKeysOnCreate: boolean
  /** Seconds for one request to a transmitter, except polls; 10 unless given. */
  readonly transmitterTimeoutS?: number
  readonly riskProvidersMax: number
  /** Per risk provider; 0 is without limit. */
  readonly riskEventRequestsPerMinute: number
  readonly riskOutcomes: OutcomeRules
  /** Empty unless given. */
  readonly outcomeTable?: OutcomeTable
  /** The action of a newly registered security events provider; `enforce_and_log` unless given. */
  readonly newProviderAction?: RiskAction
  /** Empty unless given. */
  readonly neverDenied?: NeverDenied
  readonly logEvaluations: 'all' | 'non_allow'
}

export interface HubDeps {
  readonly world: World
  readonly logger: Logger
  readonly storage: Pick<
    Storage,
    'stores' | 'transaction' | 'onChange' | 'makeRoom' | 'clock' | 'dropOverwritten'
  >
  readonly secretBox: SecretBox
  /** Why the hub would not fetch a URL, judged by its text alone; undefined when it would. */
  readonly urlProblem: (url: string) => string | undefined
  readonly settings: HubSettings
  /** Why this hub is a standby, which only answers reads; undefined when it is active. */
  readonly standby?: string | undefined
  /** No metrics and no traces unless given. */
  readonly meter?: Meter
  readonly tracer?: Tracer
}

type InAccess = Omit<AccessRoom, 'rateCounts' | 'housekeeping' | 'rateExchange'>
type InIngest = Pick<IngestRoom, 'push' | 'pushToStream' | 'refuseUnread' | 'waitingSets'>

/** The wired rooms, without HTTP and database. Disposing ends the loops and stores what is still in memory. */
export interface Hub extends AsyncDisposable, InAccess, RiskRoom, InIngest {
  readonly origin: string
  /** Why this hub is a standby; undefined when it is active. */
  readonly standby: string | undefined
  readonly providers: Providers
  readonly keys: KeyCache
  readonly signals: Pick<SignalStore, 'find' | 'list' | 'counts'>
  readonly systemLog: Stores['systemLog']
  readonly evaluator: Evaluator
  readonly erasures: Pick<Erasures, 'erase' | 'get' | 'list'>
  /** For each signal, whether each of its events was applied to its subject. */
  matchesOf(signals: readonly Signal[]): Promise<readonly (readonly EventMatch[])[]>
  readonly intake: StreamRoom
  readonly urlProblem: HubDeps['urlProblem']
  /** Unfinished erasures, at most a few seconds old; undefined when the storage does not answer in time. */
  erasuresLeft(): Promise<ErasureBacklog | undefined>
  /** Whether the storage answers reads and accepts writes in time. */
  isReady(): Promise<boolean>
}

/** `Retry-After` of a standby, in seconds. */
const standbyRetryS = 60
/** Readiness probes give up after this long. */
const readyWaitMs = 3_000

export async function createHub(deps: HubDeps): Promise<Hub> {
  const { world, logger, storage, secretBox, urlProblem, settings, standby } = deps
  const { meter = silentMeter, tracer = silentTracer } = deps
  const { origin, newProviderAction } = settings
  const changing = journaled(storage, world)
  const { stores, transaction } = changing
  const requestTimeoutMs = (settings.transmitterTimeoutS ?? 10) * 1_000

  const { rateCounts, housekeeping, rateExchange, ...access } = await createAccessRoom({
    world,
    logger,
    storage: changing,
    box: secretBox,
    origin,
    apiRequestsPerMinute: settings.apiRequestsPerMinute,
    isShared: storage.onChange !== undefined,
  })

  const keys = createKeyCache({
    world,
    logger,
    limits: defaultKeyLimits,
    observer: {
      keySetFetched: (providerId, outcome) => meter.keySetFetched(providerId, outcome),
      span: (name, work) => tracer.span(name, work),
    },
  })
  const sources = await createRiskSources(stores.riskSources)
  const changingSources = refreshedAfter(sources, transaction)
  const knownProviders = await createProviders({
    world,
    store: stores.providers,
    transaction: changingSources,
    consequences: [createSourceChanges({ world, newProviderAction }), changeStreamsOfProvider],
    readMetadata: (url) =>
      readTransmitterMetadata({ world, urlProblem }, url, {
        ...defaultDiscoveryLimits,
        fetchTimeoutMs: requestTimeoutMs,
      }),
    checkKeys: settings.checkKeysOnCreate
      ? async (jwksUrl) => void (await fetchKeySet(world, jwksUrl, defaultKeyLimits))
      : undefined,
    providersMax: 1_000,
  })

  const intake = await createStreamRoom({
    world,
    logger,
    stores,
    transaction,
    box: secretBox,
    origin,
    urlProblem,
    providers: knownProviders,
    requestTimeoutMs,
  })

  const providers = followedProviders(knownProviders, {
    replaced: () => intake.registry.refresh(), // A change of the provider may detach its stream.
    deleted(id) {
      keys.forget(id)
      intake.forgetProvider(id)
    },
  })
  const risk = createRiskRoom({
    world,
    meter,
    stores,
    transaction,
    sources,
    rateCounts,
    origin,
    riskProvidersMax: settings.riskProvidersMax,
    riskEventRequestsPerMinute: settings.riskEventRequestsPerMinute,
  })
  const evaluations = createEvaluationJournal(world, stores.systemLog, meter)
  const evaluator = createEvaluator({
    world,
    reader: stores.riskReader,
    sources,
    rules: settings.riskOutcomes,
    outcomeTable: settings.outcomeTable ?? [],
    neverDenied: settings.neverDenied ?? new Set(),
    untimedSessions: createUntimedSessions({ world, marks: stores.signInMarks, transaction }),
    journalsAllowed: settings.logEvaluations === 'all',
    journal: evaluations,
    meter,
    tracer,
  })

  const ingest = await createIngestRoom({
    world,
    logger,
    storage,
    providers,
    keys,
    intake,
    rateCounts,
    origin,
    refusalsPerMinute: settings.refusalsPerMinute,
    setsPerMinute: settings.setsPerMinute ?? 0,
    setBytesPerMinute: settings.setBytesPerMinute ?? 0,
    meter,
    tracer,
  })
  const upkeep = createUpkeepRoom({
    storage: changing,
    world,
    logger,
    meter,
    days: {
      signals: settings.signalRetentionDays,
      tokens: settings.tokenRetentionDays,
      log: settings.logRetentionDays,
      riskHistory: settings.riskHistoryRetentionDays,
    },
  })

  /** A standby does not run these. */
  const activeWorkers = [intake.keeper, ...upkeep.workers, housekeeping]
  const healthLog = createHealthLog({
    keys,
    registry: intake.registry,
    nameOf: async (id) => (await stores.providers.findById(id))?.name,
    logger,
  })
  const standbyWorkers = rateExchange === undefined ? [healthLog] : [healthLog, rateExchange]
  if (standby === undefined) {
    ingest.startPolling()
    for (const worker of activeWorkers) worker.start()
  }
  for (const worker of standbyWorkers) worker.start()

  /** @throws HubError `hub.standby`: the active hub would never see what a standby accepted */
  const requireActive = (): void => {
    if (standby !== undefined) throw new HubError('hub.standby', { retryAfterS: standbyRetryS })
  }

  const following = followChanges({
    source: storage,
    logger,
    remembered: [
      { tables: ['providers'], refresh: async () => keys.keepOnly(await providers.refresh()) },
      {
        tables: ['providers', 'risk_providers', 'provider_actions', 'provider_trust'],
        refresh: () => sources.refresh(),
      },
      { tables: ['streams'], refresh: () => intake.registry.refresh() },
      { tables: ['provider_dialects'], refresh: () => intake.dialects.refresh() },
    ],
  })

  return {
    ...access,
    ...risk,
    origin,
    standby,
    providers,
    keys,
    signals: stores.signals,
    systemLog: stores.systemLog,
    evaluator,
    erasures: upkeep.erasures,
    matchesOf: (signals) => matchesOf(stores.subjects, signals),
    intake: standby === undefined ? intake : { ...intake, streams: untouchedStreams(intake.streams) },
    urlProblem,
    riskEvents: {
      async consume(...request) {
        requireActive()
        return risk.riskEvents.consume(...request)
      },
    },
    async push(...pushed) {
      requireActive()
      return ingest.push(...pushed)
    },
    async pushToStream(push) {
      requireActive()
      return ingest.pushToStream(push)
    },
    refuseUnread: ingest.refuseUnread,
    waitingSets: ingest.waitingSets,
    async erasuresLeft() {
      let left: ErasureBacklog | undefined
      const reading = upkeep.erasureBacklog().then((backlog) => (left = backlog))
      return (await succeedsWithin(readyWaitMs, reading)) ? left : undefined
    },
    async isReady() {
      // Every request with a token makes this read: on SQLite in a thread without searches.
      const tokenRead = stores.apiTokens.findLiveByHash('')
      const checks = Promise.all([ingest.canStore(), tokenRead])
      return succeedsWithin(
        readyWaitMs,
        checks.then(([canStore]) => {
          if (!canStore) throw new HubError('hub.unavailable')
        }),
      )
    },
    async [Symbol.asyncDispose]() {
      await following[Symbol.asyncDispose]()
      await ingest[Symbol.asyncDispose]()
      await evaluations[Symbol.asyncDispose]()
      for (const worker of [...activeWorkers, ...standbyWorkers]) await worker[Symbol.asyncDispose]()
      await keys[Symbol.asyncDispose]()
    },
  }
}
