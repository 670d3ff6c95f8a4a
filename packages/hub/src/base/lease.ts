import type { World } from './world.ts'

/** A holder's claim of a lease. */
export interface LeaseClaim {
  /** The name of the work: `poll/str…`. */
  readonly name: string
  /** The holder: a random value for each part of each running hub. */
  readonly holder: string
  readonly now: Date
  readonly until: Date
}

/** Where leases live. Implemented in storage/, held to test/contract/lease-store.ts. */
export interface LeaseStore {
  /**
   * Takes a lease that is free, expired, or this holder's. A lease that expires later than twice the claimed duration was
   * written by a clock that was ahead, and counts as expired; a smaller excess may be the difference between nodes' clocks.
   * @returns whether the holder has the lease
   */
  take(claim: LeaseClaim): Promise<boolean>
  end(lease: Pick<LeaseClaim, 'name' | 'holder'>): Promise<void>
}

/** The right of one node at a time to do some work, as one node knows it. */
export interface Lease {
  /** When this node's lease ends, in ms since 1970; 0 when storage did not grant it. */
  readonly until: number
  /** Whether it need not be renewed: more than half of its time is left. */
  isFresh(): boolean
  /** Takes or renews it, unless it is fresh. Concurrent calls share one request. @returns whether this node has it */
  hold(): Promise<boolean>
  /** Takes or renews it. @returns whether this node has it */
  take(): Promise<boolean>
  /** Gives it back; never rejects. Best effort: the lease expires anyway. */
  end(): Promise<void>
}

export interface LeaseDeps extends Pick<LeaseClaim, 'name' | 'holder'> {
  readonly world: Pick<World, 'now'>
  readonly leases: LeaseStore
  /** How long a lease lasts without renewal. */
  readonly leaseMs: number
}

export function createLease({ world, leases, name, holder, leaseMs }: LeaseDeps): Lease {
  let until = 0
  /** Whether storage may have granted it: an attempt whose answer was lost may have succeeded. */
  let mayBeOurs = false

  function isFresh(): boolean {
    const leftMs = until - world.now().getTime()
    return leftMs > leaseMs / 2 && leftMs <= leaseMs // more is left when the clock was set back: another node may have the lease
  }

  async function take(): Promise<boolean> {
    const now = world.now()
    const claimedUntil = now.getTime() + leaseMs
    mayBeOurs = true
    const isOurs = await leases.take({ name, holder, now, until: new Date(claimedUntil) })
    until = isOurs ? claimedUntil : 0
    mayBeOurs = isOurs
    return isOurs
  }

  /** The call in progress. */
  let taking: Promise<boolean> | undefined

  return {
    get until() {
      return until
    },
    isFresh,
    take,
    hold: async () => isFresh() || (taking ??= take().finally(() => (taking = undefined))),
    async end() {
      if (!mayBeOurs) return
      until = 0
      mayBeOurs = false
      await leases.end({ name, holder }).catch(() => undefined)
    },
  }
}
