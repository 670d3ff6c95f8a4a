/** How a transmitter hands us its SETs. */
export type DeliveryMethod = 'push' | 'poll'

/** The names that SSF 1.0 §6.1 gives them. */
export const deliveryMethodUrns: Readonly<Record<DeliveryMethod, string>> = {
  push: 'urn:ietf:rfc:8935',
  poll: 'urn:ietf:rfc:8936',
}

export type StreamStatus = 'enabled' | 'paused' | 'disabled'
export const streamStatuses: readonly StreamStatus[] = ['enabled', 'paused', 'disabled']

/** How we show a transmitter who we are; secrets are kept apart, sealed. */
export type StreamAuth = StaticBearer | ClientCredentials

export interface StaticBearer {
  readonly method: 'bearer'
}

/** OAuth 2.0 client credentials (RFC 6749 §4.4). */
export interface ClientCredentials {
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  readonly clientId: string
  /** Discovered (RFC 9728, RFC 8414) unless given. */
  readonly tokenUrl: string | undefined
  /** The authorization server's issuer, for discovery; found with the transmitter unless given. */
  readonly authorizationServer: string | undefined
  /** Asked for at the token endpoint; what the transmitter's resource metadata names, else SSF's (CAEP interop §2.7.2), unless given. */
  readonly scope: string | undefined
  /** Bind tokens to a key of ours (RFC 9449). */
  readonly dpop: boolean
}

/** Whether the transmitter may hold a poll open until it has news, or must answer at once (RFC 8936 §2.2). */
export type Polling = 'long' | 'short'

/** A stream that the transmitter's operator made for us: it is polled, and nothing of it is ours to manage. */
export interface OperatorStream {
  readonly streamId: string
  readonly pollUrl: string
}

/** What somebody asked a stream to be. */
export interface StreamSettings {
  readonly delivery: DeliveryMethod
  /** How a stream that is polled is polled; `long` unless given. */
  readonly polling?: Polling
  /** Event types wanted; undefined is every one that we understand. */
  readonly eventsRequested: readonly string[] | undefined
  readonly description: string | undefined
  readonly auth: StreamAuth
  /** `all`: whoever the transmitter chooses (CAEP interop §2.4.2); `listed`: those added over our API. */
  readonly subjects: 'all' | 'listed'
  /** What `aud` must be; whatever the transmitter says unless given (SSF 1.0 §8.1.1.1.1). */
  readonly audience: readonly string[] | undefined
  /** `host` or `host:port`: where credentials may go although only WATCHBELL_OUTBOUND_ALLOW makes it reachable. */
  readonly credentialHosts?: readonly string[]
  /** To be taken over as it is, in place of one that we make; always polled, and with an audience. */
  readonly existing?: OperatorStream
}

/** Where a transmitter's management API is, as its metadata said when we last looked (SSF 1.0 §7.1). */
export interface TransmitterEndpoints {
  /** Where the metadata was read. */
  readonly metadataUrl: string
  readonly configuration: string
  readonly status: string | undefined
  readonly verification: string | undefined
  readonly addSubject: string | undefined
  readonly removeSubject: string | undefined
  /** URNs; undefined when the metadata does not say. */
  readonly deliveryMethods: readonly string[] | undefined
  readonly defaultSubjects: 'ALL' | 'NONE' | undefined
  readonly criticalSubjectMembers: readonly string[]
}

/** The stream at the transmitter, as its last answer had it (SSF 1.0 §8.1.1). */
export interface RemoteStream {
  readonly streamId: string
  readonly iss: string
  /** Never empty; a SET's `aud` must hold one of them. */
  readonly aud: readonly string[]
  /** Where to poll, or where the transmitter pushes to. */
  readonly endpointUrl: string | undefined
  /** What to expect (SSF 1.0 §8.1.1); undefined when the transmitter does not say. */
  readonly eventsDelivered: readonly string[] | undefined
  readonly minVerificationIntervalS: number | undefined
  readonly inactivityTimeoutS: number | undefined
  /** Of this stream; the transmitter's metadata says what is usual there. */
  readonly defaultSubjects?: 'ALL' | 'NONE' | undefined
}

/** What a transmitter must send with each push. SHA-256, base64url, of the whole header value. */
export interface PushAuthorization {
  readonly currentHash: string
  /** Also taken, until its end; without an end while we do not know which of the two the transmitter has. */
  readonly previous: { readonly hash: string; readonly until: Date | undefined } | undefined
}

/** Our side of a transmitter's stream; a provider has one at most. */
export interface Stream {
  /** `str` + 17, random: it stands in our push URL. */
  readonly id: string
  readonly providerId: string
  /**
   * The provider's issuer when an administrator of streams connected the stream: its credentials are for this
   * transmitter alone. Undefined once the provider's issuer was changed.
   */
  readonly issuer: string | undefined
  readonly settings: StreamSettings
  /** StreamSecrets, in a SecretBox. */
  readonly sealedSecrets: string
  readonly pushAuthorization: PushAuthorization
  readonly endpoints: TransmitterEndpoints | undefined
  /** Undefined until the transmitter has created it and its answer held. */
  readonly remote: RemoteStream | undefined
  /** Undefined until the transmitter told. */
  readonly status: StreamStatus | undefined
  readonly statusReason: string | undefined
  /** When we last asked for a verification event, and when the last one came. */
  readonly verificationAskedAt: Date | undefined
  readonly verifiedAt: Date | undefined
  /** No verification is asked for sooner, because the last request for one failed. */
  readonly verifyNotBefore: Date | undefined
  readonly lastEventAt: Date | undefined
  readonly lastPollAt: Date | undefined
  /** When its configuration and status at the transmitter were last seen to be right. */
  readonly checkedAt: Date | undefined
  /** When what the transmitter had otherwise than we want was last set right. */
  readonly repairedAt: Date | undefined
  /** What went wrong with setting the stream up, in words; undefined when all is well. So are the next three. */
  readonly lastError: string | undefined
  /** With asking for a verification event. */
  readonly verificationError: string | undefined
  /** With polls. */
  readonly pollError: string | undefined
  /** With pushes. */
  readonly pushError: string | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What nobody knows of a stream before the transmitter has answered. */
export const unconnected = {
  endpoints: undefined,
  remote: undefined,
  status: undefined,
  statusReason: undefined,
  verificationAskedAt: undefined,
  verifiedAt: undefined,
  verifyNotBefore: undefined,
  lastEventAt: undefined,
  lastPollAt: undefined,
  checkedAt: undefined,
  repairedAt: undefined,
  lastError: undefined,
  verificationError: undefined,
  pollError: undefined,
  pushError: undefined,
} as const satisfies Partial<Stream>

/** All that is wrong with a stream, in words; undefined when all is well. */
export function problemOf({
  lastError,
  verificationError,
  pollError,
  pushError,
}: Pick<Stream, 'lastError' | 'verificationError' | 'pollError' | 'pushError'>): string | undefined {
  const problems = new Set([lastError, verificationError, pollError, pushError])
  problems.delete(undefined)
  return problems.size === 0 ? undefined : [...problems].join(' ')
}

/** What is sealed. */
export interface StreamSecrets {
  readonly bearerToken?: string
  readonly clientSecret?: string
  /** A private JWK. */
  readonly clientKey?: Readonly<Record<string, unknown>>
  /** The whole Authorization value that the transmitter must push with. */
  readonly pushAuthorization: string
  /** The whole Authorization value to poll with, where the transmitter gave one with the stream. */
  readonly pollAuthorization?: string
  /** The one of a rotation whose end we never heard: the next one tells it again. */
  readonly nextPushAuthorization?: string
}

/** Whether a text can be the value of an Authorization header: visible ASCII, with spaces only inside. */
export function isAuthorization(text: string): boolean {
  return text.length <= 8_192 && /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(text)
}

/** A stream that its own transmitter has created. */
export type ConnectedStream = Stream & {
  readonly issuer: string
  readonly remote: RemoteStream
  readonly endpoints: TransmitterEndpoints
}

export function isConnected(stream: Stream): stream is ConnectedStream {
  const { issuer, remote, endpoints } = stream
  return issuer !== undefined && remote?.iss === issuer && endpoints !== undefined
}
