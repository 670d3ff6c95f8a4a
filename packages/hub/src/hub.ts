import { accessTokenLifetimeS, createAccessTokens } from './access/access-tokens.ts'
import { createApiTokens, type ApiTokens } from './access/api-tokens.ts'
import { createAuthenticator, type Authenticator } from './access/authenticator.ts'
import { createClientKeys } from './access/client-keys.ts'
import { createDpopNonces } from './access/dpop-nonces.ts'
import { pruneAccess } from './access/housekeeping.ts'
import { createRateCounts } from './access/rate-counts.ts'
import {
  createIntakeLimiter,
  createRateLimits,
  createRefusalLimiter,
  type RateLimits,
} from './access/rate-limits.ts'
import { createServiceApps, type ServiceApps } from './access/service-apps.ts'
import { createSigningKeys, type SigningKeys } from './access/signing-keys.ts'
import { issueToken, type IssuedToken, type TokenRequest } from './access/token-endpoint.ts'
import { createClockFloor, type Logger } from '@watchbell/receiver/base'
import { followChanges } from './base/follow-changes.ts'
import { HubError } from './base/hub-error.ts'
import { silentMeter, type Meter } from './base/meter.ts'
import type { SecretBox } from './base/secret-box.ts'
import { recentAnswer } from './base/recent-answer.ts'
import { succeedsWithin } from './base/succeeds-within.ts'
import { silentTracer, type Tracer } from './base/tracer.ts'
import { createWorker } from './base/worker.ts'
import { createWriteProbe } from './base/write-probe.ts'
import type { World } from './base/world.ts'
import { createHealthLog } from './streams/health-log.ts'
import { createInbox } from './ingest/inbox.ts'
import { accept, refuseSet, type Receipt } from './ingest/accept.ts'
import { createErasures, type Erasures } from './upkeep/erasures.ts'
import { createExpiry } from './upkeep/expiry.ts'
import { matchesOf, type EventMatch } from './handling/event-matches.ts'
import { createStreamPoller } from './ingest/poll-streams.ts'
import { pushToStream, type StreamPush } from './ingest/push-to-stream.ts'
import { createRefusalRecorder } from './ingest/refusals.ts'
import { createRejoining } from './upkeep/rejoining.ts'
import { createRetention } from './upkeep/retention.ts'
import { createStreamIntake, type StreamIntake } from './ingest/stream-intake.ts'
import { createKeyCache, type KeyCache, fetchKeySet, defaultKeyLimits } from '@watchbell/receiver/jwks'
import { createProviders, type Providers } from './providers/providers.ts'
import type { Provider } from './providers/provider.ts'
import { createEvaluator, type Evaluator } from './policy/evaluator.ts'
import type { NeverDenied } from './policy/never-denied.ts'
import type { OutcomeTable } from './policy/outcome-table.ts'
import type { RiskAction } from './risk/risk-action.ts'
import type { OutcomeRules } from './policy/outcome.ts'
import { createPeople, type People } from './risk/people.ts'
import { createProviderActions, type ProviderActions } from './risk/provider-actions.ts'
import { createUntimedSessions } from './policy/untimed-sessions.ts'
import { createRiskEvents, type RiskEvents } from './risk/risk-events.ts'
import { createRiskProviders, type RiskProviders } from './risk/risk-providers.ts'
import type { RiskEventCounts } from './risk/risk-provider-store.ts'
import { createSourceChanges } from './risk/source-changes.ts'
import { createRiskSources } from './risk/risk-sources.ts'
import { createSetVerifier } from '@watchbell/receiver/set'
import type { Signal } from './signals/signal.ts'
import type { SignalStore } from './signals/signal-store.ts'
import type { Storage, Stores } from './stores.ts'
import type { ErasureBacklog } from './subjects/erasure-store.ts'
import { defaultDiscoveryLimits, readTransmitterMetadata } from './streams/discovery.ts'
import { changeStreamsOfProvider } from './streams/provider-changes.ts'
import { untouchedStreams } from './streams/untouched-streams.ts'
import { journaled } from './journal/journal.ts'
import { evaluationEntry } from './journal/evaluation-entry.ts'
import { createLogRecorder } from './systemlog/log-recorder.ts'

export interface HubSettings {
  /** Public origin, without a trailing slash: issuer of access tokens and audience of SETs. */
  readonly origin: string
  /** Days; 0 is for ever, for all four. */
  readonly signalRetentionDays: number
  readonly tokenRetentionDays: number
  readonly logRetentionDays: number
  readonly riskHistoryRetentionDays: number
  /** Per token, client and address; 0 is without limit. */
  readonly apiRequestsPerMinute: number
  /** Per issuer and per source address; 0 is without limit. */
  readonly refusalsPerMinute: number
  /** SETs and bytes of SETs that verify, per provider; 0, or nothing, is without limit. */
  readonly setsPerMinute?: number
  readonly setBytesPerMinute?: number
  readonly checkKeysOnCreate: boolean
  /** Seconds for one request to a transmitter, polls apart; 10 unless given. */
  readonly transmitterTimeoutS?: number
  readonly riskProvidersMax: number
  /** Per risk provider; 0 is without limit. */
  readonly riskEventRequestsPerMinute: number
  readonly riskOutcomes: OutcomeRules
  /** Empty unless given. */
  readonly outcomeTable?: OutcomeTable
  /** What the word of a security events provider counts for when it is registered; it enforces unless given. */
  readonly newProviderAction?: RiskAction
  /** Nobody unless given. */
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
  /** Why a URL that a person gave would not be fetched, going by its text. */
  readonly urlProblem: (url: string) => string | undefined
  readonly settings: HubSettings
  /** Why this hub is a standby, which only shows what it holds; undefined when it is the hub itself. */
  readonly standby?: string | undefined
  /** Who counts what the hub does, and who traces it; nobody unless given. */
  readonly meter?: Meter
  readonly tracer?: Tracer
}

/** The rooms, wired. Knows no HTTP and no database; disposing ends its loops and stores what is still to be stored. */
export interface Hub extends AsyncDisposable {
  readonly origin: string
  /** Why this hub is a standby; undefined when it is none. */
  readonly standby: string | undefined
  readonly providers: Providers
  readonly keys: KeyCache
  readonly signals: Pick<SignalStore, 'find' | 'list' | 'counts'>
  readonly systemLog: Stores['systemLog']
  readonly apiTokens: ApiTokens
  readonly apiTokenStore: Stores['apiTokens']
  readonly serviceApps: ServiceApps
  readonly signingKeys: SigningKeys
  readonly authenticator: Authenticator
  readonly rateLimits: RateLimits
  readonly riskEventLimits: RateLimits
  readonly riskProviders: RiskProviders
  readonly riskEvents: RiskEvents
  readonly providerActions: ProviderActions
  readonly evaluator: Evaluator
  readonly people: People
  readonly erasures: Pick<Erasures, 'erase' | 'get' | 'list'>
  /** Which events of signals were applied to whom they are about. */
  matchesOf(signals: readonly Signal[]): Promise<readonly (readonly EventMatch[])[]>
  /** By the id of the risk provider. */
  riskEventCounts(): Promise<ReadonlyMap<string, RiskEventCounts>>
  readonly intake: StreamIntake
  readonly urlProblem: HubDeps['urlProblem']
  issueToken(request: TokenRequest): Promise<IssuedToken>
  /** Takes one pushed SET. @param enveloped - it was the `payload` of a JSON body. @see accept */
  push(body: Uint8Array | string, source: string, enveloped?: boolean): Promise<Receipt>
  /** Opens the URL of a stream for one SET. @see pushToStream */
  pushToStream(push: StreamPush): Promise<(body: Uint8Array) => Promise<Receipt>>
  /** Remembers a push that was refused before it was read. @throws HubError `request.rate_limited`. @see refuseSet */
  refuseUnread(error: HubError, source: string): Promise<void>
  /** How many SETs wait in memory to be stored. */
  waitingSets(): number
  /** Erasures that are not done, as of a few seconds ago at most; undefined when the storage does not say so in time. */
  erasuresLeft(): Promise<ErasureBacklog | undefined>
  /** Whether the storage answers, and takes what is to be stored, and soon. */
  isReady(): Promise<boolean>
}

const housekeepingMs = 60_000
/** When a sender may ask a standby again. */
const standbyRetryS = 60
/** Whoever asks whether we are ready waits no longer for a storage that hangs. */
const readyWaitMs = 3_000
/** Whoever asks whether we are ready may ask often. */
const erasuresLeftForMs = 5_000
/** How often nodes tell each other what they counted: as much may pass a limit as they let through in this time. */
const rateExchangeMs = 1_000

export async function createHub(deps: HubDeps): Promise<Hub> {
  const { world, logger, storage, secretBox, urlProblem, settings, standby } = deps
  const { meter = silentMeter, tracer = silentTracer } = deps
  const { origin, newProviderAction } = settings
  const changing = journaled(storage, world)
  const { stores, transaction } = changing
  const requestTimeoutMs = (settings.transmitterTimeoutS ?? 10) * 1_000

  const apiTokens = createApiTokens({ world, storage: changing, logger })
  const signingKeys = createSigningKeys({
    world,
    storage: changing,
    box: secretBox,
    signedForMaxMs: accessTokenLifetimeS * 1_000,
  })
  await signingKeys.current() // makes the first one, and shows at once when the secret key is not the right one
  const accessTokens = createAccessTokens({
    world,
    keys: signingKeys,
    origin,
    lifetimeS: accessTokenLifetimeS,
  })
  const tokenEndpoint = {
    world,
    tokenUrl: `${origin}/oauth2/v1/token`,
    issuer: origin,
    serviceApps: stores.serviceApps,
    clientKeys: createClientKeys(world),
    usedOnce: stores.usedOnce,
    nonces: createDpopNonces(world, secretBox),
    accessTokens,
    lifetimeS: accessTokenLifetimeS,
  }

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
  /** A transaction after which the words of sources may count for more or less. */
  const changingSources: typeof transaction = async (work) => {
    const result = await transaction(work)
    await sources.refresh()
    return result
  }
  const providers = await createProviders({
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

  const intake = await createStreamIntake({
    world,
    logger,
    storage: changing,
    box: secretBox,
    origin,
    urlProblem,
    providers,
    requestTimeoutMs,
  })

  const deleteProvider = async (...[id, by]: Parameters<Providers['delete']>): Promise<void> => {
    await providers.delete(id, by)
    keys.forget(id)
    intake.forgetProvider(id)
  }

  const replaceProvider = async (...args: Parameters<Providers['replace']>): Promise<Provider> => {
    const provider = await providers.replace(...args)
    await intake.registry.refresh() // its stream may be parted from it
    return provider
  }

  const rateCounts = createRateCounts({
    world,
    shared: storage.onChange === undefined ? undefined : stores.rateCounts,
  })
  const recorder = createLogRecorder(stores.systemLog, undefined, meter)
  const risk = {
    riskProviders: createRiskProviders({
      world,
      store: stores.riskProviders,
      transaction: changingSources,
      providersMax: settings.riskProvidersMax,
    }),
    riskEvents: createRiskEvents({
      world,
      origin,
      transaction,
      meter,
    }),
    riskEventCounts: () => stores.riskProviders.counts(),
    riskEventLimits: createRateLimits(rateCounts, 'risk events', {
      perToken: settings.riskEventRequestsPerMinute,
      perClient: settings.riskEventRequestsPerMinute,
      perAddress: 0,
    }),
    providerActions: createProviderActions({
      world,
      sources,
      subjects: stores.subjects,
      transaction: changingSources,
    }),
    evaluator: createEvaluator({
      world,
      reader: stores.riskReader,
      sources,
      rules: settings.riskOutcomes,
      outcomeTable: settings.outcomeTable ?? [],
      neverDenied: settings.neverDenied ?? new Set(),
      untimedSessions: createUntimedSessions({
        world,
        marks: stores.signInMarks,
        transaction,
      }),
      journalsAllowed: settings.logEvaluations === 'all',
      journal: { evaluated: (evaluation) => recorder.record(evaluationEntry(world, evaluation)) },
      meter,
      tracer,
    }),
  }

  const clockFloor = createClockFloor({
    world,
    async seen() {
      const looks = await Promise.allSettled([
        stores.clockMark.find(),
        storage.clock?.(),
        ...(['pending', 'handled'] as const).map(async (outcome) => {
          const { signals } = await stores.signals.list({ limit: 1, outcome })
          return signals[0]?.receivedAt
        }),
      ])
      return looks.map((look) => (look.status === 'fulfilled' ? look.value : undefined))
    },
  })
  await clockFloor.at() // before retention moves the mark
  const writes = createWriteProbe({
    world,
    write: () => stores.hubMarks.put('written', world.now().toISOString()),
  })
  const inbox = createInbox({ append: (sets) => writes.watch(stores.signals.append(sets)) }, undefined, meter)
  const refusals = createRefusalRecorder(stores.signals, logger)
  const { refusalsPerMinute, apiRequestsPerMinute } = settings
  const acceptDeps = {
    world,
    providers,
    keys,
    verifier: createSetVerifier(world, clockFloor),
    streams: intake.gate,
    management: intake.streams,
    dialects: intake.dialects,
    inbox,
    refusals,
    refusalLimiter: createRefusalLimiter(rateCounts, {
      perIssuer: refusalsPerMinute,
      perAddress: refusalsPerMinute,
    }),
    intakeLimiter: createIntakeLimiter(rateCounts, {
      sets: settings.setsPerMinute ?? 0,
      bytes: settings.setBytesPerMinute ?? 0,
    }),
    audiences: [origin, `${origin}/`],
    meter,
    tracer,
  }

  /** @throws HubError `hub.standby`: what a copy took, the hub itself would never see */
  const requireActive = (): void => {
    if (standby !== undefined) throw new HubError('hub.standby', { retryAfterS: standbyRetryS })
  }

  /** SETs that are being taken, whether or not their sender still waits: the storage must outlive them. */
  const underWay = new Set<Promise<unknown>>()
  const taking = <T>(receipt: Promise<T>): Promise<T> => {
    const settled: Promise<unknown> = receipt.catch(() => undefined).finally(() => underWay.delete(settled))
    underWay.add(settled)
    return receipt
  }

  const people = createPeople({
    world,
    judge: sources.judge,
    origin,
    stores,
    transaction,
  })
  const erasures = createErasures({ storage, world, logger })
  const erasureBacklog = recentAnswer(world, erasuresLeftForMs, () => erasures.backlog())

  const poller = createStreamPoller({ world, logger, intake, leases: stores.leases, accepting: acceptDeps })
  if (standby === undefined) poller.start()
  const workers = [
    intake.keeper,
    createExpiry({ storage: changing, world, logger }),
    createRejoining({ storage: changing, world, logger }),
    erasures.worker,
    createRetention({
      storage,
      world,
      logger,
      meter,
      days: {
        signals: settings.signalRetentionDays,
        tokens: settings.tokenRetentionDays,
        log: settings.logRetentionDays,
        riskHistory: settings.riskHistoryRetentionDays,
      },
    }),
    createWorker({
      name: 'access housekeeping',
      runOnce: () => pruneAccess(world, storage),
      idleMs: housekeepingMs,
      afterErrorMs: housekeepingMs,
      logger,
    }),
  ]
  if (standby === undefined) for (const worker of workers) worker.start()
  const healthLog = createHealthLog({
    keys,
    registry: intake.registry,
    nameOf: async (id) => (await stores.providers.findById(id))?.name,
    logger,
  })
  healthLog.start()
  workers.push(healthLog)
  if (storage.onChange !== undefined) {
    const exchange = createWorker({
      name: 'rate counts',
      runOnce: async () => (await rateCounts.exchange(), 0),
      idleMs: rateExchangeMs,
      afterErrorMs: 5 * rateExchangeMs,
      logger,
    })
    exchange.start()
    workers.push(exchange)
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
    origin,
    standby,
    providers: { ...providers, replace: replaceProvider, delete: deleteProvider },
    keys,
    signals: stores.signals,
    systemLog: stores.systemLog,
    apiTokens,
    apiTokenStore: stores.apiTokens,
    serviceApps: createServiceApps({ world, storage: changing }),
    signingKeys,
    authenticator: createAuthenticator({
      world,
      apiTokens,
      serviceApps: stores.serviceApps,
      accessTokens,
      usedOnce: stores.usedOnce,
    }),
    rateLimits: createRateLimits(rateCounts, 'api', {
      perToken: apiRequestsPerMinute,
      perClient: apiRequestsPerMinute,
      perAddress: apiRequestsPerMinute,
    }),
    ...risk,
    riskEvents: {
      async consume(...request) {
        requireActive()
        return risk.riskEvents.consume(...request)
      },
    },
    people,
    erasures,
    matchesOf: (signals) => matchesOf(stores.subjects, signals),
    intake: standby === undefined ? intake : { ...intake, streams: untouchedStreams(intake.streams) },
    urlProblem,
    issueToken: (request) => issueToken(tokenEndpoint, request),
    async push(body, source, enveloped = false) {
      requireActive()
      return taking(accept(acceptDeps, body, { via: 'push', source, enveloped }))
    },
    async pushToStream(push) {
      requireActive()
      const take = await taking(pushToStream(acceptDeps, push))
      return (body) => taking(take(body))
    },
    refuseUnread: (error, source) => refuseSet(acceptDeps, error, {}, { via: 'push', source }, () => false),
    waitingSets: () => inbox.waiting(),
    async erasuresLeft() {
      let left: ErasureBacklog | undefined
      const asks = erasureBacklog().then((backlog) => (left = backlog))
      return (await succeedsWithin(readyWaitMs, asks)) ? left : undefined
    },
    async isReady() {
      // What every request with a token asks as well: on SQLite in a thread that no search holds up.
      const reads = stores.apiTokens.findLiveByHash('')
      const asks = Promise.all([writes.succeeds(), reads])
      return succeedsWithin(
        readyWaitMs,
        asks.then(([succeeds]) => {
          if (!succeeds) throw new HubError('hub.unavailable')
        }),
      )
    },
    async [Symbol.asyncDispose]() {
      await following[Symbol.asyncDispose]()
      await Promise.all(underWay)
      await poller[Symbol.asyncDispose]() // what it fetched goes into the inbox
      await inbox[Symbol.asyncDispose]()
      await recorder[Symbol.asyncDispose]()
      await refusals[Symbol.asyncDispose]()
      for (const worker of workers) await worker[Symbol.asyncDispose]()
      await keys[Symbol.asyncDispose]()
    },
  }
}
