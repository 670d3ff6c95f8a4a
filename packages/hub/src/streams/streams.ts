import type { Actor } from '../base/actor.ts'
import { isHubError } from '../base/hub-error.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { LeaseStore } from '../base/lease.ts'
import type { World } from '../base/world.ts'
import { askVerification, wasJustAsked } from './ask-verification.ts'
import { checkStream } from './check-stream.ts'
import { createStreamConnector } from './connect-stream.ts'
import { createConnecting } from './connecting.ts'
import { connectedStreamOf, streamOf } from './find-stream.ts'
import type { PollGate } from './poll-gate.ts'
import { createProviderTurns } from './provider-turns.ts'
import { createPushAuthorizations } from './push-authorizations.ts'
import { createStreamCommits } from './stream-commits.ts'
import type { KnownDraft, StreamDraft } from './stream-draft.ts'
import { hubActor, type StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import { drift } from './stream-wishes.ts'
import { isConnected, type ConnectedStream, type Stream } from './stream.ts'
import type { TransmitterAccess } from './transmitter-auth.ts'
import type { StatusAnswer } from './transmitter-client.ts'
import { createTransmitterSessions, type TransmitterSessionsDeps } from './transmitter-sessions.ts'

export interface StreamsDeps extends TransmitterSessionsDeps {
  readonly world: Pick<
    World,
    'now' | 'monotonicMs' | 'newId' | 'newUuid' | 'newSecret' | 'fetch' | 'fetchPublic'
  >
  readonly registry: StreamRegistry
  readonly store: Pick<StreamStore, 'addState'>
  readonly leases: LeaseStore
  readonly transaction: StreamTransaction
  readonly pollGate: PollGate
  /** Called when a stream should be checked now. */
  readonly onDoubt: (stream: Stream) => void
}

/**
 * Our streams at transmitters. Methods take the provider's id, and run one at a time per provider. A stream that was
 * connected under an earlier issuer of the provider is unconnected: its credentials are for that issuer alone.
 */
export interface Streams {
  /** @throws HubError `stream.not_found` */
  get(providerId: string): Stream
  /**
   * Makes the stream match the draft, also at the transmitter: creates it there, or adopts an existing one and repairs
   * differences, and requests verification. A failure keeps the settings, so that they can be inspected.
   * @throws HubError `provider.not_found`, `provider.metadata_unusable`, `stream.*`
   */
  connect(providerId: string, draft: StreamDraft, by: Actor): Promise<Stream>
  /** The present draft, with its secrets, which a PATCH changes. @throws HubError `stream.not_found` */
  draftOf(providerId: string): Promise<KnownDraft>
  /** Requests a verification event with a new state (SSF 1.0 §8.1.4.1). @throws HubError `stream.*` */
  verify(providerId: string, by: Actor): Promise<Stream>
  /** Reads the status at the transmitter. @throws HubError `stream.*` */
  readStatus(providerId: string): Promise<Stream>
  setStatus(providerId: string, wanted: StatusAnswer, by: Actor): Promise<Stream>
  /** Success proves nothing: a transmitter may hide its answer (SSF 1.0 §9.1). @throws HubError `stream.*` */
  addSubject(providerId: string, subject: JsonObject, verified: boolean | undefined): Promise<void>
  removeSubject(providerId: string, subject: JsonObject): Promise<void>
  /**
   * Gives the transmitter a new Authorization value to push with; the old one is accepted for `overlapS` more seconds.
   * @throws HubError `stream.*`; both values are then accepted
   */
  rotateAuthorization(providerId: string, overlapS: number, by: Actor): Promise<Stream>
  /**
   * Deletes the stream, at the transmitter first.
   * @param forced - delete ours also when the transmitter does not delete it
   */
  disconnect(providerId: string, forced: boolean, by: Actor): Promise<void>
  /**
   * Checks whether a connected stream still matches our wishes and repairs differences; creates a deleted one again
   * (SSF 1.0 §8.1.1, §8.1.1.2). @throws HubError `stream.*`
   */
  check(providerId: string): Promise<Stream>
  /** Inspects the stream at the transmitter without changing it. @throws HubError `stream.*` */
  probe(providerId: string): Promise<StreamProbe>
  /** A client of the transmitter, for polls. */
  accessTo(stream: ConnectedStream): TransmitterAccess
  /** The push URL. */
  pushUrl(stream: Stream): string
  /**
   * The stream with this push URL, and whether its transmitter may push with this Authorization value; the comparison takes
   * the same time for all values. Stores a refusal with the stream. Undefined when there is no such stream.
   */
  forPush(
    id: string,
    authorization: string | undefined,
  ): Promise<{ readonly stream: Stream; readonly authorized: boolean } | undefined>
  /** The stream once it is connected, when that is in progress. @throws HubError `stream.not_connected` */
  connected(id: string): Promise<ConnectedStream>
}

/** What inspecting the transmitter showed. */
export interface StreamProbe {
  /** The stream, with our present state of it. */
  readonly stream: Stream
  /** `unconnected`: never created, but the transmitter accepts our credentials; `gone`: created and deleted since. */
  readonly state: 'unconnected' | 'gone' | 'there'
  /** Members of the transmitter's stream that differ from our wishes. */
  readonly drifted: readonly string[]
}

export function createStreams(deps: StreamsDeps): Streams {
  const { world, registry } = deps
  const sessions = createTransmitterSessions(deps)
  const commits = createStreamCommits(deps)
  const push = createPushAuthorizations({ ...deps, sessions, commits })
  const connecting = createConnecting(registry, push.lookAgain)
  const connector = createStreamConnector({ ...deps, sessions, commits, push, connecting, forget })

  const turns = createProviderTurns({ world, leases: deps.leases, refresh: registry.refresh })
  const inTurn = <T>(providerId: string, work: () => Promise<T>): Promise<T> =>
    turns.take(providerId, () => deps.pollGate.closedFor(providerId, work))

  function forget({ id }: Stream): void {
    sessions.forget(id)
    registry.forget(id)
  }

  return {
    get: (providerId) => streamOf(registry, providerId),
    connect: (providerId, draft, by) => inTurn(providerId, () => connector.connect(providerId, draft, by)),
    async draftOf(providerId) {
      const stream = streamOf(registry, providerId)
      const { issuer } = await deps.providers.get(providerId)
      if (stream.issuer !== issuer) return { settings: stream.settings, secrets: undefined }
      const {
        pushAuthorization: _,
        nextPushAuthorization: __,
        pollAuthorization: ___,
        ...secrets
      } = await sessions.secretsOf(stream)
      return { settings: stream.settings, secrets }
    },
    verify: (providerId, by) =>
      inTurn(providerId, async () => {
        const stream = connectedStreamOf(registry, providerId)
        // Another node may have asked before our turn: the keeper decides before it has the turn.
        if (by === hubActor && wasJustAsked(stream, world.now())) return stream
        const { client, provider } = await sessions.open(stream)
        const asked = await askVerification(deps, stream, client)
        return by === hubActor ? asked : commits.commit({ kind: 'verify', provider, before: stream, by }, {})
      }),
    readStatus: (providerId) =>
      inTurn(providerId, async () => {
        const stream = connectedStreamOf(registry, providerId)
        const { client } = await sessions.open(stream)
        const { status, reason } = await client.status(stream.remote.streamId)
        return (await registry.note(stream.id, { status, statusReason: reason })) ?? stream
      }),
    setStatus: (providerId, wanted, by) =>
      inTurn(providerId, async () => {
        const stream = connectedStreamOf(registry, providerId)
        const { client, provider } = await sessions.open(stream)
        const answer = await client.setStatus(stream.remote.streamId, wanted)
        const { status, reason } = answer ?? (await client.status(stream.remote.streamId)) // 202: read the present status (SSF 1.0 §8.1.2.2)
        return commits.commit(
          { kind: 'status', provider, before: stream, by },
          { status, statusReason: reason },
        )
      }),
    addSubject: (providerId, subject, verified) =>
      deps.pollGate.closedFor(providerId, async () => {
        const stream = connectedStreamOf(registry, providerId)
        await (await sessions.open(stream)).client.addSubject(stream.remote.streamId, subject, verified)
      }),
    removeSubject: (providerId, subject) =>
      deps.pollGate.closedFor(providerId, async () => {
        const stream = connectedStreamOf(registry, providerId)
        await (await sessions.open(stream)).client.removeSubject(stream.remote.streamId, subject)
      }),
    rotateAuthorization: (providerId, overlapS, by) =>
      inTurn(providerId, () => push.rotate(providerId, overlapS, by)),
    disconnect: (providerId, forced, by) =>
      inTurn(providerId, async () => {
        const stream = streamOf(registry, providerId)
        const provider = await deps.providers.get(providerId)
        await commits
          .noting(stream.id, () => sessions.deleteThere(stream))
          .catch((error: unknown) => {
            if (!forced || !isHubError(error)) throw error
          })
        await deps.transaction(async ({ stores: { streams }, journal }) => {
          await streams.delete(stream.id)
          await journal.streamChanged({ kind: 'delete', provider, stream, before: stream, by })
        })
        forget(stream)
      }),
    check: (providerId) =>
      inTurn(providerId, () => checkStream({ world, registry, sessions, commits, connector }, providerId)),
    probe: (providerId) =>
      deps.pollGate.closedFor(providerId, async () => {
        const known = streamOf(registry, providerId)
        if (known.settings.existing !== undefined) {
          return { stream: known, state: isConnected(known) ? 'there' : 'unconnected', drifted: [] }
        }
        const stream = await sessions.located(known, await sessions.ownProvider(known))
        const { client, secrets } = await sessions.open(stream)
        if (!isConnected(stream)) {
          await client.list()
          return { stream, state: 'unconnected', drifted: [] }
        }
        const found = await client.read(stream.remote.streamId)
        if (found === undefined) return { stream, state: 'gone', drifted: [] }
        const drifted = Object.keys(drift(found, sessions.wished(stream, secrets)) ?? {})
        if (stream.endpoints.status === undefined) return { stream, state: 'there', drifted }
        const { status, reason } = await client.status(found.streamId)
        return { stream: { ...stream, status, statusReason: reason }, state: 'there', drifted }
      }),
    accessTo: sessions.accessTo,
    pushUrl: sessions.pushUrl,
    forPush: push.check,
    connected: connecting.connected,
  }
}
