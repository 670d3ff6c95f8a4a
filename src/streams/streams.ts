import { hash, timingSafeEqual } from 'node:crypto'
import type { Actor } from '../base/actor.ts'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { JsonObject } from '../base/json.ts'
import type { SecretBox } from '../base/secret-box.ts'
import type { World } from '../base/world.ts'
import type { Provider } from '../providers/provider.ts'
import type { Dialect } from '../set/dialect.ts'
import { credentialFetch } from './credential-fetch.ts'
import type { TransmitterMetadata } from './discovery.ts'
import { partedWords } from './part-stream.ts'
import type { KnownDraft, StreamDraft } from './stream-draft.ts'
import { hubActor, type StreamChange, type StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import { changedWishes, drift, wishedStream } from './stream-wishes.ts'
import {
  isConnected,
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
  readonly world: Pick<World, 'now' | 'newId' | 'newSecret' | 'fetch' | 'fetchPublic'>
  /** Public origin of the hub: our push URLs begin with it. */
  readonly origin: string
  readonly providers: { get(id: string): Promise<Provider> }
  readonly registry: StreamRegistry
  readonly store: Pick<StreamStore, 'addState'>
  readonly transaction: StreamTransaction
  readonly box: SecretBox
  /** @throws HubError `provider.metadata_unusable` */
  readonly readMetadata: (provider: Provider) => Promise<TransmitterMetadata>
  readonly urlProblem: (url: string) => string | undefined
  readonly dialectsOf: (providerId: string) => ReadonlySet<Dialect>
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
  /** Asks for a verification event with a new state (R26). @throws HubError `stream.*` */
  verify(providerId: string, by: Actor): Promise<Stream>
  /** Reads the status at the transmitter. @throws HubError `stream.*` */
  readStatus(providerId: string): Promise<Stream>
  setStatus(providerId: string, wanted: StatusAnswer, by: Actor): Promise<Stream>
  /** Success promises nothing (R30). @throws HubError `stream.*` */
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
   * (R18, R25). @throws HubError `stream.*`
   */
  check(providerId: string): Promise<Stream>
  /** Looks at the stream at the transmitter and changes nothing there. @throws HubError `stream.*` */
  probe(providerId: string): Promise<StreamProbe>
  /** The way to the transmitter, for polls. */
  accessTo(stream: ConnectedStream): TransmitterAccess
  /** Where the transmitter pushes to. */
  pushUrl(stream: Stream): string
  /** Whether this is an Authorization value that the stream's transmitter may push with. Takes the same time for all. */
  mayPush(stream: Stream, authorization: string | undefined): boolean
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
  const turns = new Map<string, Promise<unknown>>()
  const connecting = new Map<string, Promise<unknown>>()
  /** By the id of the stream; another one as soon as its secrets or settings are others. */
  const accesses = new Map<string, { readonly key: string; readonly access: TransmitterAccess }>()

  function inTurn<T>(providerId: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(providerId) ?? Promise.resolve()).then(work, work)
    const settled = turn
      .catch(() => undefined)
      .finally(() => turns.get(providerId) === settled && turns.delete(providerId))
    turns.set(providerId, settled)
    return turn
  }

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
      },
    )
    accesses.set(stream.id, { key, access })
    return access
  }

  /** The provider as it is now. @throws HubError `stream.not_connected` when the stream's credentials are not for its issuer */
  async function ownProvider(stream: Stream): Promise<Provider> {
    const provider = await deps.providers.get(stream.providerId)
    if (stream.issuer === provider.issuer) return provider
    throw new HubError('stream.not_connected', { detail: partedWords(stream.issuer, provider.issuer) })
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
    await deps.transaction(async ({ streams, journal }) => {
      await streams.update(id, changed)
      await journal.record({ ...change, stream })
    })
    return registry.apply(id, changed) ?? stream
  }

  /** Makes what went wrong be seen, and passes it on. */
  async function noting<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      await registry.note(id, {
        lastError: isHubError(error) ? error.detail : 'An internal error; see the log.',
      })
      throw error
    }
  }

  function wished(stream: Stream, { pushAuthorization }: StreamSecrets): StreamRequest {
    const dialects = deps.dialectsOf(stream.providerId)
    return wishedStream({ stream, pushUrl: pushUrl(stream), pushAuthorization, dialects })
  }

  /** The stream with what the metadata says now; its issuer must be the provider's, character for character (R7, R15). */
  async function located(
    stream: Stream,
    provider: Provider,
  ): Promise<Stream & Pick<ConnectedStream, 'endpoints'>> {
    const metadata = await deps.readMetadata(provider)
    if (metadata.issuer !== provider.issuer) {
      throw new HubError('stream.answer_unusable', {
        detail: `The metadata at ${metadata.url} is of the issuer ${metadata.issuer}; the provider's is ${provider.issuer}. Update the provider first.`,
      })
    }
    return { ...stream, endpoints: readEndpoints(metadata, stream.settings.delivery, deps.urlProblem) }
  }

  async function refreshEndpoints(stream: Stream, provider: Provider): Promise<Stream> {
    const { endpoints } = await located(stream, provider)
    return (await registry.note(stream.id, { endpoints })) ?? { ...stream, endpoints }
  }

  /** The stream at the transmitter, made to be what we want; created when there is none. */
  async function establish(
    stream: Stream,
    { client, secrets }: Session,
    before: Earlier | undefined,
  ): Promise<Established> {
    const wanted = wished(stream, secrets)
    // What was asked otherwise before is told in any case: not every transmitter shows all that it was asked.
    const asked = before && changedWishes(wished(before.stream, before.secrets), wanted)
    const known = stream.remote && (await client.read(stream.remote.streamId))
    // An earlier try may have created it and never have heard: a stream that pushes to our URL can only be ours.
    const lost = known === undefined && before ? await findLost(client, wanted) : undefined
    const existing = known ?? lost
    if (existing !== undefined) return adopt(client, existing, wanted, asked)
    const created = await client.create(wanted)
    if (created !== undefined) return { found: created, repaired: false, adopted: false }
    const others = await client.list() // R21
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
    const endpointUrl =
      found.endpointUrl ?? (found.method === existing.method ? existing.endpointUrl : undefined)
    return {
      found: requireMethod({ ...found, endpointUrl }, wanted, changed === undefined),
      repaired: true,
      adopted: true,
    }
  }

  async function askVerification(stream: ConnectedStream, client: TransmitterClient): Promise<Stream> {
    const state = world.newSecret(24)
    const at = world.now()
    await deps.store.addState({
      streamId: stream.id,
      hash: hashOf(state),
      at,
      keepSince: new Date(at.getTime() - stateKeptMs),
    })
    await client.verify(stream.remote.streamId, state)
    return (await registry.note(stream.id, { verificationAskedAt: at })) ?? stream
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
      await trying(() => askVerification(stream, client))
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
    const changes = { endpoints, remote, status: undefined, statusReason: undefined }
    return commit({ kind, provider, before: stream, by }, { ...changes, checkedAt: world.now(), lastError })
  }

  async function setUp(
    stream: Stream,
    provider: Provider,
    before: Earlier | undefined,
    by: Actor,
    left: readonly string[] = [],
  ): Promise<Stream> {
    if (stream.settings.existing !== undefined)
      return takeOver(stream, stream.settings.existing, provider, before, by)
    const refreshed = await refreshEndpoints(stream, provider)
    const session = await sessionOf(refreshed)
    const established = await establish(refreshed, session, before)
    const { pollAuthorization: polledWith, ...secrets } = session.secrets
    const pollAuthorization =
      established.found.pollAuthorization ?? (established.adopted ? polledWith : undefined)
    const resealed = pollAuthorization !== polledWith && {
      sealedSecrets: await box.seal(
        JSON.stringify({ ...secrets, ...(pollAuthorization !== undefined && { pollAuthorization }) }),
      ),
    }
    const connectedStream = await commit(
      { kind: stream.remote === undefined ? 'create' : 'update', provider, before: stream, by },
      { remote: remoteOf(established.found), lastError: undefined, ...resealed },
    )
    if (!isConnected(connectedStream)) return connectedStream
    const anew = stream.remote !== undefined && !established.adopted
    return afterwards(connectedStream, session, { ...established, anew, left })
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
        const sealedSecrets = await box.seal(JSON.stringify(secrets))
        const now = world.now()
        const stream: Stream = {
          id: world.newId('str'),
          providerId,
          ...unconnected,
          createdAt: now,
          ...before,
          issuer: provider.issuer,
          settings: draft.settings,
          sealedSecrets,
          pushAuthorization: {
            currentHash: hashOf(pushAuthorization),
            previous: kept === undefined ? undefined : before?.pushAuthorization.previous,
          },
          updatedAt: now,
        }
        await deps.transaction(async ({ streams, providers, journal }) => {
          if ((await providers.findById(providerId))?.issuer !== provider.issuer) throw changedMeanwhile()
          if (parted !== undefined) {
            await streams.delete(parted.id)
            await journal.record({ kind: 'delete', provider, stream: parted, before: parted, by })
          }
          if (before === undefined) return streams.insert(stream)
          const { settings, sealedSecrets, pushAuthorization, updatedAt } = stream
          await streams.update(stream.id, { settings, sealedSecrets, pushAuthorization, updatedAt })
        })
        // With another secret key than before, the transmitter has to learn a new Authorization value.
        const earlier = before && { stream: before, secrets: kept ?? { pushAuthorization: '' } }
        if (parted !== undefined) forget(parted)
        registry.remember(stream) // from here on the push route takes what comes
        const work = noting(stream.id, () =>
          setUp(stream, provider, earlier, by, left === undefined ? [] : [left]),
        )
        connecting.set(stream.id, work)
        try {
          return await work
        } finally {
          connecting.delete(stream.id)
        }
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
        const { client, provider } = await sessionOf(stream)
        const asked = await noting(stream.id, () => askVerification(stream, client))
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
        const { status, reason } = answer ?? (await client.status(stream.remote.streamId)) // 202: what it is now (R23)
        return commit({ kind: 'status', provider, before: stream, by }, { status, statusReason: reason })
      }),
    addSubject: async (providerId, subject, verified) => {
      const stream = getConnected(providerId)
      await (await sessionOf(stream)).client.addSubject(stream.remote.streamId, subject, verified)
    },
    removeSubject: async (providerId, subject) => {
      const stream = getConnected(providerId)
      await (await sessionOf(stream)).client.removeSubject(stream.remote.streamId, subject)
    },
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
        await deps.transaction(async ({ streams, journal }) => {
          await streams.delete(stream.id)
          await journal.record({ kind: 'delete', provider, stream, before: stream, by })
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
          const refreshed = await refreshEndpoints(stream, provider)
          const session = await sessionOf(refreshed)
          const existing = await session.client.read(stream.remote.streamId)
          if (existing === undefined) {
            return setUp(stream, provider, { stream, secrets: session.secrets }, hubActor) // it is gone: make it anew
          }
          const { found, repaired } = await adopt(
            session.client,
            existing,
            wished(refreshed, session.secrets),
          )
          const remote = remoteOf(found)
          if (repaired) await commit({ kind: 'repair', provider, before: stream, by: hubActor }, { remote })
          const answer =
            refreshed.endpoints?.status === undefined
              ? { status: stream.status, reason: stream.statusReason }
              : await session.client.status(remote.streamId)
          const changes = {
            remote,
            status: answer.status,
            statusReason: answer.reason,
            checkedAt: world.now(),
            lastError: undefined,
          }
          if (answer.status !== stream.status && stream.status !== undefined) {
            return commit({ kind: 'status', provider, before: stream, by: hubActor }, changes)
          }
          return (await registry.note(stream.id, changes)) ?? stream
        })
      }),
    async probe(providerId) {
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
    },
    accessTo: (stream) => ({
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
    mayPush({ pushAuthorization: { currentHash, previous } }, authorization) {
      const given = hashOf(authorization ?? '')
      const current = sameHash(given, currentHash)
      const known = previous !== undefined && sameHash(given, previous.hash)
      return current || (known && (previous.until === undefined || previous.until > world.now()))
    },
    async connected(id) {
      const work = connecting.get(id)
      if (work !== undefined) await settledWithin(work, connectedWaitMs)
      const stream = registry.find(id)
      if (stream !== undefined && isConnected(stream)) return stream
      throw notConnected(stream)
    },
  }
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

/** Whether another verification may be asked for already (R18). */
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
