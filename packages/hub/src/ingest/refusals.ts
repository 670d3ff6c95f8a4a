import type { Logger } from '@watchbell/receiver/base'
import type { Refusal } from '../signals/signal.ts'
import type { RefusalCount, SignalStore } from '../signals/signal-store.ts'

/** Stores refusals: the newest in rings, all of them in counters. */
export interface RefusalRecorder extends AsyncDisposable {
  /** Resolves when the refusal is counted on disk, or when storing failed; it is then counted with a later one. */
  record(refusal: Refusal): Promise<void>
  /** Counts a refusal without storing it: for refusals that are too frequent. */
  count(providerId: string | undefined, code: string): Promise<void>
}

/**
 * How many refusals a ring holds. Each provider has two rings: one for proven and one for unproven refusals; all
 * unknown issuers share one.
 */
export const refusalRingMax = 200
/** Rings of each kind in one round; refusals beyond them are counted and not stored. */
const ringsMax = 100

/**
 * Gathers refusals while a round is being written, like the inbox, but merges them: rings and codes bound the size of a
 * round, so a flood of garbage costs next to nothing.
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
        'storing refusals failed; they stay counted in memory',
      )
      for (const { providerId, code, count } of counted) add(providerId, code, count)
    }
  }

  function add(providerId: string | undefined, code: string, count: number): void {
    const key = `${providerId ?? ''}/${code}`
    counts.set(key, { providerId, code, count: count + (counts.get(key)?.count ?? 0) })
  }

  /** The round that will hold a refusal added now: the one after the round in progress. */
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

/** By provider; unproven refusals take no ring from proven ones. */
interface Rings {
  readonly proven: Map<string, Refusal[]>
  readonly unproven: Map<string, Refusal[]>
}

function emptyRings(): Rings {
  return { proven: new Map(), unproven: new Map() }
}
