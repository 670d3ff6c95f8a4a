import { timingSafeEqual } from 'node:crypto'
import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import { sha256 } from '../base/sha256.ts'
import type { World } from '../base/world.ts'
import { connectedStreamOf } from './find-stream.ts'
import type { StreamCommits } from './stream-commits.ts'
import type { StreamRegistry } from './stream-registry.ts'
import { isConnected, type ConnectedStream, type Stream, type StreamSecrets } from './stream.ts'
import type { TransmitterSessions } from './transmitter-sessions.ts'

const pushSecretBytes = 32
/** A refused push makes the hub read memory again, and check the stream, at most this often. */
const lookAgainMs = 1_000
const hurryAgainMs = 15 * 60_000

export interface PushAuthorizationsDeps {
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newSecret'>
  readonly registry: StreamRegistry
  readonly sessions: TransmitterSessions
  readonly commits: StreamCommits
  /** Called when a stream should be checked now. */
  readonly onDoubt: (stream: Stream) => void
}

/** The Authorization values that transmitters push with. */
export interface PushAuthorizations {
  /**
   * Gives the transmitter a new value; the old one is accepted for `overlapS` more seconds.
   * @throws HubError `stream.*`; both values are then accepted
   */
  rotate(providerId: string, overlapS: number, by: Actor): Promise<Stream>
  /** Accepts the value that the transmitter of a connected stream is about to get. */
  announce(before: ConnectedStream, after: Pick<Stream, 'pushAuthorization'>): Promise<void>
  /** See `Streams.forPush`. */
  check(
    id: string,
    authorization: string | undefined,
  ): Promise<{ readonly stream: Stream; readonly authorized: boolean } | undefined>
  /** Reads memory again, at a rate that strangers cannot raise. */
  lookAgain(): Promise<void>
}

export function createPushAuthorizations(deps: PushAuthorizationsDeps): PushAuthorizations {
  const { world, registry, sessions, commits } = deps
  /** When a refused push last made the hub read memory, and check a stream, in monotonic ms. */
  let lookedAgainAt = Number.NEGATIVE_INFINITY
  const hurriedAt = new Map<string, number>()

  function mayPush(
    { pushAuthorization: { currentHash, previous } }: Stream,
    authorization: string | undefined,
  ): boolean {
    const given = sha256(authorization ?? '')
    const current = sameHash(given, currentHash)
    const known = previous !== undefined && sameHash(given, previous.hash)
    return current || (known && (previous.until === undefined || previous.until > world.now()))
  }

  async function lookAgain(): Promise<void> {
    const now = world.monotonicMs()
    if (now - lookedAgainAt < lookAgainMs) return
    lookedAgainAt = now
    await registry.refresh()
  }

  /** Stores the error of a push without the right Authorization, and asks for a check of the stream. */
  async function noteRefused(stream: ConnectedStream): Promise<void> {
    if (stream.pushError !== undefined) return
    await registry.note(stream.id, {
      pushError: `Pushes are refused (401): one came at ${world.now().toISOString()} without the agreed Authorization value, and none with it since. The hub sends the transmitter the value again; \`watchbell stream rotate-authorization\` makes a new one.`,
    })
    const now = world.monotonicMs()
    if (now - (hurriedAt.get(stream.id) ?? Number.NEGATIVE_INFINITY) < hurryAgainMs) return
    hurriedAt.set(stream.id, now)
    deps.onDoubt(stream)
  }

  return {
    async rotate(providerId, overlapS, by) {
      const stream = connectedStreamOf(registry, providerId)
      if (stream.settings.delivery !== 'push') {
        throw new HubError('stream.unsupported', {
          detail: 'This stream is polled, so it has no Authorization value for pushes.',
        })
      }
      const { client, provider, secrets } = await sessions.open(stream)
      const { nextPushAuthorization = newPushAuthorization(world), ...kept } = secrets
      const next: StreamSecrets = { ...kept, pushAuthorization: nextPushAuthorization }
      const { currentHash } = stream.pushAuthorization
      const nextHash = sha256(next.pushAuthorization)
      // Both are valid until the transmitter has the new one, and without an end if we never learn which one it has.
      await registry.note(stream.id, {
        sealedSecrets: await sessions.seal({ ...secrets, nextPushAuthorization }),
        pushAuthorization: { currentHash, previous: { hash: nextHash, until: undefined } },
      })
      await commits.noting(stream.id, async () => {
        const wanted = sessions.wished(stream, next)
        await client.change(stream.remote.streamId, { delivery: wanted.delivery }, wanted)
      })
      const until = new Date(world.now().getTime() + overlapS * 1_000)
      return commits.commit(
        { kind: 'rotate', provider, before: stream, by },
        {
          sealedSecrets: await sessions.seal(next),
          pushAuthorization: { currentHash: nextHash, previous: { hash: currentHash, until } },
        },
      )
    },
    async announce(before, { pushAuthorization }) {
      const { currentHash } = before.pushAuthorization
      if (currentHash === pushAuthorization.currentHash) return
      const previous = { hash: pushAuthorization.currentHash, until: undefined }
      await registry.note(before.id, { pushAuthorization: { currentHash, previous } })
    },
    async check(id, authorization) {
      const known = registry.find(id)
      // Another node may have created the stream, or sent its transmitter another value, a moment ago.
      if (known === undefined || !mayPush(known, authorization)) await lookAgain()
      const stream = registry.find(id)
      if (stream === undefined) return undefined
      const authorized = mayPush(stream, authorization)
      if (authorized && stream.pushError !== undefined) await registry.note(id, { pushError: undefined })
      if (!authorized && stream.settings.delivery === 'push' && isConnected(stream)) await noteRefused(stream)
      return { stream, authorized }
    },
    lookAgain,
  }
}

/** A random value. */
export function newPushAuthorization({ newSecret }: Pick<World, 'newSecret'>): string {
  return `Bearer ${newSecret(pushSecretBytes)}`
}

function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
