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
  /** One node at a time looks after a stream. */
  readonly leases: LeaseStore
  /** Nobody looks after a stream that was never connected, or whose provider is switched off. */
  readonly isActive: (stream: Stream) => boolean
}

export interface KeeperLimits {
  /** How often a stream is compared with what the transmitter has. */
  readonly checkEveryMs: number
  /** How often a verification event is asked for, as a heartbeat. */
  readonly verifyEveryMs: number
  /** The first pause after a failure; it doubles up to `checkEveryMs`. */
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
  /** Looks after a stream in the next round, whenever it would be due. */
  hurry(stream: Stream): void
}

interface Failures {
  readonly count: number
  readonly nextAt: number
}

/**
 * Looks after every stream: sees whether it is still there and as we want it, which also keeps it alive (SSF 1.0 §8.1.1), and asks
 * for verification as a heartbeat, not more often than the transmitter allows.
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
      else logger.error({ ...facts, err: error }, 'looking after a stream failed')
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
      const waits = waitsMs > 0 && waitsMs <= limits.checkEveryMs // no pause is longer: the clock was set back since
      if (!isAny(dueNow(stream)) || waits || !deps.isActive(stream)) continue
      hurried.delete(stream.id)
      const lease = createLease({ world, leases, name: `keep/${stream.id}`, holder, leaseMs: limits.leaseMs })
      if (!(await lease.take())) continue
      try {
        await registry.refresh() // another node may have done it since
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

  /** One round at a time, also when a round is turned by hand. */
  function runOnce(signal: AbortSignal): Promise<number> {
    const next = last.then(() => round(signal))
    last = next.catch(() => undefined)
    return next
  }

  const worker = createWorker({
    name: 'stream keeper',
    // A round that kept something is followed by a pause as well: what is due again at once had better wait.
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

/** What clocks of nodes may differ by: what another node has just done is not done again. */
const clocksDifferMs = 60_000

interface Due {
  readonly check: boolean
  readonly verify: boolean
}

function isAny({ check, verify }: Due): boolean {
  return check || verify
}

/** What is to be done about a stream now. */
export function dueOf(stream: Stream, nowMs: number, hurried: boolean, limits: KeeperLimits): Due {
  const { checkedAt, verificationAskedAt, verifyNotBefore, status, remote, endpoints } = stream
  const inactivityMs = (remote?.inactivityTimeoutS ?? Number.POSITIVE_INFINITY) * 1_000
  // A third of the timeout: two tries may fail and the stream lives on.
  const checkEveryMs = Math.min(limits.checkEveryMs, inactivityMs / 3)
  const verifyEveryMs = Math.max(limits.verifyEveryMs, (remote?.minVerificationIntervalS ?? 0) * 1_000)
  const since = (at: Date | undefined): number => {
    const ageMs = at === undefined ? Number.POSITIVE_INFINITY : nowMs - at.getTime()
    return ageMs < -clocksDifferMs ? Number.POSITIVE_INFINITY : ageMs // kept while a clock was ahead: nobody knows when
  }
  /** No pause is longer than this: one that ends later was written while a clock was ahead. */
  const isAhead = (at: Date | undefined): boolean => {
    const waitMs = at === undefined ? 0 : at.getTime() - nowMs
    return waitMs > 0 && waitMs <= limits.checkEveryMs
  }
  // A poll stream whose transmitter promised to change it (SSF 1.0 §8.1.1.3): only a look tells where to poll.
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
