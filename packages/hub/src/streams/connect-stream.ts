import type { Actor } from '../base/actor.ts'
import { HubError, isHubError } from '../base/hub-error.ts'
import { sha256 } from '../base/sha256.ts'
import type { World } from '../base/world.ts'
import type { Provider } from '../providers/provider.ts'
import { askVerification, mayAsk, type VerificationDeps } from './ask-verification.ts'
import type { Connecting } from './connecting.ts'
import { establish, remoteOf, type EstablishedStream } from './establish-stream.ts'
import { newPushAuthorization, type PushAuthorizations } from './push-authorizations.ts'
import type { StreamCommits } from './stream-commits.ts'
import type { StreamDraft } from './stream-draft.ts'
import type { StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import {
  isConnected,
  unconnected,
  type ConnectedStream,
  type OperatorStream,
  type RemoteStream,
  type Stream,
  type StreamSecrets,
  type TransmitterEndpoints,
} from './stream.ts'
import type { TransmitterSession, TransmitterSessions } from './transmitter-sessions.ts'

export interface ConnectDeps extends VerificationDeps {
  readonly world: Pick<World, 'now' | 'newId' | 'newSecret'>
  readonly providers: { get(id: string): Promise<Provider> }
  readonly registry: StreamRegistry
  readonly transaction: StreamTransaction
  readonly sessions: TransmitterSessions
  readonly commits: StreamCommits
  readonly push: Pick<PushAuthorizations, 'announce'>
  readonly connecting: Connecting
  /** Forgets a deleted stream. */
  readonly forget: (stream: Stream) => void
}

/** A stream's configuration before the change. */
export interface EarlierStream {
  readonly stream: Stream
  readonly secrets: StreamSecrets
}

/** Makes the stream at the transmitter match a draft. Requires the provider's turn. */
export interface StreamConnector {
  /** See `Streams.connect`. */
  connect(providerId: string, draft: StreamDraft, by: Actor): Promise<Stream>
  /**
   * Makes the stream at the transmitter match `wanted`. Nothing of ours changes before the transmitter agreed.
   * @param before - the earlier configuration of a stream that was set up before
   * @param left - a message about what is left to do for the earlier stream
   */
  setUp(
    wanted: Stream,
    provider: Provider,
    before: EarlierStream | undefined,
    by: Actor,
    left?: readonly string[],
  ): Promise<Stream>
}

export function createStreamConnector(deps: ConnectDeps): StreamConnector {
  const { world, registry, sessions, commits, push, connecting } = deps

  async function setUp(
    wanted: Stream,
    provider: Provider,
    before: EarlierStream | undefined,
    by: Actor,
    left: readonly string[] = [],
  ): Promise<Stream> {
    if (wanted.settings.existing !== undefined)
      return takeOver(wanted, wanted.settings.existing, provider, before, by)
    const there = await sessions.located(wanted, provider)
    const session = await sessions.open(there)
    const { stream, established } = await connecting.during(there.id, async () => {
      const established = await establish(
        session.client,
        there,
        sessions.wished(there, session.secrets),
        before && {
          wanted: sessions.wished(before.stream, before.secrets),
          isPushRefused: before.stream.pushError !== undefined,
        },
      )
      const { settings, pushAuthorization, endpoints } = there
      const sealedSecrets = await sealedWith(there, session.secrets, established)
      const remote = remoteOf(established.found)
      const stream = await commits.commit(
        {
          kind: wanted.remote === undefined ? 'create' : 'update',
          provider,
          before: before?.stream ?? wanted,
          by,
        },
        {
          ...(wanted.remote?.streamId !== remote.streamId && unconnected), // the state of the old stream does not apply to a new one
          ...{ settings, sealedSecrets, pushAuthorization, endpoints, remote },
          lastError: undefined,
          pollError: undefined,
          pushError: undefined,
        },
      )
      return { stream, established }
    })
    if (!isConnected(stream)) return stream
    const old = before && (await deleteReplaced(before, stream, session.secrets))
    const anew = wanted.remote !== undefined && !established.adopted
    return afterwards(stream, session, {
      ...established,
      anew,
      left: old === undefined ? left : [...left, old],
    })
  }

  /** Stores a stream as its operator describes it: sends nothing to the transmitter. */
  async function takeOver(
    stream: Stream,
    { streamId, pollUrl }: OperatorStream,
    provider: Provider,
    before: EarlierStream | undefined,
    by: Actor,
  ): Promise<Stream> {
    const replaced = before?.stream.remote?.streamId !== streamId ? before?.stream : undefined
    const lastError = replaced && (await sessions.deleteThereIfPossible(replaced)) // a stream of ours
    const endpoints = {
      ...unmanaged,
      metadataUrl: provider.wellKnownUrl ?? provider.issuer,
      configuration: pollUrl,
    }
    const remote: RemoteStream = {
      streamId,
      iss: provider.issuer,
      aud: stream.settings.audience ?? [],
      endpointUrl: pollUrl,
      eventsDelivered: undefined,
      minVerificationIntervalS: undefined,
      inactivityTimeoutS: undefined,
    }
    const kind = stream.remote === undefined ? 'create' : 'update'
    const { settings, sealedSecrets, pushAuthorization } = stream
    return commits.commit(
      { kind, provider, before: before?.stream ?? stream, by },
      {
        ...(stream.remote?.streamId !== streamId && unconnected),
        ...{ settings, sealedSecrets, pushAuthorization, endpoints, remote },
        status: undefined,
        statusReason: undefined,
        checkedAt: world.now(),
        lastError,
      },
    )
  }

  /** Reads the status and asks for verification. The stream is useful without either, so failures are only stored. */
  async function afterwards(
    stream: ConnectedStream,
    { client }: TransmitterSession,
    {
      adopted,
      repaired,
      anew,
      left,
    }: EstablishedStream & { readonly anew: boolean; readonly left: readonly string[] },
  ): Promise<Stream> {
    const { streamId } = stream.remote
    const problems = [...left]
    if (anew && stream.settings.subjects === 'listed') {
      problems.push('The stream had to be created again: its subjects must be added again.')
    }
    const trying = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        if (!isHubError(error)) throw error
        problems.push(error.detail)
      }
    }
    if (stream.endpoints.status !== undefined) {
      await trying(async () => {
        let answer = await client.status(streamId)
        if (adopted && answer.status !== 'enabled') {
          answer = (await client.setStatus(streamId, { status: 'enabled', reason: undefined })) ?? answer
        }
        await registry.note(stream.id, { status: answer.status, statusReason: answer.reason })
      })
    }
    const unproven = !adopted || repaired || stream.verifiedAt === undefined
    if (stream.endpoints.verification !== undefined && unproven && mayAsk(stream, world.now())) {
      await askVerification(deps, stream, client).catch((error: unknown) => {
        if (!isHubError(error)) throw error // already stored
      })
    }
    const lastError = problems.length === 0 ? undefined : problems.join(' ')
    return (await registry.note(stream.id, { lastError, checkedAt: world.now() })) ?? stream
  }

  /** Stores a stream before it is connected, so that it can be inspected if connecting fails. */
  async function putDown(
    stream: Stream,
    provider: Provider,
    {
      before,
      parted,
      by,
    }: { readonly before: Stream | undefined; readonly parted: Stream | undefined; readonly by: Actor },
  ): Promise<void> {
    await deps.transaction(async ({ stores: { streams, providers }, journal }) => {
      if ((await providers.findById(provider.id))?.issuer !== provider.issuer) throw changedMeanwhile()
      if (parted !== undefined) {
        await streams.delete(parted.id)
        await journal.streamChanged({ kind: 'delete', provider, stream: parted, before: parted, by })
      }
      if (before === undefined) return streams.insert(stream)
      const { settings, sealedSecrets, pushAuthorization, updatedAt } = stream
      await streams.update(stream.id, { settings, sealedSecrets, pushAuthorization, updatedAt })
    })
    if (parted !== undefined) deps.forget(parted)
    registry.remember(stream) // from here on the push route finds it
  }

  /** The sealed secrets of a stream, with the poll credential that its transmitter gave at creation. */
  async function sealedWith(
    { sealedSecrets }: Stream,
    { pollAuthorization: polledWith, ...secrets }: StreamSecrets,
    { found, adopted }: EstablishedStream,
  ): Promise<string> {
    const pollAuthorization = found.pollAuthorization ?? (adopted ? polledWith : undefined)
    if (pollAuthorization === polledWith) return sealedSecrets
    return sessions.seal({ ...secrets, ...(pollAuthorization !== undefined && { pollAuthorization }) })
  }

  /** Deletes the stream that an earlier client of ours had. @returns a message about what is left to do */
  async function deleteReplaced(
    before: EarlierStream,
    { remote, settings }: ConnectedStream,
    secrets: StreamSecrets,
  ): Promise<string | undefined> {
    const identityOf = ({ bearerToken, clientSecret, clientKey }: StreamSecrets, auth: object) =>
      JSON.stringify([auth, bearerToken, clientSecret, clientKey])
    const { stream } = before
    if (stream.remote === undefined || stream.remote.streamId === remote.streamId) return undefined
    const isSameClient =
      identityOf(before.secrets, stream.settings.auth) === identityOf(secrets, settings.auth)
    return isSameClient ? undefined : sessions.deleteThereIfPossible(stream)
  }

  return {
    setUp,
    async connect(providerId, draft, by) {
      const provider = await deps.providers.get(providerId)
      const known = registry.ofProvider(providerId)
      const parted = known?.issuer === provider.issuer ? undefined : known
      const left = parted && (await sessions.deleteThereIfPossible(parted))
      const before = parted === undefined ? known : undefined
      const kept = before && (await sessions.secretsOf(before).catch(() => undefined))
      const pushAuthorization = kept?.pushAuthorization ?? newPushAuthorization(world)
      const { nextPushAuthorization, pollAuthorization } = kept ?? {}
      const secrets: StreamSecrets = {
        ...draft.secrets,
        pushAuthorization,
        ...(nextPushAuthorization !== undefined && { nextPushAuthorization }),
        ...(pollAuthorization !== undefined && { pollAuthorization }),
      }
      const now = world.now()
      const stream: Stream = {
        id: world.newId('str'),
        providerId,
        ...unconnected,
        createdAt: now,
        ...before,
        issuer: provider.issuer,
        settings: draft.settings,
        sealedSecrets: await sessions.seal(secrets),
        pushAuthorization: {
          currentHash: sha256(pushAuthorization),
          previous: kept === undefined ? undefined : before?.pushAuthorization.previous,
        },
        updatedAt: now,
      }
      if (before !== undefined && isConnected(before)) await push.announce(before, stream)
      else await putDown(stream, provider, { before, parted, by })
      // After a change of the secret key the transmitter needs a new Authorization value.
      const earlier = before && { stream: before, secrets: kept ?? { pushAuthorization: '' } }
      return commits.noting(stream.id, () =>
        setUp(stream, provider, earlier, by, left === undefined ? [] : [left]),
      )
    },
  }
}

/** The transmitter settings of a stream that its operator made: no management API. */
const unmanaged: Omit<TransmitterEndpoints, 'metadataUrl' | 'configuration'> = {
  status: undefined,
  verification: undefined,
  addSubject: undefined,
  removeSubject: undefined,
  deliveryMethods: undefined,
  defaultSubjects: undefined,
  criticalSubjectMembers: [],
}

function changedMeanwhile(): HubError {
  return new HubError('stream.not_connected', {
    detail: 'The provider was deleted, or its issuer was changed, while the stream was being connected.',
  })
}
