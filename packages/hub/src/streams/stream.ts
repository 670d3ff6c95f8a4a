/** How a transmitter delivers SETs. */
export type DeliveryMethod = 'push' | 'poll'

/** Their names in SSF 1.0 §6.1. */
export const deliveryMethodUrns: Readonly<Record<DeliveryMethod, string>> = {
  push: 'urn:ietf:rfc:8935',
  poll: 'urn:ietf:rfc:8936',
}

export type StreamStatus = 'enabled' | 'paused' | 'disabled'
export const streamStatuses: readonly StreamStatus[] = ['enabled', 'paused', 'disabled']

/** How we authenticate to a transmitter; the secrets are kept apart, sealed. */
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
  /** The authorization server's issuer, for discovery; discovered from the transmitter unless given. */
  readonly authorizationServer: string | undefined
  /** The scopes to request; unless given, those in the transmitter's resource metadata, else SSF's (CAEP interop §2.7.2). */
  readonly scope: string | undefined
  /** Binds tokens to a key of ours (RFC 9449). */
  readonly dpop: boolean
}

/** Whether the transmitter may hold a poll open until it has SETs, or must answer at once (RFC 8936 §2.2). */
export type Polling = 'long' | 'short'

/** A stream that the transmitter's operator made for us: it is polled, and we do not manage it. */
export interface OperatorStream {
  readonly streamId: string
  readonly pollUrl: string
}

/** The requested configuration of a stream. */
export interface StreamSettings {
  readonly delivery: DeliveryMethod
  /** Of a poll stream; `long` unless given. */
  readonly polling?: Polling
  /** The wanted event types; undefined means every type that we understand. */
  readonly eventsRequested: readonly string[] | undefined
  readonly description: string | undefined
  readonly auth: StreamAuth
  /** `all`: the subjects that the transmitter chooses (CAEP interop §2.4.2); `listed`: those added over our API. */
  readonly subjects: 'all' | 'listed'
  /** The required `aud`; the transmitter's own value unless given (SSF 1.0 §8.1.1.1.1). */
  readonly audience: readonly string[] | undefined
  /** `host` or `host:port`: hosts that may get credentials although only WATCHBELL_OUTBOUND_ALLOW makes them reachable. */
  readonly credentialHosts?: readonly string[]
  /** Used as it is instead of a stream that we create; always polled, and with an audience. */
  readonly existing?: OperatorStream
}

/** The endpoints of a transmitter's management API, as last read from its metadata (SSF 1.0 §7.1). */
export interface TransmitterEndpoints {
  /** The URL of the metadata. */
  readonly metadataUrl: string
  readonly configuration: string
  readonly status: string | undefined
  readonly verification: string | undefined
  readonly addSubject: string | undefined
  readonly removeSubject: string | undefined
  /** URNs; undefined when the metadata has none. */
  readonly deliveryMethods: readonly string[] | undefined
  readonly defaultSubjects: 'ALL' | 'NONE' | undefined
  readonly criticalSubjectMembers: readonly string[]
}

/** The stream at the transmitter, as its last answer showed it (SSF 1.0 §8.1.1). */
export interface RemoteStream {
  readonly streamId: string
  readonly iss: string
  /** Never empty; a SET's `aud` must contain one of them. */
  readonly aud: readonly string[]
  /** The URL that we poll, or that the transmitter pushes to. */
  readonly endpointUrl: string | undefined
  /** The event types delivered (SSF 1.0 §8.1.1); undefined when the transmitter does not say. */
  readonly eventsDelivered: readonly string[] | undefined
  readonly minVerificationIntervalS: number | undefined
  readonly inactivityTimeoutS: number | undefined
  /** Of this stream; overrides the default in the transmitter's metadata. */
  readonly defaultSubjects?: 'ALL' | 'NONE' | undefined
}

/** The value that a transmitter must send with each push. SHA-256, base64url, of the whole header value. */
export interface PushAuthorization {
  readonly currentHash: string
  /** Accepted too until it ends; without an end while we do not know which of the two the transmitter has. */
  readonly previous: { readonly hash: string; readonly until: Date | undefined } | undefined
}

/** Our side of a transmitter's stream; a provider has at most one. */
export interface Stream {
  /** `str` + 17 random characters, because it is part of our push URL. */
  readonly id: string
  readonly providerId: string
  /**
   * The provider's issuer when the stream was connected: its credentials are for this transmitter alone. Undefined once the
   * provider's issuer was changed.
   */
  readonly issuer: string | undefined
  readonly settings: StreamSettings
  /** Sealed StreamSecrets, see SecretBox. */
  readonly sealedSecrets: string
  readonly pushAuthorization: PushAuthorization
  readonly endpoints: TransmitterEndpoints | undefined
  /** Undefined until the transmitter has created it with a valid answer. */
  readonly remote: RemoteStream | undefined
  /** Undefined until the transmitter has reported one. */
  readonly status: StreamStatus | undefined
  readonly statusReason: string | undefined
  /** When we last requested a verification event, and when the last one came. */
  readonly verificationAskedAt: Date | undefined
  readonly verifiedAt: Date | undefined
  /** After a failed request for verification: the earliest time of the next one. */
  readonly verifyNotBefore: Date | undefined
  readonly lastEventAt: Date | undefined
  readonly lastPollAt: Date | undefined
  /** When its configuration and status at the transmitter were last found right. */
  readonly checkedAt: Date | undefined
  /** When a difference at the transmitter was last repaired. */
  readonly repairedAt: Date | undefined
  /** Why setting up the stream failed; undefined when all is well. So are the next three. */
  readonly lastError: string | undefined
  /** Why requesting a verification event failed. */
  readonly verificationError: string | undefined
  /** Why polls fail. */
  readonly pollError: string | undefined
  /** Why pushes are refused. */
  readonly pushError: string | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** Members that are unknown until the transmitter has answered. */
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

/** All errors of a stream as one text; undefined when all is well. */
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

/** The secrets of a stream, to be sealed. */
export interface StreamSecrets {
  readonly bearerToken?: string
  readonly clientSecret?: string
  /** A private JWK. */
  readonly clientKey?: Readonly<Record<string, unknown>>
  /** The whole Authorization value that the transmitter must push with. */
  readonly pushAuthorization: string
  /** The whole Authorization value to poll with, when the transmitter gave one with the stream. */
  readonly pollAuthorization?: string
  /** The new value of a rotation without a known result; the next rotation sends it again. */
  readonly nextPushAuthorization?: string
}

/** Whether a text is a valid Authorization value: visible ASCII, with spaces only inside. */
export function isAuthorization(text: string): boolean {
  return text.length <= 8_192 && /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(text)
}

/** A stream that its transmitter has created. */
export type ConnectedStream = Stream & {
  readonly issuer: string
  readonly remote: RemoteStream
  readonly endpoints: TransmitterEndpoints
}

export function isConnected(stream: Stream): stream is ConnectedStream {
  const { issuer, remote, endpoints } = stream
  return issuer !== undefined && remote?.iss === issuer && endpoints !== undefined
}
