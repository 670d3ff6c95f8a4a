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
  /** Told when a stream had better be looked after now. */
  readonly onDoubt: (stream: Stream) => void
}

/**
 * Our streams at transmitters. Verbs take the id of the provider, and one verb at a time runs for each provider. A stream
 * that was connected while the provider had another issuer is unconnected: its credentials are for that issuer alone.
 */
export interface Streams {
  /** @throws HubError `stream.not_found` */
  get(providerId: string): Stream
  /**
   * Makes the stream what the draft says, at the transmitter too: creates it there, or adopts the one that is there and
   * repairs what differs, and asks for verification. The settings stay when that fails, so that it can be looked into.
   * @throws HubError `provider.not_found`, `provider.metadata_unusable`, `stream.*`
   */
  connect(providerId: string, draft: StreamDraft, by: Actor): Promise<Stream>
  /** The draft that a PATCH starts from, with its secrets. @throws HubError `stream.not_found` */
  draftOf(providerId: string): Promise<KnownDraft>
  /** Asks for a verification event with a new state (SSF 1.0 §8.1.4.1). @throws HubError `stream.*` */
  verify(providerId: string, by: Actor): Promise<Stream>
  /** Reads the status at the transmitter. @throws HubError `stream.*` */
  readStatus(providerId: string): Promise<Stream>
  setStatus(providerId: string, wanted: StatusAnswer, by: Actor): Promise<Stream>
  /** Success promises nothing (SSF 1.0 §9.1). @throws HubError `stream.*` */
  addSubject(providerId: string, subject: JsonObject, verified: boolean | undefined): Promise<void>
  removeSubject(providerId: string, subject: JsonObject): Promise<void>
  /**
   * Gives the transmitter a new Authorization value to push with; the old one is taken for `overlapS` more seconds.
   * @throws HubError `stream.*`; both values are then taken
   */
  rotateAuthorization(providerId: string, overlapS: number, by: Actor): Promise<Stream>
  /**
   * Deletes the stream, at the transmitter first.
   * @param forced - also when the transmitter cannot or will not delete it
   */
  disconnect(providerId: string, forced: boolean, by: Actor): Promise<void>
  /**
   * Sees whether a connected stream is still as we want it and repairs what is not; one that is gone is created anew
   * (SSF 1.0 §8.1.1, §8.1.1.2). @throws HubError `stream.*`
   */
  check(providerId: string): Promise<Stream>
  /** Looks at the stream at the transmitter and changes nothing there. @throws HubError `stream.*` */
  probe(providerId: string): Promise<StreamProbe>
  /** The way to the transmitter, for polls. */
  accessTo(stream: ConnectedStream): TransmitterAccess
  /** Where the transmitter pushes to. */
  pushUrl(stream: Stream): string
  /**
   * The stream that is pushed to, and whether this is an Authorization value that its transmitter may push with, which
   * takes the same time for all values. A refused one is noted with the stream. Undefined when there is no such stream.
   */
  forPush(
    id: string,
    authorization: string | undefined,
  ): Promise<{ readonly stream: Stream; readonly authorized: boolean } | undefined>
  /** The stream once it is connected, when that is being done right now. @throws HubError `stream.not_connected` */
  connected(id: string): Promise<ConnectedStream>
}

/** What a look at the transmitter showed. */
export interface StreamProbe {
  /** With what we know of it now. */
  readonly stream: Stream
  /** `unconnected`: it was never created, but the transmitter lets us in; `gone`: it was and is not there any more. */
  readonly state: 'unconnected' | 'gone' | 'there'
  /** Members that the transmitter has otherwise than we want. */
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
        // Whoever had the turn before may have asked already: the keeper decides before it has its turn.
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
        const { status, reason } = answer ?? (await client.status(stream.remote.streamId)) // 202: what it is now (SSF 1.0 §8.1.2.2)
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
