import { HubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import { sha256 } from '../base/sha256.ts'
import type { Transaction } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import { operator, type AccessJournal, type TokenChange } from './access-journal.ts'
import type { AccessStorage, AccessStores } from './access-storage.ts'
import { isExpired, type ApiToken, type TokenRole } from './api-token.ts'

export interface ApiTokensDeps {
  readonly world: Pick<World, 'now' | 'newId' | 'newSecret'>
  readonly storage: AccessStorage
  readonly logger: Logger
}

/** A new token with its secret, which is shown only once. */
export interface NewApiToken {
  readonly token: ApiToken
  readonly secret: string
}

export interface WantedToken {
  readonly name: string
  readonly role: TokenRole
  readonly expiresAt?: Date | undefined
}

/** Creates, lists and revokes API tokens. Only the operator can do so; each change is journaled as the operator's. */
export interface ApiTokens {
  /**
   * @param wanted - `expiresAt` must lie in the future, at most `tokenLifetimeDaysMax` days; undefined: it never expires
   * @throws HubError `token.invalid`, `token.name_taken`
   */
  create(wanted: WantedToken): Promise<NewApiToken>
  /** Newest first, revoked ones too; the newest `tokensListedMax`. */
  list(): Promise<readonly ApiToken[]>
  /** Takes effect at once. @param idOrName of a live token @throws HubError `token.not_found` */
  revoke(idOrName: string): Promise<ApiToken>
  /** The token with this secret, unless it was revoked or has expired; records the use. */
  findBySecret(secret: string): Promise<ApiToken | undefined>
  /**
   * Makes a secret from the settings the token named `WATCHBELL_ADMIN_TOKEN`; the former token with this name stops
   * working, and so does another token with the same secret. A revoked secret stays revoked: settings outlive
   * a revocation, and nodes restart at any time.
   * @returns undefined when the secret was revoked or has expired, which is logged
   * @throws HubError `token.invalid` when no Authorization header can carry the secret
   */
  ensureConfigured(secret: string): Promise<ApiToken | undefined>
  /**
   * Creates the first admin token, if there has never been a token.
   * @param keep - saves the secret for the operator before the token is valid; when it throws no token is created.
   *   Called again with the same secret when the transaction is retried.
   */
  ensureFirst(keep?: (secret: string) => Promise<void>): Promise<NewApiToken | undefined>
}

export const configuredTokenName = 'WATCHBELL_ADMIN_TOKEN'
export const tokensListedMax = 1_000
export const tokenLifetimeDaysMax = 3_650
const firstTokenName = 'first admin token'
/** As long and as random as Okta's: `00` and 40 characters. */
const secretBytes = 30
const secretCharsMax = 512
const nameCharsMax = 100
/** How old `lastUsedAt` may become before it is updated. */
const usedAgainMs = 60_000

export function createApiTokens({ world, storage, logger }: ApiTokensDeps): ApiTokens {
  const newToken = ({ name, role, expiresAt }: WantedToken): ApiToken => ({
    id: world.newId('00T'),
    name,
    role,
    createdAt: world.now(),
    lastUsedAt: undefined,
    expiresAt,
    revokedAt: undefined,
  })
  const revoke = async (
    { stores: { apiTokens }, journal }: TokenTransaction,
    token: ApiToken,
  ): Promise<void> => {
    await apiTokens.revoke(token.id, world.now())
    await journal.tokenChanged(change('revoke', token))
  }
  const newSecret = (): string => `00${world.newSecret(secretBytes)}`

  return {
    async create(wanted) {
      const detail = problemWith(wanted, world.now())
      if (detail !== undefined) throw new HubError('token.invalid', { detail })
      const made = { token: newToken(wanted), secret: newSecret() }
      return storage.transaction(async (tx) => {
        const named = await tx.stores.apiTokens.findLiveByName(wanted.name)
        if (named !== undefined && isExpired(named, world.now())) await revoke(tx, named) // its name is free
        return insert(tx, made)
      })
    },
    list: () => storage.stores.apiTokens.list(tokensListedMax),
    revoke: (idOrName) =>
      storage.transaction(async ({ stores: { apiTokens }, journal }) => {
        const token = (await apiTokens.findLiveByName(idOrName)) ?? (await apiTokens.find(idOrName))
        const revokedAt = world.now()
        if (token === undefined || !(await apiTokens.revoke(token.id, revokedAt))) {
          throw new HubError('token.not_found', {
            detail: `There is no live API token with the id or name ${idOrName.slice(0, nameCharsMax)}.`,
          })
        }
        await journal.tokenChanged(change('revoke', token))
        return { ...token, revokedAt }
      }),
    async findBySecret(secret) {
      if (!isTokenSecret(secret)) return undefined
      // The index compares hashes, whose order reveals nothing about secrets, so its timing is safe.
      const token = await storage.stores.apiTokens.findLiveByHash(sha256(secret))
      const now = world.now()
      if (token === undefined || isExpired(token, now)) return undefined
      if (token.lastUsedAt === undefined || now.getTime() - token.lastUsedAt.getTime() >= usedAgainMs) {
        await storage.stores.apiTokens.markUsed(token.id, now).catch((error: unknown) => {
          logger.warn({ err: error, token: token.id }, 'could not note when an API token was last used')
        })
      }
      return token
    },
    async ensureConfigured(secret) {
      if (!isTokenSecret(secret)) {
        throw new HubError('token.invalid', {
          detail: `${configuredTokenName} must have 1 to ${secretCharsMax} visible ASCII characters, without spaces.`,
        })
      }
      return storage.transaction(async (tx) => {
        const { apiTokens } = tx.stores
        const named = await apiTokens.findLiveByName(configuredTokenName)
        const same = await apiTokens.findLiveByHash(sha256(secret))
        if (named !== undefined && named.id === same?.id) return named
        const isOver =
          same === undefined ? await apiTokens.isRevokedHash(sha256(secret)) : isExpired(same, world.now())
        if (isOver) {
          const what = `${configuredTokenName} holds a secret that was revoked or has expired; it stays so: put a new one there`
          logger.warn({}, what)
          return undefined
        }
        for (const token of [named, same]) if (token !== undefined) await revoke(tx, token)
        const token = newToken({ name: configuredTokenName, role: 'admin' })
        return (await insert(tx, { token, secret })).token
      })
    },
    async ensureFirst(keep) {
      const made = { token: newToken({ name: firstTokenName, role: 'admin' }), secret: newSecret() }
      return storage.transaction(async (tx) => {
        if (await tx.stores.apiTokens.hasAny()) return undefined
        await insert(tx, made)
        await keep?.(made.secret)
        return made
      })
    },
  }
}

type TokenTransaction = Transaction<Pick<AccessStores, 'apiTokens'>, AccessJournal>

async function insert(
  { stores: { apiTokens }, journal }: TokenTransaction,
  made: NewApiToken,
): Promise<NewApiToken> {
  await apiTokens.insert(made.token, sha256(made.secret))
  await journal.tokenChanged(change('create', made.token))
  return made
}

function change(kind: TokenChange['kind'], token: ApiToken): TokenChange {
  return { kind, token, by: operator }
}

function isTokenSecret(text: string): boolean {
  return text.length <= secretCharsMax && /^[\x21-\x7e]+$/.test(text)
}

function problemWith({ name, expiresAt }: WantedToken, now: Date): string | undefined {
  const problem = nameProblem(name)
  if (problem !== undefined) return `The name ${problem}.`
  if (expiresAt === undefined) return undefined
  const leftMs = expiresAt.getTime() - now.getTime()
  if (leftMs > 0 && leftMs <= tokenLifetimeDaysMax * 86_400_000) return undefined
  return `The time of expiry must lie in the future, ${tokenLifetimeDaysMax} days at most.`
}

function nameProblem(name: string): string | undefined {
  if (name.trim() === '') return 'must not be blank'
  if (name.length > nameCharsMax) return `must have ${nameCharsMax} characters at most`
  if (/[\p{Cc}]/u.test(name) || !name.isWellFormed()) return 'must not contain control characters'
  if (name === configuredTokenName) return `${configuredTokenName} is kept for the token of the settings`
  return undefined
}
