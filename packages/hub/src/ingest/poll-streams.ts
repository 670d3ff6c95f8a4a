import type { Logger } from '@watchbell/receiver/base'
import type { LeaseStore } from '../base/lease.ts'
import type { Meter } from '../base/meter.ts'
import type { Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import { isConnected, type Stream } from '../streams/stream.ts'
import { accept, type AcceptDeps } from './accept.ts'
import { createPoller, defaultPollLimits, type PollLimits } from './poll.ts'
import type { PolledStream } from './polled-stream.ts'
import type { StreamRoom } from '../streams/stream-room.ts'

export interface StreamPollerDeps {
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newUuid' | 'random'>
  readonly logger: Logger
  readonly intake: Pick<StreamRoom, 'registry' | 'streams' | 'isActive' | 'pollGate' | 'keeper'>
  readonly leases: LeaseStore
  readonly accepting: AcceptDeps & { readonly meter: Meter }
}

/** The poller of the hub's streams: polled SETs take the same path as pushed ones. */
export function createStreamPoller(deps: StreamPollerDeps, limits: PollLimits = defaultPollLimits): Worker {
  const { world, logger, leases, accepting } = deps
  const { registry, streams, isActive, pollGate, keeper } = deps.intake
  return createPoller(
    {
      world,
      logger,
      leases,
      streams: {
        polled: () => registry.list().filter(isPolled).filter(isActive),
        mayPoll: ({ providerId }) => pollGate.isOpen(providerId),
        opened: ({ providerId }, poll) => pollGate.opened(providerId, poll),
        unknown: keeper.hurry,
        accessTo: streams.accessTo,
        note: async (id, { lastError: pollError, ...rest }) =>
          void (await registry.note(id, { ...rest, pollError })),
      },
      meter: accepting.meter,
      tracer: accepting.tracer,
      accept: (stream, named, token) =>
        accept(accepting, token, { via: 'poll', source: undefined, stream, named }),
    },
    limits,
  )
}

function isPolled(stream: Stream): stream is PolledStream {
  return isConnected(stream) && stream.settings.delivery === 'poll' && stream.remote.endpointUrl !== undefined
}
