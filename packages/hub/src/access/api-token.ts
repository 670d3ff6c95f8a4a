/** `read_only` may use what `onlyReads` allows; `admin` may do everything. */
export type TokenRole = 'admin' | 'read_only'

/** An SSWS token, without its secret: that is shown once and kept only as a hash. */
export interface ApiToken {
  /** `00T` + 17. */
  readonly id: string
  /** No two tokens that are not revoked have the same one. */
  readonly name: string
  readonly role: TokenRole
  readonly createdAt: Date
  /** Accurate to a minute. */
  readonly lastUsedAt: Date | undefined
  /** From then on the token is refused. Undefined: never. */
  readonly expiresAt: Date | undefined
  readonly revokedAt: Date | undefined
}

/** Whether the token's time is over. */
export function isExpired({ expiresAt }: Pick<ApiToken, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

/** Where API tokens live. A live token is one that is not revoked: stores know no time, so it may have expired. Implemented in storage/, held to test/contract/api-token-store.ts. */
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
  /** Whether there has ever been a token, revoked ones counted. */
  hasAny(): Promise<boolean>
  /** @returns false when there is no live token with this id */
  revoke(id: string, at: Date): Promise<boolean>
  markUsed(id: string, at: Date): Promise<void>
}
