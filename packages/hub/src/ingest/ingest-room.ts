import { createClockFloor, type Logger } from '@watchbell/receiver/base'
import type { KeyCache } from '@watchbell/receiver/jwks'
import { createSetVerifier } from '@watchbell/receiver/set'
import type { RateCounts } from '../access/rate-counts.ts'
import { createIntakeLimiter, createRefusalLimiter } from '../access/rate-limits.ts'
import type { HubError } from '../base/hub-error.ts'
import type { Meter } from '../base/meter.ts'
import type { Tracer } from '../base/tracer.ts'
import type { World } from '../base/world.ts'
import { createWriteProbe } from '../base/write-probe.ts'
import type { Providers } from '../providers/providers.ts'
import type { Storage } from '../stores.ts'
import { accept, refuseSet, type Receipt } from './accept.ts'
import { createInbox } from './inbox.ts'
import { createStreamPoller } from './poll-streams.ts'
import { pushToStream, type StreamPush } from './push-to-stream.ts'
import { createRefusalRecorder } from './refusals.ts'
import type { StreamRoom } from '../streams/stream-room.ts'

export interface IngestRoomDeps {
  readonly world: World
  readonly logger: Logger
  readonly storage: Pick<Storage, 'stores' | 'clock'>
  readonly providers: Providers
  readonly keys: KeyCache
  readonly intake: StreamRoom
  readonly rateCounts: RateCounts
  /** Public origin; with and without a trailing slash it is the default `aud`. */
  readonly origin: string
  /** Per issuer and per source address; 0 means no limit. */
  readonly refusalsPerMinute: number
  /** SETs and bytes of valid SETs, per provider; 0 means no limit. */
  readonly setsPerMinute: number
  readonly setBytesPerMinute: number
  readonly meter: Meter
  readonly tracer: Tracer
}

/** The intake of SETs. Disposing it stores what is still in memory. */
export interface IngestRoom extends AsyncDisposable {
  /** Accepts one pushed SET. @param enveloped - it was the `payload` of a JSON body. @see accept */
  push(body: Uint8Array | string, source: string, enveloped?: boolean): Promise<Receipt>
  /** Opens the push URL of a stream for one SET. @see pushToStream */
  pushToStream(push: StreamPush): Promise<(body: Uint8Array) => Promise<Receipt>>
  /** Stores the refusal of a push whose body was not read. @throws HubError `request.rate_limited`. @see refuseSet */
  refuseUnread(error: HubError, source: string): Promise<void>
  /** How many SETs in memory wait to be stored. */
  waitingSets(): number
  /** Whether the storage accepts writes. */
  canStore(): Promise<boolean>
  startPolling(): void
}

/** Reads the clock floor before it resolves, because retention moves that mark later. */
export async function createIngestRoom(deps: IngestRoomDeps): Promise<IngestRoom> {
  const { world, logger, storage, providers, keys, intake, rateCounts, origin, meter, tracer } = deps
  const { stores } = storage
  const clockFloor = createClockFloor({ world, seen: () => timesSeen(storage) })
  await clockFloor.at()
  const writes = createWriteProbe({
    world,
    write: () => stores.hubMarks.put('written', world.now().toISOString()),
  })
  const inbox = createInbox({ append: (sets) => writes.watch(stores.signals.append(sets)) }, undefined, meter)
  const refusals = createRefusalRecorder(stores.signals, logger)
  const accepting = {
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
      perIssuer: deps.refusalsPerMinute,
      perAddress: deps.refusalsPerMinute,
    }),
    intakeLimiter: createIntakeLimiter(rateCounts, {
      sets: deps.setsPerMinute,
      bytes: deps.setBytesPerMinute,
    }),
    audiences: [origin, `${origin}/`],
    meter,
    tracer,
  }
  const poller = createStreamPoller({ world, logger, intake, leases: stores.leases, accepting })

  /** SETs in work, even if their sender has hung up: the storage must stay open for them. */
  const underWay = new Set<Promise<unknown>>()
  const taking = <T>(receipt: Promise<T>): Promise<T> => {
    const settled: Promise<unknown> = receipt.catch(() => undefined).finally(() => underWay.delete(settled))
    underWay.add(settled)
    return receipt
  }

  return {
    push: (body, source, enveloped = false) =>
      taking(accept(accepting, body, { via: 'push', source, enveloped })),
    async pushToStream(push) {
      const take = await taking(pushToStream(accepting, push))
      return (body) => taking(take(body))
    },
    refuseUnread: (error, source) => refuseSet(accepting, error, {}, { via: 'push', source }, () => false),
    waitingSets: () => inbox.waiting(),
    canStore: () => writes.succeeds(),
    startPolling: () => poller.start(),
    async [Symbol.asyncDispose]() {
      await Promise.all(underWay)
      await poller[Symbol.asyncDispose]() // what it fetched goes into the inbox
      await inbox[Symbol.asyncDispose]()
      await refusals[Symbol.asyncDispose]()
    },
  }
}

/** The times that the storage has seen. */
async function timesSeen(storage: IngestRoomDeps['storage']): Promise<readonly (Date | undefined)[]> {
  const looks = await Promise.allSettled([
    storage.stores.clockMark.find(),
    storage.clock?.(),
    ...(['pending', 'handled'] as const).map(async (outcome) => {
      const { signals } = await storage.stores.signals.list({ limit: 1, outcome })
      return signals[0]?.receivedAt
    }),
  ])
  return looks.map((look) => (look.status === 'fulfilled' ? look.value : undefined))
}
