import { isReceiverError, ReceiverError } from '../base/receiver-error.ts'
import type { Logger } from '../base/logger.ts'
import type { ReceiverWorld } from '../base/receiver-world.ts'
import {
  pickVerificationKey,
  type KeySetEntry,
  type KeySource,
  type SetAlgorithm,
  type VerificationKey,
} from '../set/verification-key.ts'
import { silentObserver, type KeyFetchObserver } from './key-fetch-observer.ts'
import { fetchKeySet, type KeySetLimits } from './key-set.ts'

export interface KeyLimits extends KeySetLimits {
  /** Older keys are fetched again in the background and stay in use meanwhile. */
  readonly keysAgeMaxMs: number
  /** Cache-Control may shorten `keysAgeMaxMs` down to this. */
  readonly keysAgeMinMs: number
  /** Keys older than this are no longer trusted. */
  readonly keysStaleMaxMs: number
  /** How many fetches unknown `kid`s may cause in a row … */
  readonly unknownKidRefreshesMax: number
  /** … and how long it takes until there may be one more. */
  readonly unknownKidCoolDownMs: number
  /** How long the cached set decides that a `kid` is unknown once the allowance is spent: shorter than any rotation. */
  readonly provesAbsenceMs: number
  /** Pause between fetches after a failure; doubles with each further failure. */
  readonly fetchFailureHoldMs: number
  readonly fetchFailureHoldMaxMs: number
  /** How many SETs of one provider may wait for its keys. */
  readonly waitersMax: number
}

export const defaultKeyLimits: KeyLimits = {
  fetchTimeoutMs: 5_000,
  fetchBytesMax: 512 * 1024,
  keysAgeMaxMs: 10 * 60_000,
  keysAgeMinMs: 60_000,
  keysStaleMaxMs: 72 * 3_600_000,
  unknownKidRefreshesMax: 3,
  unknownKidCoolDownMs: 30_000,
  provesAbsenceMs: 10_000,
  fetchFailureHoldMs: 2_000,
  fetchFailureHoldMaxMs: 60_000,
  waitersMax: 1_000,
}

/** The state of a provider's keys, for display. */
export interface KeyStatus {
  readonly jwksUrl: string
  readonly keys: readonly KeyReport[]
  /** Undefined when they never were. */
  readonly fetchedAt: Date | undefined
  readonly ageMs: number | undefined
  /** Why the latest fetch failed; undefined when it did not. */
  readonly lastError: string | undefined
  /** The earliest time of the next fetch, when a SET asks for a key then. */
  readonly nextTryAt: Date | undefined
}

export interface KeyReport {
  readonly kid: string | undefined
  readonly algorithms: readonly SetAlgorithm[]
  /** Why the key is unusable, as a phrase that follows "The key …"; undefined for a usable key. */
  readonly unusable: string | undefined
}

export interface ProviderKeys {
  readonly jwksUrl: string
  readonly source: KeySource
  /** Fetches now, whatever failed before, in a fetch that begins after the call. */
  refresh(): Promise<void>
  status(): KeyStatus
  /** The fetch under way, if any; never rejects. */
  fetching(): Promise<void> | undefined
  /** Aborts the fetch under way. */
  stop(): void
}

/** Whose keys, and where they are published. */
export interface KeySetPlace {
  readonly id: string
  readonly jwksUrl: string
}

export interface ProviderKeysDeps {
  readonly world: Pick<ReceiverWorld, 'now' | 'fetch'>
  readonly logger: Logger
  readonly limits: KeyLimits
  readonly observer?: KeyFetchObserver
}

interface GoodKeys {
  readonly keys: readonly KeySetEntry[]
  /** When their fetch began, in ms since 1970. */
  readonly fetchedAt: number
  readonly ageMaxMs: number
}

/** The keys of one provider at one URL; see {@link createKeyCache} for what it promises. */
export function createProviderKeys(
  { world, logger, limits, observer = silentObserver }: ProviderKeysDeps,
  { id, jwksUrl }: KeySetPlace,
): ProviderKeys {
  const stopped = new AbortController()
  const now = (): number => world.now().getTime()
  /** The last usable set. */
  let good: GoodKeys | undefined
  /** Of the latest fetch. */
  let failure: { readonly message: string; readonly at: number; readonly holdMs: number } | undefined
  let fetching: Promise<void> | undefined
  /** Numbers of the latest fetch that began, and that ended. */
  let begun = 0
  let ended = 0
  let waiters = 0
  let allowance = limits.unknownKidRefreshesMax
  let allowanceAt = now()
  /** When a fetch proved that a `kid` is not published, oldest first. */
  const absentAt = new Map<string, number>()

  function get(kid: string, alg: SetAlgorithm): VerificationKey | Promise<VerificationKey> {
    const at = now()
    const set = trusted(at)
    if (set === undefined || !holds(set, kid)) return getLater(kid, alg)
    if (!isOld(set, at)) return pickVerificationKey(set.keys, kid, alg)
    if (isLongOld(set, at) && heldForMs(at) === 0 && waiters < limits.waitersMax)
      return getRefreshed(kid, alg)
    if (fetching === undefined && heldForMs(at) === 0) void fetchAgain(at)
    return pickVerificationKey(set.keys, kid, alg)
  }

  function getKnown(kid: string, alg: SetAlgorithm): VerificationKey | Promise<VerificationKey> {
    const set = trusted(now())
    return set === undefined ? get(kid, alg) : pickVerificationKey(set.keys, kid, alg)
  }

  /** After a long pause a key may have been withdrawn, so the set is fetched before it is used. */
  async function getRefreshed(kid: string, alg: SetAlgorithm): Promise<VerificationKey> {
    waiters++
    try {
      await (fetching ?? fetchAgain(now()))
    } finally {
      waiters--
    }
    return get(kid, alg)
  }

  async function getLater(kid: string, alg: SetAlgorithm): Promise<VerificationKey> {
    const set = await setThat((keys) => keys.some((key) => key.kid === kid), kid)
    return pickVerificationKey(set.keys, kid, alg) // throws set.unknown_key
  }

  async function successorOf(
    kid: string,
    alg: SetAlgorithm,
    tried: readonly VerificationKey[],
    askedAt: number,
  ): Promise<VerificationKey | undefined> {
    const isOther = (key: KeySetEntry): key is VerificationKey =>
      key.kid === kid &&
      'key' in key &&
      key.algorithms.has(alg) &&
      !tried.some((other) => other.key.equals(key.key))
    const latest = trusted(now())
    if (latest !== undefined && failure === undefined && latest.fetchedAt >= askedAt)
      return latest.keys.find(isOther)
    const { keys } = await setThat((keys) => keys.some(isOther))
    return keys.find(isOther)
  }

  /**
   * A set that suffices, or one that proves that none does.
   * @param kid - whose absence is remembered when it is proven
   * @throws ReceiverError `keys.unavailable`
   */
  async function setThat(
    suffices: (keys: readonly KeySetEntry[]) => boolean,
    kid?: string,
  ): Promise<GoodKeys> {
    // Only a fetch that began after we were asked proves that a `kid` is not published: one under way may have been
    // answered before a rotation.
    const begunBefore = begun
    for (;;) {
      const at = now()
      const set = trusted(at)
      if (set !== undefined && suffices(set.keys)) return set
      const proven = ended > begunBefore && failure === undefined
      if (proven && kid !== undefined) noteAbsent(kid, at)
      if (set !== undefined && proven) return set
      if (proven || (ended > begunBefore && fetching === undefined)) throw unavailable(at)
      if (fetching === undefined && heldForMs(at) > 0) throw unavailable(at)
      // After a failure the hold limits the fetches; while all is well the allowance does.
      const free = set === undefined || failure !== undefined
      if (fetching === undefined && !free && !takeAllowance(at)) {
        if (set !== undefined && ((kid !== undefined && isAbsent(kid, at)) || provesAbsence(set, at)))
          return set
        // No fetch has looked for this `kid`: "unknown" would lose a SET that is signed with a new key.
        const reason = 'it was fetched for several unknown keys just now'
        throw unavailable(at, reason, allowanceAt + limits.unknownKidCoolDownMs - at)
      }
      if (waiters >= limits.waitersMax) throw unavailable(at, `${waiters} SETs are waiting for it already`)
      waiters++
      try {
        await (fetching ?? fetchAgain(at))
      } finally {
        waiters--
      }
    }
  }

  /** The usable set, unless it is older than `keysStaleMaxMs`. */
  function trusted(at: number): GoodKeys | undefined {
    return good !== undefined && at - good.fetchedAt <= limits.keysStaleMaxMs ? good : undefined
  }

  /** The rest of the pause after a failure, in ms. A clock that was set back does not prolong it. */
  function heldForMs(at: number): number {
    if (failure === undefined || at < failure.at) return 0
    return Math.max(0, failure.at + failure.holdMs - at)
  }

  function provesAbsence({ fetchedAt }: GoodKeys, at: number): boolean {
    return Math.abs(at - fetchedAt) < limits.provesAbsenceMs
  }

  /** Whether a fetch within the cool-down proved it. */
  function isAbsent(kid: string, at: number): boolean {
    return Math.abs(at - (absentAt.get(kid) ?? -Infinity)) < limits.unknownKidCoolDownMs
  }

  function noteAbsent(kid: string, at: number): void {
    absentAt.delete(kid)
    absentAt.set(kid, at)
    const [oldest] = absentAt.keys()
    if (absentAt.size > limits.waitersMax && oldest !== undefined) absentAt.delete(oldest)
  }

  function takeAllowance(at: number): boolean {
    const refilled = Math.floor(Math.abs(at - allowanceAt) / limits.unknownKidCoolDownMs)
    if (allowance === limits.unknownKidRefreshesMax || refilled > 0) {
      allowance = Math.min(limits.unknownKidRefreshesMax, allowance + refilled)
      allowanceAt = at
    }
    if (allowance === 0) return false
    allowance--
    return true
  }

  /** Never rejects: a failure is stored and thrown to the callers that need the keys. */
  function fetchAgain(at: number): Promise<void> {
    const number = ++begun
    fetching = fetchOnce(at).finally(() => {
      ended = number
      fetching = undefined
    })
    return fetching
  }

  async function fetchOnce(at: number): Promise<void> {
    try {
      const { keys, maxAgeS } = await observer.span('jwks.fetch', (span) => {
        span.note({ 'watchbell.provider': id })
        return fetchKeySet(world, jwksUrl, limits, stopped.signal)
      })
      observer.keySetFetched(id, 'usable')
      if (failure !== undefined) logger.info({ provider: id }, 'the key set of a provider is back')
      good = { keys, fetchedAt: at, ageMaxMs: ageMaxMs(limits, maxAgeS) }
      failure = undefined
    } catch (error) {
      const holdMs =
        failure === undefined
          ? limits.fetchFailureHoldMs
          : Math.min(failure.holdMs * 2, limits.fetchFailureHoldMaxMs)
      failure = { message: isReceiverError(error) ? error.detail : 'a fault of the hub', at: now(), holdMs }
      if (stopped.signal.aborted) return
      observer.keySetFetched(id, failureClass(error))
      if (isReceiverError(error)) {
        const facts = { provider: id, reason: error.detail, holdMs, serving: good !== undefined }
        logger.warn(facts, 'the key set of a provider could not be fetched')
      } else {
        logger.error({ err: error, provider: id }, 'fetching the key set of a provider failed')
      }
    }
  }

  function unavailable(
    at: number,
    reason = failure?.message ?? 'it has not been fetched',
    waitMs = heldForMs(at),
  ): ReceiverError {
    return new ReceiverError('keys.unavailable', {
      detail: `The key set of the provider ${id} cannot be had right now: ${reason.replace(/\.$/, '')}.`,
      retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)),
    })
  }

  return {
    jwksUrl,
    source: { get, getKnown, successorOf },
    async refresh() {
      const begunBefore = begun
      await fetching
      await (begun === begunBefore ? fetchAgain(now()) : fetching)
    },
    status() {
      const at = now()
      const nextTry =
        failure === undefined ? good && good.fetchedAt + good.ageMaxMs : failure.at + failure.holdMs
      return {
        jwksUrl,
        keys: (good?.keys ?? []).map(keyReport),
        fetchedAt: good && new Date(good.fetchedAt),
        ageMs: good && at - good.fetchedAt,
        lastError: failure?.message,
        nextTryAt: nextTry === undefined ? undefined : new Date(nextTry),
      }
    },
    fetching: () => fetching,
    stop: () => stopped.abort(),
  }
}

function failureClass(error: unknown): 'unusable' | 'refused' | 'failed' {
  if (isReceiverError(error, 'keys.unavailable')) return 'unusable'
  return isReceiverError(error, 'outbound.refused') ? 'refused' : 'failed'
}

function holds({ keys }: GoodKeys, kid: string): boolean {
  return keys.some((key) => key.kid === kid)
}

/** Keys from the future count as old: the clock was set back, so their age is unknown. */
function isOld({ fetchedAt, ageMaxMs }: GoodKeys, at: number): boolean {
  return at < fetchedAt || at - fetchedAt > ageMaxMs
}

/** So old that they were not even being refreshed in the background. */
function isLongOld({ fetchedAt, ageMaxMs }: GoodKeys, at: number): boolean {
  return Math.abs(at - fetchedAt) > 2 * ageMaxMs
}

function ageMaxMs({ keysAgeMinMs, keysAgeMaxMs }: KeyLimits, maxAgeS: number | undefined): number {
  return maxAgeS === undefined ? keysAgeMaxMs : Math.min(keysAgeMaxMs, Math.max(keysAgeMinMs, maxAgeS * 1000))
}

function keyReport(key: KeySetEntry): KeyReport {
  return 'unusable' in key
    ? { kid: key.kid, algorithms: [], unusable: key.unusable }
    : { kid: key.kid, algorithms: [...key.algorithms], unusable: undefined }
}
