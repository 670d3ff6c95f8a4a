import { createAccessTokens } from './access/access-tokens.ts'
import { createApiTokens, type ApiTokens } from './access/api-tokens.ts'
import { createAuthenticator, type Authenticator } from './access/authenticator.ts'
import { createClientKeys } from './access/client-keys.ts'
import { createDpopNonces } from './access/dpop-nonces.ts'
import { pruneAccess } from './access/housekeeping.ts'
import { createRateLimits, createRefusalLimiter, type RateLimits } from './access/rate-limits.ts'
import { createServiceApps, type ServiceApps } from './access/service-apps.ts'
import { createSigningKeys, type SigningKeys } from './access/signing-keys.ts'
import { issueToken, type IssuedToken, type TokenRequest } from './access/token-endpoint.ts'
import type { Logger } from './base/logger.ts'
import type { SecretBox } from './base/secret-box.ts'
import { createWorker } from './base/worker.ts'
import type { World } from './base/world.ts'
import { createInbox } from './ingest/inbox.ts'
import { push, type Receipt } from './ingest/push.ts'
import { createRefusalRecorder } from './ingest/refusals.ts'
import { createKeyCache, type KeyCache } from './jwks/key-cache.ts'
import { fetchKeySet } from './jwks/key-set.ts'
import { defaultKeyLimits } from './jwks/provider-keys.ts'
import { createProviders, type Providers } from './providers/providers.ts'
import { createSetVerifier } from './set/set-verifier.ts'
import type { SignalStore } from './signals/signal-store.ts'
import type { Storage, Stores } from './stores.ts'
import { defaultDiscoveryLimits, readTransmitterMetadata } from './streams/discovery.ts'
import { providerEntry } from './systemlog/entries.ts'
import { createRetention } from './systemlog/retention.ts'

export interface HubSettings {
  /** Public origin, without a trailing slash: issuer of access tokens and audience of SETs. */
  readonly origin: string
  readonly logRetentionDays: number
  /** Per token, client and address; 0 is without limit. */
  readonly apiRequestsPerMinute: number
  /** Per issuer and per source address; 0 is without limit. */
  readonly refusalsPerMinute: number
  readonly checkKeysOnCreate: boolean
}

export interface HubDeps {
  readonly world: World
  readonly logger: Logger
  readonly storage: Pick<Storage, 'stores' | 'transaction'>
  readonly secretBox: SecretBox
  /** Why a URL that a person gave would not be fetched, going by its text. */
  readonly urlProblem: (url: string) => string | undefined
  readonly settings: HubSettings
}

/** The rooms, wired. Knows no HTTP and no database; disposing ends its loops and stores what is still to be stored. */
export interface Hub extends AsyncDisposable {
  readonly origin: string
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
  readonly urlProblem: HubDeps['urlProblem']
  issueToken(request: TokenRequest): Promise<IssuedToken>
  /** Takes one pushed SET. @see push */
  push(body: Uint8Array, source: string): Promise<Receipt>
  /** Whether the storage answers. */
  isReady(): Promise<boolean>
}

const accessTokenLifetimeS = 3_600
const housekeepingMs = 60_000

export async function createHub(deps: HubDeps): Promise<Hub> {
  const { world, logger, storage, secretBox, urlProblem, settings } = deps
  const { origin } = settings
  const { stores } = storage

  const apiTokens = createApiTokens({ world, storage, logger })
  const signingKeys = createSigningKeys({
    world,
    storage,
    box: secretBox,
    signedForMaxMs: accessTokenLifetimeS * 1_000,
  })
  const accessTokens = createAccessTokens({
    world,
    keys: signingKeys,
    origin,
    lifetimeS: accessTokenLifetimeS,
  })
  const tokenEndpoint = {
    world,
    audience: `${origin}/oauth2/v1/token`,
    serviceApps: stores.serviceApps,
    clientKeys: createClientKeys(world),
    usedOnce: stores.usedOnce,
    nonces: createDpopNonces(world, secretBox),
    accessTokens,
    lifetimeS: accessTokenLifetimeS,
  }

  const keys = createKeyCache({ world, logger, limits: defaultKeyLimits })
  const providers = await createProviders({
    world,
    store: stores.providers,
    unitOfWork: {
      transaction: (work) =>
        storage.transaction(({ providers, systemLog }) =>
          work({
            providers,
            journal: { record: (change) => systemLog.append([providerEntry(world, change)]) },
          }),
        ),
    },
    readMetadata: (url) => readTransmitterMetadata({ world, urlProblem }, url, defaultDiscoveryLimits),
    checkKeys: settings.checkKeysOnCreate
      ? async (jwksUrl) => void (await fetchKeySet(world, jwksUrl, defaultKeyLimits))
      : undefined,
    providersMax: 1_000,
  })

  const deleteProvider = async (...[id, by]: Parameters<Providers['delete']>): Promise<void> => {
    await providers.delete(id, by)
    keys.forget(id)
  }

  const inbox = createInbox(stores.signals)
  const refusals = createRefusalRecorder(stores.signals, logger)
  const { refusalsPerMinute, apiRequestsPerMinute } = settings
  const pushDeps = {
    world,
    providers,
    keys,
    verifier: createSetVerifier(world),
    inbox,
    refusals,
    refusalLimiter: createRefusalLimiter({ perIssuer: refusalsPerMinute, perAddress: refusalsPerMinute }),
    audiences: [origin, `${origin}/`],
  }

  const workers = [
    createRetention({ systemLog: stores.systemLog, world, logger, retentionDays: settings.logRetentionDays }),
    createWorker({
      name: 'access housekeeping',
      runOnce: async () => {
        await pruneAccess(world, storage)
        return 0
      },
      idleMs: housekeepingMs,
      afterErrorMs: housekeepingMs,
      logger,
    }),
  ]
  for (const worker of workers) worker.start()

  return {
    origin,
    providers: { ...providers, delete: deleteProvider },
    keys,
    signals: stores.signals,
    systemLog: stores.systemLog,
    apiTokens,
    apiTokenStore: stores.apiTokens,
    serviceApps: createServiceApps({ world, store: stores.serviceApps }),
    signingKeys,
    authenticator: createAuthenticator({
      world,
      apiTokens,
      serviceApps: stores.serviceApps,
      accessTokens,
      usedOnce: stores.usedOnce,
    }),
    rateLimits: createRateLimits(world, {
      perToken: apiRequestsPerMinute,
      perClient: apiRequestsPerMinute,
      perAddress: apiRequestsPerMinute,
    }),
    urlProblem,
    issueToken: (request) => issueToken(tokenEndpoint, request),
    push: (body, source) => push(pushDeps, body, source),
    async isReady() {
      return stores.signals.counts().then(
        () => true,
        () => false,
      )
    },
    async [Symbol.asyncDispose]() {
      await inbox[Symbol.asyncDispose]()
      await refusals[Symbol.asyncDispose]()
      for (const worker of workers) await worker[Symbol.asyncDispose]()
      await keys[Symbol.asyncDispose]()
    },
  }
}
