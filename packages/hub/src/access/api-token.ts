/** `read_only` has the scopes that `onlyReads` allows; `admin` has all. */
export type TokenRole = 'admin' | 'read_only'

/** An SSWS token without its secret, which is shown once and kept only as a hash. */
export interface ApiToken {
  /** `00T` + 17. */
  readonly id: string
  /** Unique among tokens that are not revoked. */
  readonly name: string
  readonly role: TokenRole
  readonly createdAt: Date
  /** Accurate to a minute. */
  readonly lastUsedAt: Date | undefined
  /** From this time on the token is refused. Undefined: it never expires. */
  readonly expiresAt: Date | undefined
  readonly revokedAt: Date | undefined
}

/** Whether the token has expired. */
export function isExpired({ expiresAt }: Pick<ApiToken, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

/** Where API tokens live. A live token is one that is not revoked: stores do not compare times, so it may have expired. Implemented in storage/, held to test/contract/api-token-store.ts. */
export interface ApiTokenStore {
  /** @throws HubError `token.name_taken` when a live token has the name */
  insert(token: ApiToken, secretHash: string): Promise<void>
  /** The live token whose secret has this hash. */
  findLiveByHash(secretHash: string): Promise<ApiToken | undefined>
  /** Whether a token with this hash was ever revoked. */
  isRevokedHash(secretHash: string): Promise<boolean>
  find(id: string): Promise<ApiToken | undefined>
  findLiveByName(name: string): Promise<ApiToken | undefined>
  /** Newest first, revoked ones too. */
  list(limit: number): Promise<readonly ApiToken[]>
  /** Whether there has ever been a token, including revoked ones. */
  hasAny(): Promise<boolean>
  /** @returns false when there is no live token with this id */
  revoke(id: string, at: Date): Promise<boolean>
  markUsed(id: string, at: Date): Promise<void>
}
