import type { Transact } from '../base/transaction.ts'
import type { World } from '../base/world.ts'
import type { Question } from './question.ts'
import {
  markKey,
  userKey,
  type SignInMark,
  type SignInMarkKind,
  type SignInMarkStore,
} from './sign-in-mark.ts'

/** What becomes of revocations of all sessions where nobody says when sessions began. */
export const untimedTreatments = ['ask_once', 'ignore'] as const
export type UntimedTreatment = (typeof untimedTreatments)[number]

export interface UntimedRules {
  readonly treatment: UntimedTreatment
  /** How long sessions last at most: revocations that are older can be about none that is left. */
  readonly sessionDaysMax: number
}

export interface UntimedSessionsDeps {
  readonly world: Pick<World, 'now'>
  readonly marks: SignInMarkStore
  readonly transaction: Transact<{ readonly signInMarks: SignInMarkStore }>
}

export interface UntimedQuestion {
  readonly question: Pick<Question, 'user' | 'session' | 'ip'>
  /** Ids of the signals of the revocations that could not be placed. */
  readonly unplaced: readonly string[]
  /** False when the user is kept out anyway, and so would not learn that a new sign-in is wanted. */
  readonly reachesUser: boolean
}

/** Sessions of which nobody says when they began: what stands in for that time is remembered here. */
export interface UntimedSessions {
  /**
   * Remembers the session, and the address when the user is asked to sign in again.
   * @returns the revocations that the user must sign in again for
   * @throws HubError `hub.unavailable`
   */
  place(asked: UntimedQuestion): Promise<readonly string[]>
}

/** Per user; what is made beyond that takes the place of the oldest. Who holds so many sessions needs no revoked one. */
const marksMax: Readonly<Record<SignInMarkKind, number>> = {
  session: 2_000,
  address: 500,
  address_of_sessions: 500,
}
/** Marks of sessions never change, so a node need not ask for them at each request. */
const rememberedMax = 10_000
/** More than a question ever has: a revocation that counts again, because its provider's word does, is still known. */
const revocationsMax = 40

interface KnownMarks {
  /** The question names a session. */
  readonly hasSession: boolean
  /** Undefined when there is no mark. */
  readonly session: readonly string[] | undefined
  readonly address: readonly string[]
}

/** What follows, and what is to be remembered. */
export interface Settlement {
  readonly asked: readonly string[]
  readonly newSession: readonly string[] | undefined
  readonly newAddress: readonly string[] | undefined
}

/**
 * A session that was seen before a revocation stays out: it is an old one. So does one that was first seen since, where
 * the user was not asked yet at this address, as it may be old as well. One that was first seen after the user was asked
 * at this address is taken for the new sign-in. Without sessions to tell apart the next request is.
 */
export function settleUntimed(
  { hasSession, session, address }: KnownMarks,
  { unplaced, reachesUser }: Pick<UntimedQuestion, 'unplaced' | 'reachesUser'>,
): Settlement {
  const openAt = (known: readonly string[]): readonly string[] =>
    unplaced.filter((revocation) => !known.includes(revocation))
  const openHere = openAt(address)
  const asked = hasSession && session !== undefined ? openAt(session) : openHere
  return {
    asked,
    newSession: !hasSession || session !== undefined ? undefined : asked.length === 0 ? unplaced : [],
    newAddress:
      asked.length === 0 || openHere.length === 0 || !reachesUser
        ? undefined
        : [...new Set([...unplaced, ...address])].slice(0, revocationsMax),
  }
}

export function createUntimedSessions({ world, marks, transaction }: UntimedSessionsDeps): UntimedSessions {
  const remembered = new Map<string, readonly string[]>()
  const remember = ({ user, key, revocations }: SignInMark): void => {
    const [oldest] = remembered.keys()
    if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest)
    remembered.set(user + key, revocations)
  }

  return {
    async place(asked) {
      const { question, unplaced } = asked
      const user = userKey(question.user)
      const hasSession = question.session !== undefined
      const sessionKey = markKey('session', question.session)
      const addressKind = hasSession ? 'address_of_sessions' : 'address'
      const addressKey = markKey(addressKind, question.ip)

      const read = async (store: SignInMarkStore): Promise<KnownMarks> => {
        const session = hasSession ? remembered.get(user + sessionKey) : undefined
        const keys = [
          ...(hasSession && session === undefined ? [sessionKey] : []),
          ...(unplaced.length > 0 ? [addressKey] : []),
        ]
        const found = keys.length === 0 ? [] : await store.find(user, keys)
        const mark = found.find(({ key }) => key === sessionKey)
        if (mark !== undefined) remember(mark)
        return {
          hasSession,
          session: session ?? mark?.revocations,
          address: found.find(({ key }) => key === addressKey)?.revocations ?? [],
        }
      }
      const write = async (store: SignInMarkStore, { newSession, newAddress }: Settlement): Promise<void> => {
        const now = world.now()
        if (newSession !== undefined) {
          await store.insertOnce({ user, kind: 'session', key: sessionKey, revocations: newSession }, now)
          await store.keepNewest(user, 'session', marksMax.session)
        }
        if (newAddress !== undefined) {
          await store.put({ user, kind: addressKind, key: addressKey, revocations: newAddress }, now)
          await store.keepNewest(user, addressKind, marksMax[addressKind])
        }
      }

      const first = settleUntimed(await read(marks), asked)
      if (first.newSession === undefined && first.newAddress === undefined) return first.asked
      if (unplaced.length === 0) {
        await write(marks, first)
        return []
      }
      const second = await transaction(async ({ stores: { signInMarks } }) => {
        const settlement = settleUntimed(await read(signInMarks), asked)
        await write(signInMarks, settlement)
        return settlement
      })
      // Another request of theirs may have been asked meanwhile: this one came before its answer, and is asked as well.
      return [...new Set([...first.asked, ...second.asked])]
    },
  }
}
