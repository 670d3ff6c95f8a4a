/** A transmitter whose SETs the hub accepts: Okta's "security events provider" (OKTA §1.3). */
export interface Provider {
  /** `sse` + 17 (OKTA-R40). */
  readonly id: string
  readonly name: string
  /** Application type, any string (OKTA-R21). */
  readonly type: string
  readonly status: ProviderStatus
  /** Compared with a SET's `iss` character for character; not necessarily a URL (OKTA-R24). */
  readonly issuer: string
  readonly jwksUrl: string
  /** Present when the provider was created from its metadata (OKTA-R43). */
  readonly wellKnownUrl: string | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
}

export type ProviderStatus = 'ACTIVE' | 'INACTIVE'
