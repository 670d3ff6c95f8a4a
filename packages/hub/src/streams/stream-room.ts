import type { Logger } from '@watchbell/receiver/base'
import type { LeaseStore } from '../base/lease.ts'
import type { SecretBox } from '../base/secret-box.ts'
import type { Transact } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import { defaultKeyLimits, fetchKeySet } from '@watchbell/receiver/jwks'
import type { ProviderStore } from '../providers/provider-store.ts'
import type { Provider } from '../providers/provider.ts'
import type { Providers } from '../providers/providers.ts'
import { defaultDiscoveryLimits, readTransmitterMetadata } from './discovery.ts'
import { createPollGate, type PollGate } from './poll-gate.ts'
import {
  createProviderDialects,
  type DialectJournal,
  type DialectStore,
  type ProviderDialects,
} from './provider-dialects.ts'
import { createStreamGate, type StreamGate } from './stream-gate.ts'
import { examineStream, type StreamHealth } from './stream-health.ts'
import type { StreamJournal } from './stream-journal.ts'
import { createStreamKeeper, type StreamKeeper } from './stream-keeper.ts'
import { createStreamRegistry, type StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import { createStreams, type Streams } from './streams.ts'
import { isConnected, type Stream } from './stream.ts'

export interface StreamRoomStores {
  readonly streams: StreamStore
  readonly dialects: DialectStore
  readonly leases: LeaseStore
  readonly providers: Pick<ProviderStore, 'findById'>
}

export interface StreamRoomDeps {
  readonly world: World
  readonly logger: Logger
  readonly stores: Pick<StreamRoomStores, 'streams' | 'dialects' | 'leases'>
  readonly transaction: Transact<StreamRoomStores, StreamJournal & DialectJournal>
  readonly box: SecretBox
  readonly origin: string
  readonly urlProblem: (url: string) => string | undefined
  readonly providers: Pick<Providers, 'get' | 'findByIssuer'>
  /** For one request to a transmitter, except polls. */
  readonly requestTimeoutMs: number
}

/** Everything about our streams at transmitters. */
export interface StreamRoom {
  readonly registry: StreamRegistry
  readonly streams: Streams
  readonly gate: StreamGate
  readonly keeper: StreamKeeper
  readonly dialects: ProviderDialects
  readonly pollGate: PollGate
  /** Whether the stream is connected and its provider active. */
  isActive(stream: Stream): boolean
  /** @throws HubError `provider.not_found`, `stream.not_found` */
  examine(providerId: string): Promise<StreamHealth>
  /** To be called after the provider and its stream are deleted. */
  forgetProvider(providerId: string): void
}

export async function createStreamRoom(deps: StreamRoomDeps): Promise<StreamRoom> {
  const { world, logger, stores, transaction, box, origin, urlProblem, providers } = deps
  const registry = await createStreamRegistry(stores.streams)
  const dialects = await createProviderDialects({
    store: stores.dialects,
    providers,
    transaction,
  })
  const readMetadata = (provider: Provider) =>
    readTransmitterMetadata({ world, urlProblem }, metadataPlace(provider, dialects.of), {
      ...defaultDiscoveryLimits,
      fetchTimeoutMs: deps.requestTimeoutMs,
    })
  const pollGate = createPollGate()
  const streams = createStreams({
    world,
    origin,
    providers,
    registry,
    store: stores.streams,
    leases: stores.leases,
    transaction,
    box,
    readMetadata,
    urlProblem,
    dialectsOf: dialects.of,
    requestTimeoutMs: deps.requestTimeoutMs,
    pollGate,
    onDoubt: (stream) => keeper.hurry(stream),
  })
  const isActive = (stream: Stream): boolean => {
    const provider = isConnected(stream) ? providers.findByIssuer(stream.issuer) : undefined
    return provider?.id === stream.providerId && provider.status === 'ACTIVE'
  }
  const keeper = createStreamKeeper({ world, logger, registry, streams, leases: stores.leases, isActive })
  const gate = createStreamGate({
    world,
    logger,
    registry,
    store: stores.streams,
    transaction,
    onDoubt: keeper.hurry,
  })
  return {
    registry,
    streams,
    gate,
    keeper,
    dialects,
    pollGate,
    isActive,
    async examine(providerId) {
      const provider = await providers.get(providerId)
      return examineStream(
        {
          now: world.now,
          readMetadata,
          dialectsOf: dialects.of,
          countKeys: async ({ jwksUrl }) =>
            (await fetchKeySet(world, jwksUrl, defaultKeyLimits)).keys.filter((key) => 'algorithms' in key)
              .length,
          probe: streams.probe,
        },
        provider,
        streams.get(providerId),
      )
    },
    forgetProvider(providerId) {
      const stream = registry.ofProvider(providerId)
      if (stream !== undefined) registry.forget(stream.id)
      dialects.forget(providerId)
    },
  }
}

/** The URL of a provider's metadata: as given, else derived from its issuer and dialects (SSF 1.0 §7.2.1, §7.2.2). */
function metadataPlace({ id, wellKnownUrl, issuer }: Provider, dialectsOf: ProviderDialects['of']): string {
  if (wellKnownUrl !== undefined) return wellKnownUrl
  const base = issuer.replace(/\/$/, '')
  if (dialectsOf(id).has('google-risc')) return `${base}/.well-known/risc-configuration`
  if (dialectsOf(id).has('suffix-discovery')) return `${base}/.well-known/ssf-configuration`
  return issuer
}
