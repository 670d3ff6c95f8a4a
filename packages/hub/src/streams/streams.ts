import { hash, timingSafeEqual } from 'node:crypto'
import type { Actor } from '../base/actor.ts'
import { HubError, isHubError } from '../base/hub-error.ts'
import { type JsonObject, printable } from '@watchbell/receiver/base'
import type { SecretBox } from '../base/secret-box.ts'
import type { World } from '../base/world.ts'
import type { LeaseStore } from '../base/lease.ts'
import type { Provider } from '../providers/provider.ts'
import type { Dialect } from '@watchbell/receiver/set'
import { credentialFetch } from './credential-fetch.ts'
import { withoutQuery, type TransmitterMetadata } from './discovery.ts'
import { partedMessage } from './part-stream.ts'
import type { KnownDraft, StreamDraft } from './stream-draft.ts'
import type { PollGate } from './poll-gate.ts'
import { createProviderTurns } from './provider-turns.ts'
import { hubActor, type StreamChange, type StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import { changedWishes, drift, wishedStream } from './stream-wishes.ts'
import {
  isConnected,
  deliveryMethodUrns,
  unconnected,
  type ConnectedStream,
  type OperatorStream,
  type TransmitterEndpoints,
  type RemoteStream,
  type Stream,
  type StreamSecrets,
} from './stream.ts'
import { createTransmitterAccess, requestWith, type TransmitterAccess } from './transmitter-auth.ts'
import {
  createTransmitterClient,
  requireMethod,
  type StatusAnswer,
  type StreamConfiguration,
  type StreamRequest,
  type StreamRequestChanges,
  type TransmitterClient,
} from './transmitter-client.ts'
import { readEndpoints } from './transmitter-endpoints.ts'

export interface StreamsDeps {
  readonly world: Pick<
    World,
    'now' | 'monotonicMs' | 'newId' | 'newUuid' | 'newSecret' | 'fetch' | 'fetchPublic'
  >
  /** Public origin of the hub: our push URLs begin with it. */
  readonly origin: string
  readonly providers: { get(id: string): Promise<Provider> }
  readonly registry: StreamRegistry
  readonly store: Pick<StreamStore, 'addState'>
  readonly leases: LeaseStore
  readonly transaction: StreamTransaction
  readonly box: SecretBox
  /** @throws HubError `provider.metadata_unusable` */
  readonly readMetadata: (provider: Provider) => Promise<TransmitterMetadata>
  readonly urlProblem: (url: string) => string | undefined
  readonly dialectsOf: (providerId: string) => ReadonlySet<Dialect>
  /** For one request to a transmitter, polls apart. */
  readonly requestTimeoutMs: number
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

const unreadable =
  'The credentials of this stream were sealed with another secret key and cannot be opened. Start the hub with the key ' +
  'that it had then (WATCHBELL_SECRET_KEY, or the file secret.key beside the database), or connect the stream again ' +
  'with its credentials (`watchbell stream connect`, or PUT): the transmitter then learns a new value to push with.'

/** How long a SET waits for the stream it belongs to to be connected, before it is asked to come again. */
const connectedWaitMs = 2_000
/** How long a state that was asked with is good. */
const stateKeptMs = 7 * 86_400_000
const pushSecretBytes = 32
/** The shortest pause after a verification that could not be asked for. */
const verifyRetryMs = 30_000
/** Pushes that are refused make memory be read anew, and a stream be looked after, at most this often. */
const lookAgainMs = 1_000
const hurryAgainMs = 15 * 60_000
/** A stream that has to be set right again within this time is changed by somebody else. */
const contestedMs = 24 * 3_600_000

/** Everything that one verb needs of a stream. */
interface Session {
  readonly provider: Provider
  readonly client: TransmitterClient
  readonly secrets: StreamSecrets
}

/** What a stream was when it was set up before. */
interface Earlier {
  readonly stream: Stream
  readonly secrets: StreamSecrets
}

/** A stream at the transmitter that is as we want it, and how it came to be so. */
interface Established {
  readonly found: StreamConfiguration
  readonly repaired: boolean
  readonly adopted: boolean
}

export function createStreams(deps: StreamsDeps): Streams {
  const { world, registry, box } = deps
  /** By the id of the stream: ends when the stream is committed, or cannot be. */
  const connecting = new Map<string, Promise<void>>()
  /** When memory was last read anew because of a push, and when a stream was last hurried because of one, monotonic ms. */
  let lookedAgainAt = Number.NEGATIVE_INFINITY
  const hurriedAt = new Map<string, number>()
  /** By the id of the stream; another one as soon as its secrets or settings are others. */
  const accesses = new Map<string, { readonly key: string; readonly access: TransmitterAccess }>()

  const turns = createProviderTurns({ world, leases: deps.leases, refresh: registry.refresh })
  const inTurn = <T>(providerId: string, work: () => Promise<T>): Promise<T> =>
    turns.take(providerId, () => deps.pollGate.closedFor(providerId, work))

  function get(providerId: string): Stream {
    const stream = registry.ofProvider(providerId)
    if (stream !== undefined) return registry.find(stream.id) ?? stream
    throw new HubError('stream.not_found', {
      detail: `The provider ${providerId.slice(0, 50)} has no stream.`,
      facts: { id: providerId.slice(0, 50), type: 'Stream' },
    })
  }

  function getConnected(providerId: string): ConnectedStream {
    const stream = get(providerId)
    if (isConnected(stream)) return stream
    throw notConnected(stream)
  }

  function forget({ id }: Stream): void {
    accesses.delete(id)
    registry.forget(id)
  }

  const pushUrl = ({ id }: Stream): string => `${deps.origin}/ssf/streams/${id}/events`

  /** @throws HubError `stream.secrets_unreadable` */
  async function secretsOf({ sealedSecrets }: Stream): Promise<StreamSecrets> {
    const opened = await box.open(sealedSecrets).catch((error: unknown) => {
      if (!isHubError(error, 'hub.secret_unreadable')) throw error
      throw new HubError('stream.secrets_unreadable', { detail: unreadable, cause: error })
    })
    return JSON.parse(opened) as StreamSecrets // as it was sealed
  }

  function accessOf(stream: Stream, secrets: StreamSecrets, issuer: string): TransmitterAccess {
    const resource = stream.endpoints?.configuration ?? issuer
    const okta = deps.dialectsOf(stream.providerId).has('okta-transmitter')
    const { auth, credentialHosts } = stream.settings
    const secretsHash = hashOf(JSON.stringify(secrets))
    const key = JSON.stringify([auth, credentialHosts, secretsHash, issuer, resource, okta])
    const known = accesses.get(stream.id)
    if (known?.key === key) return known.access
    const fetch = credentialFetch(world, issuer, stream.settings)
    const access = createTransmitterAccess(
      { world: { now: world.now, fetch } },
      {
        auth,
        secrets,
        issuer,
        resource,
        assertionsFor: okta ? 'token_endpoint' : 'issuer',
        timeoutMs: deps.requestTimeoutMs,
      },
    )
    accesses.set(stream.id, { key, access })
    return access
  }

  /** The provider as it is now. @throws HubError `stream.not_connected` when the stream's credentials are not for its issuer */
  async function ownProvider(stream: Stream): Promise<Provider> {
    const provider = await deps.providers.get(stream.providerId)
    if (stream.issuer === provider.issuer) return provider
    throw new HubError('stream.not_connected', { detail: partedMessage(stream.issuer, provider.issuer) })
  }

  async function sessionOf(stream: Stream): Promise<Session> {
    const provider = await ownProvider(stream)
    const { endpoints } = stream
    if (endpoints === undefined) throw notConnected(stream)
    const secrets = await secretsOf(stream)
    return { provider, client: clientOf({ ...stream, endpoints }, secrets, provider.issuer), secrets }
  }

  function clientOf(
    stream: Stream & Pick<ConnectedStream, 'endpoints'>,
    secrets: StreamSecrets,
    issuer: string,
  ): TransmitterClient {
    return createTransmitterClient({
      access: accessOf(stream, secrets, issuer),
      endpoints: stream.endpoints,
      issuer,
      audience: stream.settings.audience,
      urlProblem: deps.urlProblem,
      timeoutMs: deps.requestTimeoutMs,
    })
  }

  /** Deletes a stream at the transmitter that created it, whatever the provider's issuer is now. */
  async function deleteThere(stream: Stream): Promise<void> {
    const { remote, endpoints, settings } = stream
    if (remote === undefined || endpoints === undefined || settings.existing !== undefined) return
    await clientOf({ ...stream, endpoints }, await secretsOf(stream), remote.iss).delete(remote.streamId)
  }

  /** Deletes a stream there if that can be done. @returns in words what is left to do */
  async function deleteThereIfPossible(stream: Stream): Promise<string | undefined> {
    try {
      await deleteThere(stream)
      return undefined
    } catch (error) {
      if (!isHubError(error)) throw error
      const { streamId = '', iss = '' } = stream.remote ?? {}
      return `The stream ${streamId} that was there before could not be deleted at ${iss}; delete it there. ${error.detail}`
    }
  }

  /** Changes a stream and journals it in one commit. */
  async function commit(
    change: Omit<StreamChange, 'stream'> & { readonly before: Stream },
    changes: Partial<Stream>,
  ): Promise<Stream> {
    const { id, providerId, createdAt, ...known } = registry.find(change.before.id) ?? change.before
    const changed = { ...changes, updatedAt: world.now() }
    const stream: Stream = { ...known, ...changed, id, providerId, createdAt }
    await deps.transaction(async ({ stores: { streams }, journal }) => {
      await streams.update(id, changed)
      await journal.streamChanged({ ...change, stream })
    })
    return registry.apply(id, changed) ?? stream
  }

  /** Makes what went wrong be seen, and passes it on. */
  async function noting<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      await registry.note(id, {
        lastError: shownError(error),
      })
      throw error
    }
  }

  function wished(stream: Stream, { pushAuthorization }: StreamSecrets): StreamRequest {
    const dialects = deps.dialectsOf(stream.providerId)
    return wishedStream({ stream, pushUrl: pushUrl(stream), pushAuthorization, dialects })
  }

  /** The stream with what the metadata says now; its issuer must be the provider's, character for character (SSF 1.0 §4.1.6, §7.2.4). */
  async function located(
    stream: Stream,
    provider: Provider,
  ): Promise<Stream & Pick<ConnectedStream, 'endpoints'>> {
    const metadata = await deps.readMetadata(provider).catch((error: unknown) => {
      if (!isHubError(error, 'provider.metadata_unusable')) throw error
      throw new HubError('stream.transmitter_unavailable', { detail: error.detail, cause: error }) // no fault of who asks us
    })
    if (metadata.issuer !== provider.issuer) {
      throw new HubError('stream.answer_unusable', {
        detail: `The metadata at ${metadata.url} is of the issuer ${metadata.issuer}; the provider's is ${provider.issuer}. Update the provider first.`,
      })
    }
    return { ...stream, endpoints: readEndpoints(metadata, stream.settings.delivery, deps.urlProblem) }
  }

  /** The stream at the transmitter, made to be what we want; created when there is none. */
  async function establish(
    stream: Stream,
    { client, secrets }: Session,
    before: Earlier | undefined,
  ): Promise<Established> {
    const wanted = wished(stream, secrets)
    // What was asked otherwise before is told in any case: not every transmitter shows all that it was asked.
    const asked = before && {
      ...changedWishes(wished(before.stream, before.secrets), wanted),
      ...(before.stream.pushError !== undefined && { delivery: wanted.delivery }),
    }
    const known = stream.remote && (await client.read(stream.remote.streamId))
    // An earlier try may have created it and never have heard: a stream that pushes to our URL can only be ours.
    const lost = known === undefined && before ? await findLost(client, wanted) : undefined
    const existing = known ?? lost
    if (existing !== undefined) return adopt(client, existing, wanted, asked)
    const created = await client.create(wanted)
    if (created !== undefined) return { found: created, repaired: false, adopted: false }
    const others = await client.list() // SSF 1.0 §8.1.1.1
    const [only] = others
    if (only === undefined || others.length > 1) {
      throw new HubError('stream.transmitter_refused', {
        detail: `The transmitter refuses another stream (409) and shows ${others.length} of ours, so that it is not clear which to adopt. Delete the ones that are not needed at the transmitter.`,
      })
    }
    return adopt(client, only, wanted)
  }

  async function adopt(
    client: TransmitterClient,
    existing: StreamConfiguration,
    wanted: StreamRequest,
    asked: StreamRequestChanges = {},
  ): Promise<Established> {
    const changes = { ...drift(existing, wanted), ...asked }
    if (Object.keys(changes).length === 0) return { found: existing, repaired: false, adopted: true }
    const changed = await client.change(existing.streamId, changes, wanted)
    const found = changed ?? existing
    // Keycloak's answer to a PUT leaves out where it is polled; that stays while the method does.
    const isOther = found.method !== existing.method
    const endpointUrl = found.endpointUrl ?? (isOther ? undefined : existing.endpointUrl)
    if (isOther && found.method === deliveryMethodUrns.poll && endpointUrl === existing.endpointUrl) {
      throw new HubError('stream.answer_unusable', {
        detail: 'The transmitter says that the stream is polled, at the URL that it pushed to.',
      })
    }
    return {
      found: requireMethod({ ...found, endpointUrl }, wanted, changed === undefined),
      repaired: true,
      adopted: true,
    }
  }

  /** Asks for a verification event. What goes wrong is noted, and when to ask again. */
  async function askVerification(stream: ConnectedStream, client: TransmitterClient): Promise<Stream> {
    const state = world.newSecret(24)
    const at = world.now()
    await deps.store.addState({
      streamId: stream.id,
      hash: hashOf(state),
      at,
      keepSince: new Date(at.getTime() - stateKeptMs),
    })
    const asked = { verificationAskedAt: at, verificationError: undefined, verifyNotBefore: undefined }
    try {
      await client.verify(stream.remote.streamId, state)
    } catch (error) {
      const { verifiedAt } = registry.find(stream.id) ?? stream
      // The event may come before the answer does, and then proves more than the answer.
      if (verifiedAt === undefined || verifiedAt < at) {
        const pauseMs = Math.max(verifyRetryMs, ((isHubError(error) && error.retryAfterS) || 0) * 1_000)
        await registry.note(stream.id, {
          verificationError: shownError(error),
          verifyNotBefore: new Date(at.getTime() + pauseMs),
        })
        throw error
      }
    }
    return (await registry.note(stream.id, asked)) ?? stream
  }

  /** Reads status and asks for verification: what a transmitter may lack without the stream being of no use. */
  async function afterwards(
    stream: ConnectedStream,
    { client }: Session,
    {
      adopted,
      repaired,
      anew,
      left,
    }: Established & { readonly anew: boolean; readonly left: readonly string[] },
  ): Promise<Stream> {
    const { streamId } = stream.remote
    const problems = [...left]
    if (anew && stream.settings.subjects === 'listed') {
      problems.push('The stream had to be created anew: those whom it is to be about must be added again.')
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
      await askVerification(stream, client).catch((error: unknown) => {
        if (!isHubError(error)) throw error // what went wrong is noted
      })
    }
    const lastError = problems.length === 0 ? undefined : problems.join(' ')
    return (await registry.note(stream.id, { lastError, checkedAt: world.now() })) ?? stream
  }

  /** Takes a stream as its operator describes it: nobody is asked, and nothing is changed at the transmitter. */
  async function takeOver(
    stream: Stream,
    { streamId, pollUrl }: OperatorStream,
    provider: Provider,
    before: Earlier | undefined,
    by: Actor,
  ): Promise<Stream> {
    const replaced = before?.stream.remote?.streamId !== streamId ? before?.stream : undefined
    const lastError = replaced && (await deleteThereIfPossible(replaced)) // one that we made
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
    return commit(
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

  /**
   * Makes the stream at the transmitter what `wanted` is. Nothing of ours changes before the transmitter agreed.
   * @param before - what it was, when it was set up before
   */
  async function setUp(
    wanted: Stream,
    provider: Provider,
    before: Earlier | undefined,
    by: Actor,
    left: readonly string[] = [],
  ): Promise<Stream> {
    if (wanted.settings.existing !== undefined)
      return takeOver(wanted, wanted.settings.existing, provider, before, by)
    const there = await located(wanted, provider)
    const session = await sessionOf(there)
    const { stream, established } = await awaited(there.id, async () => {
      const established = await establish(there, session, before)
      const { settings, pushAuthorization, endpoints } = there
      const sealedSecrets = await sealedWith(there, session.secrets, established)
      const remote = remoteOf(established.found)
      const stream = await commit(
        {
          kind: wanted.remote === undefined ? 'create' : 'update',
          provider,
          before: before?.stream ?? wanted,
          by,
        },
        {
          ...(wanted.remote?.streamId !== remote.streamId && unconnected), // nothing is known of another stream
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

  /** The sealed secrets of a stream, with the poll credential that its transmitter gave when it created the stream. */
  async function sealedWith(
    { sealedSecrets }: Stream,
    { pollAuthorization: polledWith, ...secrets }: StreamSecrets,
    { found, adopted }: Established,
  ): Promise<string> {
    const pollAuthorization = found.pollAuthorization ?? (adopted ? polledWith : undefined)
    if (pollAuthorization === polledWith) return sealedSecrets
    return box.seal(
      JSON.stringify({ ...secrets, ...(pollAuthorization !== undefined && { pollAuthorization }) }),
    )
  }

  /** Keeps a stream that is not connected yet, so that it can be looked into whatever becomes of it. */
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
    if (parted !== undefined) forget(parted)
    registry.remember(stream) // from here on the push route takes what comes
  }

  /** Lets a connected stream be pushed to with the Authorization value that its transmitter is about to learn. */
  async function announce(before: ConnectedStream, { pushAuthorization }: Stream): Promise<void> {
    const { currentHash } = before.pushAuthorization
    if (currentHash === pushAuthorization.currentHash) return
    const previous = { hash: pushAuthorization.currentHash, until: undefined }
    await registry.note(before.id, { pushAuthorization: { currentHash, previous } })
  }

  /** Lets what is pushed meanwhile wait until the work has ended. */
  async function awaited<T>(id: string, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    connecting.set(id, promise)
    try {
      return await work()
    } finally {
      connecting.delete(id)
      resolve()
    }
  }

  /** Deletes the stream that another client of ours had before. @returns in words what is left to do */
  async function deleteReplaced(
    before: Earlier,
    { remote, settings }: ConnectedStream,
    secrets: StreamSecrets,
  ): Promise<string | undefined> {
    const identityOf = ({ bearerToken, clientSecret, clientKey }: StreamSecrets, auth: object) =>
      JSON.stringify([auth, bearerToken, clientSecret, clientKey])
    const { stream } = before
    if (stream.remote === undefined || stream.remote.streamId === remote.streamId) return undefined
    const isSameClient =
      identityOf(before.secrets, stream.settings.auth) === identityOf(secrets, settings.auth)
    return isSameClient ? undefined : deleteThereIfPossible(stream)
  }

  return {
    get,
    connect: (providerId, draft, by) =>
      inTurn(providerId, async () => {
        const provider = await deps.providers.get(providerId)
        const known = registry.ofProvider(providerId)
        const parted = known?.issuer === provider.issuer ? undefined : known
        const left = parted && (await deleteThereIfPossible(parted))
        const before = parted === undefined ? known : undefined
        const kept = before && (await secretsOf(before).catch(() => undefined))
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
          sealedSecrets: await box.seal(JSON.stringify(secrets)),
          pushAuthorization: {
            currentHash: hashOf(pushAuthorization),
            previous: kept === undefined ? undefined : before?.pushAuthorization.previous,
          },
          updatedAt: now,
        }
        if (before !== undefined && isConnected(before)) await announce(before, stream)
        else await putDown(stream, provider, { before, parted, by })
        // With another secret key than before, the transmitter has to learn a new Authorization value.
        const earlier = before && { stream: before, secrets: kept ?? { pushAuthorization: '' } }
        return noting(stream.id, () => setUp(stream, provider, earlier, by, left === undefined ? [] : [left]))
      }),
    async draftOf(providerId) {
      const stream = get(providerId)
      const { issuer } = await deps.providers.get(providerId)
      if (stream.issuer !== issuer) return { settings: stream.settings, secrets: undefined }
      const {
        pushAuthorization: _,
        nextPushAuthorization: __,
        pollAuthorization: ___,
        ...secrets
      } = await secretsOf(stream)
      return { settings: stream.settings, secrets }
    },
    verify: (providerId, by) =>
      inTurn(providerId, async () => {
        const stream = getConnected(providerId)
        // Whoever had the turn before may have asked already: the keeper decides before it has its turn.
        if (by === hubActor && wasJustAsked(stream, world.now())) return stream
        const { client, provider } = await sessionOf(stream)
        const asked = await askVerification(stream, client)
        return by === hubActor ? asked : commit({ kind: 'verify', provider, before: stream, by }, {})
      }),
    readStatus: (providerId) =>
      inTurn(providerId, async () => {
        const stream = getConnected(providerId)
        const { client } = await sessionOf(stream)
        const { status, reason } = await client.status(stream.remote.streamId)
        return (await registry.note(stream.id, { status, statusReason: reason })) ?? stream
      }),
    setStatus: (providerId, wanted, by) =>
      inTurn(providerId, async () => {
        const stream = getConnected(providerId)
        const { client, provider } = await sessionOf(stream)
        const answer = await client.setStatus(stream.remote.streamId, wanted)
        const { status, reason } = answer ?? (await client.status(stream.remote.streamId)) // 202: what it is now (SSF 1.0 §8.1.2.2)
        return commit({ kind: 'status', provider, before: stream, by }, { status, statusReason: reason })
      }),
    addSubject: (providerId, subject, verified) =>
      deps.pollGate.closedFor(providerId, async () => {
        const stream = getConnected(providerId)
        await (await sessionOf(stream)).client.addSubject(stream.remote.streamId, subject, verified)
      }),
    removeSubject: (providerId, subject) =>
      deps.pollGate.closedFor(providerId, async () => {
        const stream = getConnected(providerId)
        await (await sessionOf(stream)).client.removeSubject(stream.remote.streamId, subject)
      }),
    rotateAuthorization: (providerId, overlapS, by) =>
      inTurn(providerId, async () => {
        const stream = getConnected(providerId)
        if (stream.settings.delivery !== 'push') {
          throw new HubError('stream.unsupported', { detail: 'This stream is polled: nobody pushes to it.' })
        }
        const { client, provider, secrets } = await sessionOf(stream)
        const { nextPushAuthorization = newPushAuthorization(world), ...kept } = secrets
        const next: StreamSecrets = { ...kept, pushAuthorization: nextPushAuthorization }
        const { currentHash } = stream.pushAuthorization
        const nextHash = hashOf(next.pushAuthorization)
        // Both are good before the transmitter knows, and stay so without an end if we never hear which one it has.
        await registry.note(stream.id, {
          sealedSecrets: await box.seal(JSON.stringify({ ...secrets, nextPushAuthorization })),
          pushAuthorization: { currentHash, previous: { hash: nextHash, until: undefined } },
        })
        await noting(stream.id, async () => {
          const wanted = wished(stream, next)
          await client.change(stream.remote.streamId, { delivery: wanted.delivery }, wanted)
        })
        const until = new Date(world.now().getTime() + overlapS * 1_000)
        return commit(
          { kind: 'rotate', provider, before: stream, by },
          {
            sealedSecrets: await box.seal(JSON.stringify(next)),
            pushAuthorization: { currentHash: nextHash, previous: { hash: currentHash, until } },
          },
        )
      }),
    disconnect: (providerId, forced, by) =>
      inTurn(providerId, async () => {
        const stream = get(providerId)
        const provider = await deps.providers.get(providerId)
        await noting(stream.id, () => deleteThere(stream)).catch((error: unknown) => {
          if (!forced || !isHubError(error)) throw error
        })
        await deps.transaction(async ({ stores: { streams }, journal }) => {
          await streams.delete(stream.id)
          await journal.streamChanged({ kind: 'delete', provider, stream, before: stream, by })
        })
        forget(stream)
      }),
    check: (providerId) =>
      inTurn(providerId, () => {
        const stream = get(providerId)
        return noting(stream.id, async () => {
          const provider = await ownProvider(stream)
          if (!isConnected(stream)) throw notConnected(stream)
          if (stream.settings.existing !== undefined) {
            return (await registry.note(stream.id, { checkedAt: world.now() })) ?? stream
          }
          const there = await located(stream, provider)
          const session = await sessionOf(there)
          const existing = await session.client.read(stream.remote.streamId)
          if (existing === undefined) {
            return setUp(stream, provider, { stream, secrets: session.secrets }, hubActor) // it is gone: make it anew
          }
          const wanted = wished(there, session.secrets)
          // Pushes come without the value that was agreed on: the transmitter may not have it.
          const told = stream.pushError === undefined ? {} : { delivery: wanted.delivery }
          const drifted = drift(existing, wanted)
          const { found, repaired } = await adopt(session.client, existing, wanted, told)
          const remote = remoteOf(found)
          if (repaired) {
            const repairedAt = drifted === undefined ? stream.repairedAt : world.now()
            await commit({ kind: 'repair', provider, before: stream, by: hubActor }, { remote, repairedAt })
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
            return commit({ kind: 'status', provider, before: stream, by: hubActor }, changes)
          }
          return (await registry.note(stream.id, changes)) ?? stream
        })
      }),
    probe: (providerId) =>
      deps.pollGate.closedFor(providerId, async () => {
        const known = get(providerId)
        if (known.settings.existing !== undefined) {
          return { stream: known, state: isConnected(known) ? 'there' : 'unconnected', drifted: [] }
        }
        const stream = await located(known, await ownProvider(known))
        const { client, secrets } = await sessionOf(stream)
        if (!isConnected(stream)) {
          await client.list()
          return { stream, state: 'unconnected', drifted: [] }
        }
        const found = await client.read(stream.remote.streamId)
        if (found === undefined) return { stream, state: 'gone', drifted: [] }
        const drifted = Object.keys(drift(found, wished(stream, secrets)) ?? {})
        if (stream.endpoints.status === undefined) return { stream, state: 'there', drifted }
        const { status, reason } = await client.status(found.streamId)
        return { stream: { ...stream, status, statusReason: reason }, state: 'there', drifted }
      }),
    accessTo: (stream) => ({
      scopeAsked: () => accesses.get(stream.id)?.access.scopeAsked?.(),
      async request(request) {
        const current = registry.find(stream.id) ?? stream
        const secrets = await secretsOf(current)
        return secrets.pollAuthorization === undefined
          ? accessOf(current, secrets, stream.remote.iss).request(request)
          : requestWith(
              { fetch: credentialFetch(world, stream.remote.iss, current.settings) },
              secrets.pollAuthorization,
              request,
            )
      },
    }),
    pushUrl,
    async forPush(id, authorization) {
      const known = registry.find(id)
      // Another node may have made it, or told its transmitter another value, a moment ago.
      if (known === undefined || !mayPush(known, authorization)) await lookAgain()
      const stream = registry.find(id)
      if (stream === undefined) return undefined
      const authorized = mayPush(stream, authorization)
      if (authorized && stream.pushError !== undefined) await registry.note(id, { pushError: undefined })
      if (!authorized && stream.settings.delivery === 'push' && isConnected(stream)) await noteRefused(stream)
      return { stream, authorized }
    },
    async connected(id) {
      const work = connecting.get(id)
      if (work !== undefined) await settledWithin(work, connectedWaitMs)
      const known = registry.find(id)
      if (known !== undefined && !isConnected(known)) await lookAgain()
      const stream = registry.find(id)
      if (stream !== undefined && isConnected(stream)) return stream
      throw notConnected(stream)
    },
  }

  function mayPush(
    { pushAuthorization: { currentHash, previous } }: Stream,
    authorization: string | undefined,
  ): boolean {
    const given = hashOf(authorization ?? '')
    const current = sameHash(given, currentHash)
    const known = previous !== undefined && sameHash(given, previous.hash)
    return current || (known && (previous.until === undefined || previous.until > world.now()))
  }

  /** Reads memory anew, not more often than strangers should make us. */
  async function lookAgain(): Promise<void> {
    const now = world.monotonicMs()
    if (now - lookedAgainAt < lookAgainMs) return
    lookedAgainAt = now
    await registry.refresh()
  }

  /** Makes a push without the right Authorization be seen, and the stream be looked after. */
  async function noteRefused(stream: ConnectedStream): Promise<void> {
    if (stream.pushError !== undefined) return
    await registry.note(stream.id, {
      pushError: `Pushes are refused (401): one came at ${world.now().toISOString()} without the Authorization value that was agreed on, and none with it since. The hub tells the transmitter the value again; \`watchbell stream rotate-authorization\` makes a new one.`,
    })
    const now = world.monotonicMs()
    if (now - (hurriedAt.get(stream.id) ?? Number.NEGATIVE_INFINITY) < hurryAgainMs) return
    hurriedAt.set(stream.id, now)
    deps.onDoubt(stream)
  }
}

/** What to say when a stream has to be set right again and again. */
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
    endpointUrl === undefined
      ? ''
      : ` (it was to be delivered at ${printable(withoutQuery(endpointUrl), 200)})`
  return (
    `Somebody else changes the stream at the transmitter: its ${Object.keys(drifted).join(', ')} had been set right at ` +
    `${repairedAt.toISOString()} and was another one again${where}. If another hub uses the same client at this ` +
    'transmitter, give each hub a client of its own.'
  )
}

/** What of a transmitter's management API is used for a stream that its operator made. */
const unmanaged: Omit<TransmitterEndpoints, 'metadataUrl' | 'configuration'> = {
  status: undefined,
  verification: undefined,
  addSubject: undefined,
  removeSubject: undefined,
  deliveryMethods: undefined,
  defaultSubjects: undefined,
  criticalSubjectMembers: [],
}

function wasJustAsked({ remote, verificationAskedAt }: ConnectedStream, now: Date): boolean {
  const pauseMs = Math.max(verifyRetryMs, (remote.minVerificationIntervalS ?? 0) * 1_000)
  return verificationAskedAt !== undefined && now.getTime() - verificationAskedAt.getTime() < pauseMs
}

/** Whether another verification may be asked for already (SSF 1.0 §8.1.1). */
function mayAsk({ remote, verificationAskedAt }: ConnectedStream, now: Date): boolean {
  const { minVerificationIntervalS = 0 } = remote
  return (
    verificationAskedAt === undefined ||
    now.getTime() - verificationAskedAt.getTime() >= minVerificationIntervalS * 1_000
  )
}

async function findLost(
  client: TransmitterClient,
  { delivery }: StreamRequest,
): Promise<StreamConfiguration | undefined> {
  if (!('endpoint_url' in delivery)) return undefined
  return (await client.list()).find(({ endpointUrl }) => endpointUrl === delivery.endpoint_url)
}

function remoteOf(found: StreamConfiguration): RemoteStream {
  const { streamId, iss, aud, endpointUrl, eventsDelivered, defaultSubjects } = found
  const { minVerificationIntervalS, inactivityTimeoutS } = found
  return {
    streamId,
    iss,
    aud,
    endpointUrl,
    eventsDelivered,
    minVerificationIntervalS,
    inactivityTimeoutS,
    ...(defaultSubjects !== undefined && { defaultSubjects }),
  }
}

function changedMeanwhile(): HubError {
  return new HubError('stream.not_connected', {
    detail: 'The provider got another issuer, or was deleted, while the stream was being connected.',
  })
}

function notConnected(stream: Stream | undefined): HubError {
  return new HubError('stream.not_connected', {
    detail:
      stream?.lastError === undefined
        ? 'The stream is not connected to its transmitter yet.'
        : `The stream is not connected to its transmitter. ${stream.lastError}`,
    ...(stream !== undefined && stream.issuer === undefined ? {} : { retryAfterS: 5 }),
  })
}

/** Waits for work of which only the end matters here. */
async function settledWithin(work: Promise<unknown>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => (timer = setTimeout(resolve, waitMs)))
  await Promise.race([work.catch(() => undefined), patience])
  clearTimeout(timer)
}

/** What went wrong, as it may be shown. */
function shownError(error: unknown): string {
  return isHubError(error) ? error.detail : 'An internal error; see the log.'
}

function newPushAuthorization({ newSecret }: Pick<World, 'newSecret'>): string {
  return `Bearer ${newSecret(pushSecretBytes)}`
}

/** SHA-256, base64url. */
export function hashOf(text: string): string {
  return hash('sha256', text, 'base64url')
}

function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
