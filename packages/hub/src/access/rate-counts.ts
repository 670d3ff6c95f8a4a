import { sha256 } from '../base/sha256.ts'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { World } from '../base/world.ts'
import type { RateCountStore } from './rate-count-store.ts'

/** The count of a key in its window. */
export interface Used {
  readonly limit: number
  readonly consumed: number
  /** In ms since 1970. */
  readonly endsAt: number
}

/** Counts one request, or the given number. Never waits or fails: it decides by the counts that this node knows. */
export interface RateCounter {
  (key: string, amount?: number): Promise<Used>
  /** A key's count, without counting; undefined when it has no window. */
  peek(key: string): Promise<Used | undefined>
}

/** Counters whose counts all nodes on one database share, by exchanging them now and then. */
export interface RateCounts {
  /** @param name - separates its keys from those of other limits @returns undefined when `limit` is 0: no limit */
  counter(name: string, limit: number): RateCounter | undefined
  /**
   * Sends this node's counts and reads the other nodes' counts of the same keys: from then on this node
   * decides by the sum. So no more passes a limit than what nodes let through between two of their exchanges.
   * @throws HubError `hub.unavailable`; the next exchange then includes the same counts
   */
  exchange(): Promise<void>
}

export interface RateCountsDeps {
  readonly world: Pick<World, 'now'>
  /** Undefined where there is one process: nothing is exchanged. */
  readonly shared: Pick<RateCountStore, 'add'> | undefined
}

const windowS = 60
/** Maximum number of keys in one exchange; the others follow in the next. */
export const keysPerExchangeMax = 5_000

/** This node's count of a key since the last exchange. */
interface Share {
  readonly count: number
  /** The end of its window, in ms since 1970. */
  readonly until: number
}

interface SharedCounter {
  readonly name: string
  readonly limiter: RateLimiterMemory
  readonly unreported: Map<string, Share>
}

interface ShareReport extends Share {
  readonly counter: SharedCounter
  readonly key: string
}

/** Counts in windows of a minute that begin with the first request of each key, at whichever node. */
export function createRateCounts({ world, shared }: RateCountsDeps): RateCounts {
  const counters: SharedCounter[] = []
  const now = (): number => world.now().getTime()

  function note({ unreported }: SharedCounter, key: string, amount: number, until: number): void {
    const known = unreported.get(key)
    const same = known !== undefined && known.until > now()
    unreported.set(key, same ? { ...known, count: known.count + amount } : { count: amount, until })
  }

  /** Takes the counts for the next exchange, without expired windows. */
  function take(): readonly ShareReport[] {
    const at = now()
    const reports: ShareReport[] = []
    for (const counter of counters) {
      for (const [key, share] of counter.unreported) {
        if (reports.length === keysPerExchangeMax) return reports
        counter.unreported.delete(key)
        if (share.until > at) reports.push({ counter, key, ...share })
      }
    }
    return reports
  }

  function giveBack({ counter: { unreported }, key, count, until }: ShareReport): void {
    if (until <= now()) return
    const later = unreported.get(key)
    unreported.set(key, { count: count + (later?.count ?? 0), until: later?.until ?? until })
  }

  /** The count of all nodes at the last exchange plus this node's count since. */
  async function learn({ counter, key }: ShareReport, count: number, until: Date): Promise<void> {
    const leftMs = until.getTime() - now()
    const { limiter, unreported } = counter
    if (leftMs > 0) await limiter.set(key, count + (unreported.get(key)?.count ?? 0), leftMs / 1_000)
  }

  return {
    counter(name, limit) {
      if (limit === 0) return undefined
      const limiter = new RateLimiterMemory({ points: limit, duration: windowS })
      const counter: SharedCounter = { name, limiter, unreported: new Map() }
      counters.push(counter)
      const count = async (key: string, amount = 1): Promise<Used> => {
        const used = await limiter.consume(key, amount).catch((error: unknown) => {
          if (error instanceof RateLimiterRes) return error // over the limit
          throw error
        })
        const { consumedPoints: consumed, msBeforeNext } = used
        const endsAt = now() + msBeforeNext
        // A caller over the limit causes no database access.
        if (shared !== undefined && consumed - amount <= limit) note(counter, key, amount, endsAt)
        return { limit, consumed, endsAt }
      }
      const peek = async (key: string): Promise<Used | undefined> => {
        const used = await limiter.get(key)
        return used === null
          ? undefined
          : { limit, consumed: used.consumedPoints, endsAt: now() + used.msBeforeNext }
      }
      return Object.assign(count, { peek })
    },
    async exchange() {
      if (shared === undefined) return
      const reports = new Map(take().map((each) => [counterKey(each), each]))
      if (reports.size === 0) return
      const counts = [...reports].map(([key, { count, until }]) => ({ key, count, until: new Date(until) }))
      const totals = await shared.add(counts, world.now()).catch((error: unknown) => {
        for (const each of reports.values()) giveBack(each)
        throw error
      })
      for (const { key, count, until } of totals) {
        const each = reports.get(key)
        if (each !== undefined) await learn(each, count, until)
      }
    },
  }
}

/** Hashed: all keys have one length, and the database holds no addresses. */
function counterKey({ counter, key }: ShareReport): string {
  return sha256(`${counter.name}\n${key}`)
}
