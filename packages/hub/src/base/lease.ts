import type { World } from './world.ts'

/** What a holder asks storage for. */
export interface LeaseClaim {
  /** What the lease is for: `poll/str…`. */
  readonly name: string
  /** Who takes it: random, one for each part of each hub that runs. */
  readonly holder: string
  readonly now: Date
  readonly until: Date
}

/** Where leases live. Implemented in storage/, held to test/contract/lease-store.ts. */
export interface LeaseStore {
  /**
   * Takes a lease that is free, over, or ours already. One that has left more than twice as long as this one is to last was
   * written by a clock that was ahead, and counts as over; less may be what clocks of nodes differ by.
   * @returns whether we have it
   */
  take(claim: LeaseClaim): Promise<boolean>
  end(lease: Pick<LeaseClaim, 'name' | 'holder'>): Promise<void>
}

/** The right to work on something that one node at a time may work on, as one node sees it. */
export interface Lease {
  /** Until when it is ours, in ms since 1970; 0 when storage did not give it to us. */
  readonly until: number
  /** Whether it need not be asked for: more than half of it is left. */
  isFresh(): boolean
  /** Takes or renews it, unless it is fresh. Two calls at once ask once. @returns whether it is ours */
  hold(): Promise<boolean>
  /** Takes or renews it. @returns whether it is ours */
  take(): Promise<boolean>
  /** Gives it back; never rejects. Best effort: the lease expires anyway. */
  end(): Promise<void>
}

export interface LeaseDeps extends Pick<LeaseClaim, 'name' | 'holder'> {
  readonly world: Pick<World, 'now'>
  readonly leases: LeaseStore
  /** How long a node may be silent before another one takes the lease. */
  readonly leaseMs: number
}

export function createLease({ world, leases, name, holder, leaseMs }: LeaseDeps): Lease {
  let until = 0
  /** Whether storage may have it as ours: an attempt whose answer was lost may have succeeded. */
  let mayBeOurs = false

  function isFresh(): boolean {
    const leftMs = until - world.now().getTime()
    return leftMs > leaseMs / 2 && leftMs <= leaseMs // more is left when our clock was set back: others may have it
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

  /** The call that is under way. */
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
