import { sha256 } from '../base/sha256.ts'
import ipaddr from 'ipaddr.js'
import { normaliseLogin } from '../subjects/email.ts'

/**
 * What is remembered of a user's session, or of an address that a user came from, where nobody says when sessions began.
 *
 * The mark of a session is made when the session is first seen, and never changes: `revocations` are those that the session
 * began after. The mark of an address has those for which the user was asked to sign in again there.
 */
export interface SignInMark {
  readonly user: UserKey
  readonly kind: SignInMarkKind
  /** A hash, see {@link markKey}: nothing that a proxy sends is kept. */
  readonly key: string
  /** Ids of the signals that revoked sessions. */
  readonly revocations: readonly string[]
}

/** `address` is of sessions without an id, `address_of_sessions` of those with one: neither vouches for the other. */
export type SignInMarkKind = 'session' | 'address' | 'address_of_sessions'

/** A hash of the name that a user was asked about by. */
export type UserKey = string

/** Where such marks are kept. Implemented in storage/, held to test/contract/sign-in-mark-store.ts. */
export interface SignInMarkStore {
  /** Those of a user with these keys. */
  find(user: UserKey, keys: readonly string[]): Promise<readonly SignInMark[]>
  /** Keeps a mark unless there is one. */
  insertOnce(mark: SignInMark, at: Date): Promise<void>
  /** Puts a mark in the place of the one with its key. */
  put(mark: SignInMark, at: Date): Promise<void>
  /** Forgets all but the newest of a kind that a user has. */
  keepNewest(user: UserKey, kind: SignInMarkKind, max: number): Promise<void>
  forgetUsers(users: readonly UserKey[]): Promise<void>
  /** Forgets marks that were made before a time, the oldest first, `limit` at most. @returns how many */
  prune(before: Date, limit: number): Promise<number>
}

export const userKey = (user: string): UserKey => hashOf('user', normaliseLogin(user))

/** @param value - the session's id; or the address, canonical, or undefined when it is not known */
export function markKey(kind: SignInMarkKind, value: string | undefined): string {
  return hashOf(kind, kind === 'session' ? (value ?? '') : networkOf(value))
}

/** Whoever has one IPv6 address mostly has 2⁶⁴ of them, and changes them daily. */
function networkOf(address: string | undefined): string {
  if (address === undefined || !address.includes(':')) return address ?? 'unknown'
  const { parts } = ipaddr.IPv6.parse(address)
  return parts.slice(0, 4).join(':')
}

function hashOf(kind: string, value: string): string {
  return sha256(`${kind}\0${value}`)
}
