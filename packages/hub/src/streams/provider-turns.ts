import { setTimeout as sleep } from 'node:timers/promises'
import { HubError } from '../base/hub-error.ts'
import { createLease, type Lease, type LeaseStore } from '../base/lease.ts'
import type { World } from '../base/world.ts'

export interface ProviderTurnsDeps {
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newUuid'>
  readonly leases: LeaseStore
  /** Reads the changes of other nodes, once the turn is ours. */
  readonly refresh: () => Promise<void>
}

export interface TurnLimits {
  /** How long a node may be silent before another node takes its turn. */
  readonly leaseMs: number
  /** How often a waiting node asks for the turn. */
  readonly tryMs: number
  /** How long it asks. */
  readonly waitMs: number
}

export const defaultTurnLimits: TurnLimits = { leaseMs: 30_000, tryMs: 100, waitMs: 60_000 }

/** Work on a provider's stream, one piece at a time per provider, over all nodes. */
export interface ProviderTurns {
  /** @throws HubError `stream.busy` when other nodes work on the stream for too long */
  take<T>(providerId: string, work: () => Promise<T>): Promise<T>
}

export function createProviderTurns(
  { world, leases, refresh }: ProviderTurnsDeps,
  limits: TurnLimits = defaultTurnLimits,
): ProviderTurns {
  const holder = world.newUuid()
  const turns = new Map<string, Promise<unknown>>()

  async function awaitLease(lease: Lease): Promise<void> {
    const since = world.monotonicMs()
    while (!(await lease.take())) {
      if (world.monotonicMs() - since >= limits.waitMs) {
        throw new HubError('stream.busy', { retryAfterS: 5 })
      }
      await sleep(limits.tryMs)
    }
  }

  async function withLease<T>(providerId: string, work: () => Promise<T>): Promise<T> {
    const { leaseMs } = limits
    const lease = createLease({ world, leases, name: `manage/${providerId}`, holder, leaseMs })
    await awaitLease(lease)
    const renewal = setInterval(() => void lease.take().catch(() => undefined), leaseMs / 3)
    try {
      await refresh()
      return await work()
    } finally {
      clearInterval(renewal)
      await lease.end()
    }
  }

  return {
    take(providerId, work) {
      const mine = (): ReturnType<typeof work> => withLease(providerId, work)
      const turn = (turns.get(providerId) ?? Promise.resolve()).then(mine, mine)
      const settled = turn
        .catch(() => undefined)
        .finally(() => turns.get(providerId) === settled && turns.delete(providerId))
      turns.set(providerId, settled)
      return turn
    },
  }
}
