import { isHubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import { createLease, type LeaseStore } from '../base/lease.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import { hubActor } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { Streams } from './streams.ts'
import { isConnected, type Stream } from './stream.ts'

export interface StreamKeeperDeps {
  readonly world: Pick<World, 'now' | 'newUuid'>
  readonly logger: Logger
  readonly registry: Pick<StreamRegistry, 'list' | 'find' | 'flush' | 'refresh'>
  readonly streams: Pick<Streams, 'check' | 'verify'>
  /** One node at a time checks a stream. */
  readonly leases: LeaseStore
  /** Streams that were never connected, or whose provider is inactive, are not checked. */
  readonly isActive: (stream: Stream) => boolean
}

export interface KeeperLimits {
  /** How often a stream is compared with the transmitter's. */
  readonly checkEveryMs: number
  /** How often a verification event is requested, as a heartbeat. */
  readonly verifyEveryMs: number
  /** The first pause after a failure; doubles up to `checkEveryMs`. */
  readonly retryAfterMs: number
  readonly tickMs: number
  readonly leaseMs: number
}

export const defaultKeeperLimits: KeeperLimits = {
  checkEveryMs: 15 * 60_000,
  verifyEveryMs: 60 * 60_000,
  retryAfterMs: 30_000,
  tickMs: 5_000,
  leaseMs: 120_000,
}

export interface StreamKeeper extends Worker {
  /** Checks a stream in the next round, even if it is not due. */
  hurry(stream: Stream): void
}

interface Failures {
  readonly count: number
  readonly nextAt: number
}

/**
 * Checks every stream: whether it still exists and matches our wishes, which also keeps it alive (SSF 1.0 §8.1.1), and
 * requests verification as a heartbeat, not more often than the transmitter permits.
 */
export function createStreamKeeper(
  deps: StreamKeeperDeps,
  limits: KeeperLimits = defaultKeeperLimits,
): StreamKeeper {
  const { world, registry, streams, leases, logger } = deps
  const holder = world.newUuid()
  const failures = new Map<string, Failures>()
  const hurried = new Set<string>()

  async function keep(stream: Stream, due: Due): Promise<void> {
    try {
      if (due.check) await streams.check(stream.providerId)
      if (due.verify) await streams.verify(stream.providerId, hubActor)
      failures.delete(stream.id)
    } catch (error) {
      const count = (failures.get(stream.id)?.count ?? 0) + 1
      const pauseMs = Math.min(limits.retryAfterMs * 2 ** (count - 1), limits.checkEveryMs)
      const askedMs = Math.min(
        (isHubError(error) ? (error.retryAfterS ?? 0) : 0) * 1_000,
        limits.checkEveryMs,
      )
      failures.set(stream.id, { count, nextAt: world.now().getTime() + Math.max(pauseMs, askedMs) })
      const facts = { provider: stream.providerId, stream: stream.id }
      if (isHubError(error)) logger.warn({ ...facts, code: error.code }, error.detail)
      else logger.error({ ...facts, err: error }, 'checking a stream failed')
    }
  }

  async function round(signal: AbortSignal): Promise<number> {
    await registry.flush()
    let kept = 0
    for (const stream of registry.list()) {
      if (signal.aborted) return kept
      const isHurried = hurried.has(stream.id)
      const dueNow = (known: Stream): Due => dueOf(known, world.now().getTime(), isHurried, limits)
      const waitsMs = (failures.get(stream.id)?.nextAt ?? 0) - world.now().getTime()
      const waits = waitsMs > 0 && waitsMs <= limits.checkEveryMs // a longer pause means that the clock was set back
      if (!isAny(dueNow(stream)) || waits || !deps.isActive(stream)) continue
      hurried.delete(stream.id)
      const lease = createLease({ world, leases, name: `keep/${stream.id}`, holder, leaseMs: limits.leaseMs })
      if (!(await lease.take())) continue
      try {
        await registry.refresh() // another node may have done it meanwhile
        const current = registry.find(stream.id)
        const due = current && dueNow(current)
        if (current === undefined || due === undefined || !isAny(due)) continue
        await keep(current, due)
      } finally {
        await lease.end()
      }
      kept += 1
    }
    return kept
  }

  let last: Promise<unknown> = Promise.resolve()

  /** One round at a time, also when rounds are started by hand. */
  function runOnce(signal: AbortSignal): Promise<number> {
    const next = last.then(() => round(signal))
    last = next.catch(() => undefined)
    return next
  }

  const worker = createWorker({
    name: 'stream keeper',
    // A pause follows also a round that did something: a stream that is due again at once has to wait.
    runOnce: async (signal) => (await runOnce(signal), 0),
    idleMs: limits.tickMs,
    afterErrorMs: limits.tickMs,
    logger,
  })
  return {
    ...worker,
    runOnce,
    hurry(stream) {
      hurried.add(stream.id)
      failures.delete(stream.id)
      worker.wake()
    },
  }
}

/** By how much the clocks of nodes may differ: a check that another node has just made is not repeated. */
const clocksDifferMs = 60_000

interface Due {
  readonly check: boolean
  readonly verify: boolean
}

function isAny({ check, verify }: Due): boolean {
  return check || verify
}

/** What is due for a stream. */
export function dueOf(stream: Stream, nowMs: number, hurried: boolean, limits: KeeperLimits): Due {
  const { checkedAt, verificationAskedAt, verifyNotBefore, status, remote, endpoints } = stream
  const inactivityMs = (remote?.inactivityTimeoutS ?? Number.POSITIVE_INFINITY) * 1_000
  // A third of the timeout: the stream survives two failed attempts.
  const checkEveryMs = Math.min(limits.checkEveryMs, inactivityMs / 3)
  const verifyEveryMs = Math.max(limits.verifyEveryMs, (remote?.minVerificationIntervalS ?? 0) * 1_000)
  const since = (at: Date | undefined): number => {
    const ageMs = at === undefined ? Number.POSITIVE_INFINITY : nowMs - at.getTime()
    return ageMs < -clocksDifferMs ? Number.POSITIVE_INFINITY : ageMs // written while a clock was ahead: the true age is unknown
  }
  /** The longest pause: a later end was written while a clock was ahead. */
  const isAhead = (at: Date | undefined): boolean => {
    const waitMs = at === undefined ? 0 : at.getTime() - nowMs
    return waitMs > 0 && waitMs <= limits.checkEveryMs
  }
  // Only a check shows the poll URL of a stream whose transmitter promised to change it to poll (SSF 1.0 §8.1.1.3).
  const isPending =
    isConnected(stream) && stream.settings.delivery === 'poll' && remote?.endpointUrl === undefined
  const lookEveryMs = isPending ? limits.retryAfterMs : checkEveryMs
  return {
    check: hurried || since(checkedAt ?? stream.createdAt) >= lookEveryMs,
    verify:
      isConnected(stream) &&
      endpoints?.verification !== undefined &&
      (status === 'enabled' || status === undefined) &&
      since(verificationAskedAt) >= verifyEveryMs &&
      !isAhead(verifyNotBefore),
  }
}
