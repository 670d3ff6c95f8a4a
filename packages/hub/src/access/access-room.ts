import type { Logger } from '@watchbell/receiver/base'
import type { SecretBox } from '../base/secret-box.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { AccessStorage, AccessStores } from './access-storage.ts'
import { accessTokenLifetimeS, createAccessTokens } from './access-tokens.ts'
import { createApiTokens, type ApiTokens } from './api-tokens.ts'
import { createAuthenticator, type Authenticator } from './authenticator.ts'
import { createClientKeys } from './client-keys.ts'
import { createDpopNonces } from './dpop-nonces.ts'
import { pruneAccess } from './housekeeping.ts'
import { createRateCounts, type RateCounts } from './rate-counts.ts'
import { createRateLimits, type RateLimits } from './rate-limits.ts'
import { createServiceApps, type ServiceApps } from './service-apps.ts'
import { createSigningKeys, type SigningKeys } from './signing-keys.ts'
import { issueToken, type IssuedToken, type AccessTokenRequest } from './token-endpoint.ts'

export interface AccessRoomDeps {
  readonly world: World
  readonly logger: Logger
  readonly storage: AccessStorage
  readonly box: SecretBox
  /** Issuer of access tokens. */
  readonly origin: string
  /** Per token, client and address; 0 means no limit. */
  readonly apiRequestsPerMinute: number
  /** Whether other nodes count the same requests. */
  readonly isShared: boolean
}

/** Authentication, permissions and rate limits of callers. */
export interface AccessRoom {
  readonly apiTokens: ApiTokens
  readonly apiTokenStore: AccessStores['apiTokens']
  readonly serviceApps: ServiceApps
  readonly signingKeys: SigningKeys
  readonly authenticator: Authenticator
  readonly rateCounts: RateCounts
  /** The limits of the API. */
  readonly rateLimits: RateLimits
  issueToken(request: AccessTokenRequest): Promise<IssuedToken>
  /** Deletes expired data. */
  readonly housekeeping: Worker
  /** Exchanges the counts with other nodes; undefined when there is only one node. */
  readonly rateExchange: Worker | undefined
}

const housekeepingMs = 60_000
/** How often nodes exchange their counts: a limit may be exceeded by what they accept in this time. */
const rateExchangeMs = 1_000

/** Makes the first signing key where there is none. @throws HubError `hub.secret_unreadable` when the secret key has changed */
export async function createAccessRoom(deps: AccessRoomDeps): Promise<AccessRoom> {
  const { world, logger, storage, box, origin, apiRequestsPerMinute, isShared } = deps
  const { stores } = storage
  const lifetimeS = accessTokenLifetimeS
  const apiTokens = createApiTokens({ world, storage, logger })
  const signingKeys = createSigningKeys({ world, storage, box, signedForMaxMs: lifetimeS * 1_000 })
  await signingKeys.current()
  const accessTokens = createAccessTokens({ world, keys: signingKeys, origin, lifetimeS })
  const tokenEndpoint = {
    world,
    tokenUrl: `${origin}/oauth2/v1/token`,
    issuer: origin,
    serviceApps: stores.serviceApps,
    clientKeys: createClientKeys(world),
    usedOnce: stores.usedOnce,
    nonces: createDpopNonces(world, box),
    accessTokens,
    lifetimeS,
  }
  const rateCounts = createRateCounts({ world, shared: isShared ? stores.rateCounts : undefined })
  return {
    apiTokens,
    apiTokenStore: stores.apiTokens,
    serviceApps: createServiceApps({ world, storage }),
    signingKeys,
    authenticator: createAuthenticator({
      world,
      apiTokens,
      serviceApps: stores.serviceApps,
      accessTokens,
      usedOnce: stores.usedOnce,
    }),
    rateCounts,
    rateLimits: createRateLimits(rateCounts, 'api', {
      perToken: apiRequestsPerMinute,
      perClient: apiRequestsPerMinute,
      perAddress: apiRequestsPerMinute,
    }),
    issueToken: (request) => issueToken(tokenEndpoint, request),
    housekeeping: createWorker({
      name: 'access housekeeping',
      runOnce: () => pruneAccess(world, storage),
      idleMs: housekeepingMs,
      afterErrorMs: housekeepingMs,
      logger,
    }),
    rateExchange: isShared
      ? createWorker({
          name: 'rate counts',
          runOnce: async () => (await rateCounts.exchange(), 0),
          idleMs: rateExchangeMs,
          afterErrorMs: 5 * rateExchangeMs,
          logger,
        })
      : undefined,
  }
}
