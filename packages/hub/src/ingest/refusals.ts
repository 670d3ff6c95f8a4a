import type { Logger } from '@watchbell/receiver/base'
import type { Refusal } from '../signals/signal.ts'
import type { RefusalCount, SignalStore } from '../signals/signal-store.ts'

/** Remembers what was refused: the newest in rings, all of them in counters. */
export interface RefusalRecorder extends AsyncDisposable {
  /** Resolves when the refusal is counted on disk, or when storing failed; it is then counted with a later one. */
  record(refusal: Refusal): Promise<void>
  /** Counts without keeping: for what comes too often to be looked at. */
  count(providerId: string | undefined, code: string): Promise<void>
}

/**
 * How many refusals a ring holds. Each provider has two: what it sent itself, and what anybody may have sent in its name;
 * all unknown issuers share one.
 */
export const refusalRingMax = 200
/** Rings of each kind in one round; what comes on top is counted and not kept. */
const ringsMax = 100

/**
 * Gathers while a round is being written, like the inbox, but merges: what a round writes is bounded by rings and codes
 * and not by how much garbage came, so a flood of it costs next to nothing.
 */
export function createRefusalRecorder(
  signals: Pick<SignalStore, 'recordRefusals'>,
  logger: Logger,
  ringMax: number = refusalRingMax,
): RefusalRecorder {
  let rings = emptyRings()
  let counts = new Map<string, RefusalCount>()
  let writing = Promise.resolve()
  let next: Promise<void> | undefined

  async function write(): Promise<void> {
    const kept = [...rings.proven.values(), ...rings.unproven.values()].flat()
    const counted = [...counts.values()]
    rings = emptyRings()
    counts = new Map()
    try {
      await signals.recordRefusals({ kept, counts: counted, ringMax })
    } catch (error) {
      logger.error(
        { err: error, refusals: kept.length },
        'refusals could not be stored; they stay counted in memory',
      )
      for (const { providerId, code, count } of counted) add(providerId, code, count)
    }
  }

  function add(providerId: string | undefined, code: string, count: number): void {
    const key = `${providerId ?? ''}/${code}`
    counts.set(key, { providerId, code, count: count + (counts.get(key)?.count ?? 0) })
  }

  /** The round that will hold what was added just now: the one that begins when the one under way has ended. */
  function round(): Promise<void> {
    next ??= writing.then(() => {
      next = undefined
      writing = write()
      return writing
    })
    return next
  }

  return {
    record(refusal) {
      const { id, code, reason, iss, jti, providerId, via, source } = refusal
      logger.debug(
        { refusal: id, code, iss, jti, provider: providerId, via, source },
        `a SET was refused: ${reason}`,
      )
      const key = refusal.providerId ?? ''
      const kind = refusal.proven ? rings.proven : rings.unproven
      const ring = kind.get(key)
      if (ring !== undefined) {
        ring.push(refusal)
        if (ring.length > ringMax) ring.shift()
      } else if (kind.size < ringsMax) {
        kind.set(key, [refusal])
      }
      add(refusal.providerId, refusal.code, 1)
      return round()
    },
    count(providerId, code) {
      logger.debug({ code, provider: providerId }, 'a SET was refused, and is only counted')
      add(providerId, code, 1)
      return round()
    },
    async [Symbol.asyncDispose]() {
      if (counts.size > 0) await round()
      await writing
    },
  }
}

/** By provider; what is unproven takes no place from what is proven. */
interface Rings {
  readonly proven: Map<string, Refusal[]>
  readonly unproven: Map<string, Refusal[]>
}

function emptyRings(): Rings {
  return { proven: new Map(), unproven: new Map() }
}
