import type { Dialect } from '@watchbell/receiver/set'
import { HubError, isHubError } from '../base/hub-error.ts'
import { sha256 } from '../base/sha256.ts'
import type { SecretBox } from '../base/secret-box.ts'
import type { World } from '../base/world.ts'
import type { Provider } from '../providers/provider.ts'
import { credentialFetch } from './credential-fetch.ts'
import type { TransmitterMetadata } from './discovery.ts'
import { notConnected } from './find-stream.ts'
import { partedMessage } from './part-stream.ts'
import type { StreamRegistry } from './stream-registry.ts'
import { wishedStream } from './stream-wishes.ts'
import type { ConnectedStream, Stream, StreamSecrets } from './stream.ts'
import { createTransmitterAccess, requestWith, type TransmitterAccess } from './transmitter-auth.ts'
import { createTransmitterClient, type WantedStream, type TransmitterClient } from './transmitter-client.ts'
import { readEndpoints } from './transmitter-endpoints.ts'

export interface TransmitterSessionsDeps {
  readonly world: Pick<World, 'now' | 'fetch' | 'fetchPublic'>
  /** Public origin of the hub: the start of our push URLs. */
  readonly origin: string
  readonly providers: { get(id: string): Promise<Provider> }
  readonly registry: Pick<StreamRegistry, 'find'>
  readonly box: SecretBox
  /** @throws HubError `provider.metadata_unusable` */
  readonly readMetadata: (provider: Provider) => Promise<TransmitterMetadata>
  readonly urlProblem: (url: string) => string | undefined
  readonly dialectsOf: (providerId: string) => ReadonlySet<Dialect>
  /** For one request to a transmitter, except polls. */
  readonly requestTimeoutMs: number
}

/** A stream with the endpoints of its transmitter. */
export type LocatedStream = Stream & Pick<ConnectedStream, 'endpoints'>

/** Everything that one operation needs of a stream. */
export interface TransmitterSession {
  readonly provider: Provider
  readonly client: TransmitterClient
  readonly secrets: StreamSecrets
}

/** Opens a stream's secrets, and makes clients of its transmitter with them. */
export interface TransmitterSessions {
  /** @throws HubError `stream.secrets_unreadable` */
  secretsOf(stream: Stream): Promise<StreamSecrets>
  seal(secrets: StreamSecrets): Promise<string>
  /** The present provider. @throws HubError `stream.not_connected` when the stream's credentials are not for its issuer */
  ownProvider(stream: Stream): Promise<Provider>
  /** @throws HubError `stream.not_connected`, `stream.secrets_unreadable` */
  open(stream: Stream): Promise<TransmitterSession>
  /**
   * The stream with endpoints from the present metadata, whose issuer must be exactly the provider's (SSF 1.0 §4.1.6,
   * §7.2.4). @throws HubError `stream.transmitter_unavailable`, `stream.answer_unusable`
   */
  located(stream: Stream, provider: Provider): Promise<LocatedStream>
  /** The wishes for this stream. */
  wished(stream: Stream, secrets: StreamSecrets): WantedStream
  /** Deletes a stream at the transmitter that created it, even if the provider has another issuer now. @throws HubError `stream.*` */
  deleteThere(stream: Stream): Promise<void>
  /** Deletes a stream there, best effort. @returns a message about what is left to do */
  deleteThereIfPossible(stream: Stream): Promise<string | undefined>
  /** A client of the transmitter, for polls. */
  accessTo(stream: ConnectedStream): TransmitterAccess
  /** The push URL. */
  pushUrl(stream: Stream): string
  /** Forgets the credentials of a deleted stream. */
  forget(streamId: string): void
}

const unreadable =
  'The credentials of this stream were sealed with another secret key and cannot be opened. Start the hub with the key ' +
  'that it had then (WATCHBELL_SECRET_KEY, or the file secret.key beside the database), or connect the stream again ' +
  'with its credentials (`watchbell stream connect`, or PUT): the transmitter then learns a new value to push with.'

export function createTransmitterSessions(deps: TransmitterSessionsDeps): TransmitterSessions {
  const { world, registry, box } = deps
  /** By stream id; replaced when the stream's secrets or settings change. */
  const accesses = new Map<string, { readonly key: string; readonly access: TransmitterAccess }>()

  const pushUrl = ({ id }: Stream): string => `${deps.origin}/ssf/streams/${id}/events`

  async function secretsOf({ sealedSecrets }: Stream): Promise<StreamSecrets> {
    const opened = await box.open(sealedSecrets).catch((error: unknown) => {
      if (!isHubError(error, 'hub.secret_unreadable')) throw error
      throw new HubError('stream.secrets_unreadable', { detail: unreadable, cause: error })
    })
    return JSON.parse(opened) as StreamSecrets // we sealed it from this type
  }

  function accessOf(stream: Stream, secrets: StreamSecrets, issuer: string): TransmitterAccess {
    const resource = stream.endpoints?.configuration ?? issuer
    const okta = deps.dialectsOf(stream.providerId).has('okta-transmitter')
    const { auth, credentialHosts } = stream.settings
    const secretsHash = sha256(JSON.stringify(secrets))
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

  async function ownProvider(stream: Stream): Promise<Provider> {
    const provider = await deps.providers.get(stream.providerId)
    if (stream.issuer === provider.issuer) return provider
    throw new HubError('stream.not_connected', { detail: partedMessage(stream.issuer, provider.issuer) })
  }

  async function open(stream: Stream): Promise<TransmitterSession> {
    const provider = await ownProvider(stream)
    const { endpoints } = stream
    if (endpoints === undefined) throw notConnected(stream)
    const secrets = await secretsOf(stream)
    return { provider, client: clientOf({ ...stream, endpoints }, secrets, provider.issuer), secrets }
  }

  function clientOf(stream: LocatedStream, secrets: StreamSecrets, issuer: string): TransmitterClient {
    return createTransmitterClient({
      access: accessOf(stream, secrets, issuer),
      endpoints: stream.endpoints,
      issuer,
      audience: stream.settings.audience,
      urlProblem: deps.urlProblem,
      timeoutMs: deps.requestTimeoutMs,
    })
  }

  async function located(stream: Stream, provider: Provider): Promise<LocatedStream> {
    const metadata = await deps.readMetadata(provider).catch((error: unknown) => {
      if (!isHubError(error, 'provider.metadata_unusable')) throw error
      throw new HubError('stream.transmitter_unavailable', { detail: error.detail, cause: error }) // not the caller's fault
    })
    if (metadata.issuer !== provider.issuer) {
      throw new HubError('stream.answer_unusable', {
        detail: `The metadata at ${metadata.url} is of the issuer ${metadata.issuer}; the provider's is ${provider.issuer}. Update the provider first.`,
      })
    }
    return { ...stream, endpoints: readEndpoints(metadata, stream.settings.delivery, deps.urlProblem) }
  }

  function wished(stream: Stream, { pushAuthorization }: StreamSecrets): WantedStream {
    const dialects = deps.dialectsOf(stream.providerId)
    return wishedStream({ stream, pushUrl: pushUrl(stream), pushAuthorization, dialects })
  }

  async function deleteThere(stream: Stream): Promise<void> {
    const { remote, endpoints, settings } = stream
    if (remote === undefined || endpoints === undefined || settings.existing !== undefined) return
    await clientOf({ ...stream, endpoints }, await secretsOf(stream), remote.iss).delete(remote.streamId)
  }

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

  return {
    secretsOf,
    seal: (secrets) => box.seal(JSON.stringify(secrets)),
    ownProvider,
    open,
    located,
    wished,
    deleteThere,
    deleteThereIfPossible,
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
    forget: (streamId) => void accesses.delete(streamId),
  }
}
