import { printable } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { StreamConnector } from './connect-stream.ts'
import { withoutQuery } from './discovery.ts'
import { adopt, remoteOf } from './establish-stream.ts'
import { notConnected, streamOf } from './find-stream.ts'
import type { StreamCommits } from './stream-commits.ts'
import { hubActor } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import { drift } from './stream-wishes.ts'
import { isConnected, type Stream } from './stream.ts'
import type { StreamConfiguration } from './transmitter-client.ts'
import type { TransmitterSessions } from './transmitter-sessions.ts'

/** A second repair within this time means that another party changes the stream. */
const contestedMs = 24 * 3_600_000

export interface CheckDeps {
  readonly world: Pick<World, 'now'>
  readonly registry: StreamRegistry
  readonly sessions: TransmitterSessions
  readonly commits: StreamCommits
  readonly connector: Pick<StreamConnector, 'setUp'>
}

/** See `Streams.check`. Requires the provider's turn. */
export async function checkStream(
  { world, registry, sessions, commits, connector }: CheckDeps,
  providerId: string,
): Promise<Stream> {
  const stream = streamOf(registry, providerId)
  return commits.noting(stream.id, async () => {
    const provider = await sessions.ownProvider(stream)
    if (!isConnected(stream)) throw notConnected(stream)
    if (stream.settings.existing !== undefined) {
      return (await registry.note(stream.id, { checkedAt: world.now() })) ?? stream
    }
    const there = await sessions.located(stream, provider)
    const session = await sessions.open(there)
    const existing = await session.client.read(stream.remote.streamId)
    if (existing === undefined) {
      return connector.setUp(stream, provider, { stream, secrets: session.secrets }, hubActor) // it is gone: create it again
    }
    const wanted = sessions.wished(there, session.secrets)
    // Pushes lack the agreed value: the transmitter may not have it.
    const resent = stream.pushError === undefined ? {} : { delivery: wanted.delivery }
    const drifted = drift(existing, wanted)
    const { found, repaired } = await adopt(session.client, existing, wanted, resent)
    const remote = remoteOf(found)
    if (repaired) {
      const repairedAt = drifted === undefined ? stream.repairedAt : world.now()
      await commits.commit({ kind: 'repair', provider, before: stream, by: hubActor }, { remote, repairedAt })
    }
    const answer =
      there.endpoints.status === undefined
        ? { status: stream.status, reason: stream.statusReason }
        : await session.client.status(remote.streamId)
    const changes = {
      remote,
      endpoints: there.endpoints,
      status: answer.status,
      statusReason: answer.reason,
      checkedAt: world.now(),
      lastError: drifted && contested(stream, existing, drifted, world.now()),
    }
    if (answer.status !== stream.status && stream.status !== undefined) {
      return commits.commit({ kind: 'status', provider, before: stream, by: hubActor }, changes)
    }
    return (await registry.note(stream.id, changes)) ?? stream
  })
}

/** The message for a stream that needs repair again and again. */
function contested(
  { repairedAt }: Stream,
  existing: StreamConfiguration,
  drifted: object,
  now: Date,
): string | undefined {
  const sinceMs = repairedAt === undefined ? Number.POSITIVE_INFINITY : now.getTime() - repairedAt.getTime()
  if (repairedAt === undefined || sinceMs < 0 || sinceMs >= contestedMs) return undefined
  const { endpointUrl } = existing
  const where =
    endpointUrl === undefined ? '' : ` (its delivery URL was ${printable(withoutQuery(endpointUrl), 200)})`
  return (
    `Another party changes the stream at the transmitter: the hub repaired its ${Object.keys(drifted).join(', ')} at ` +
    `${repairedAt.toISOString()}, and it differs again${where}. If another hub uses the same client at this ` +
    'transmitter, give each hub a client of its own.'
  )
}
