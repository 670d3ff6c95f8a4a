import type { Logger } from '../base/logger.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { PendingSignal } from '../signals/signal.ts'
import { termsOf } from '../signals/signal-terms.ts'
import type { Storage } from '../stores.ts'
import type { LogEvent } from '../systemlog/log-event.ts'
import { receiveEventEntry } from '../systemlog/entries.ts'

export interface HandlerDeps {
  readonly storage: Pick<Storage, 'transaction'>
  readonly world: Pick<World, 'now' | 'newUuid'>
  readonly logger: Logger
}

/** What one signal leads to. */
interface Consequences {
  readonly terms: readonly string[]
  readonly log: readonly LogEvent[]
}

/** Signals per transaction: small enough that intake, which shares the writer, never waits long. */
export const handleBatchMax = 256

/** How often the oldest signal may make its transaction fail before it is set aside. */
const attemptsMax = 5

/** Works out, in order and exactly once, what accepted SETs lead to. */
export function createHandler(deps: HandlerDeps): Worker {
  let stuck = { sequence: -1, attempts: 0 }

  /** A batch that will not commit is taken apart: the oldest signal alone, and that one aside when it is to blame. */
  async function runOnce(): Promise<number> {
    try {
      return await handleBatch(deps, handleBatchMax)
    } catch (error) {
      deps.logger.warn({ err: error }, 'a batch of signals did not commit; trying the oldest one alone')
    }
    try {
      return await handleBatch(deps, 1)
    } catch (error) {
      return deps.storage.transaction(async ({ signals }) => {
        const [oldest] = await signals.claimOldest(1)
        if (oldest === undefined) return 0
        stuck = {
          sequence: oldest.sequence,
          attempts: stuck.sequence === oldest.sequence ? stuck.attempts + 1 : 1,
        }
        if (stuck.attempts < attemptsMax) throw error
        await signals.settle({ handled: [], failed: [failure(deps, oldest, error)] })
        return 1
      })
    }
  }

  return createWorker({ name: 'handler', runOnce, idleMs: 1_000, afterErrorMs: 1_000, logger: deps.logger })
}

/**
 * Handles the oldest accepted SETs; their effects commit together with the mark that they were handled. A signal whose
 * consequences cannot be worked out is set aside with its error and holds up nobody.
 * @returns how many; 0 means there was nothing to do
 */
export async function handleBatch(deps: HandlerDeps, signalsMax: number): Promise<number> {
  return deps.storage.transaction(async (stores) => {
    const claimed = await stores.signals.claimOldest(signalsMax)
    if (claimed.length === 0) return 0
    const { handled, failed, log } = decideAll(deps, claimed)
    await stores.systemLog.append(log)
    await stores.signals.settle({ handled, failed })
    return claimed.length
  })
}

function failure({ world, logger }: HandlerDeps, signal: PendingSignal, error: unknown) {
  logger.error({ err: error, signal: signal.id }, 'a signal could not be handled and was set aside')
  return { sequence: signal.sequence, error: String(error), at: world.now() }
}

function decideAll(deps: HandlerDeps, claimed: readonly PendingSignal[]) {
  const handled: { sequence: number; terms: readonly string[] }[] = []
  const failed: ReturnType<typeof failure>[] = []
  const log: LogEvent[] = []
  for (const signal of claimed) {
    try {
      const consequences = decide(deps.world, signal)
      handled.push({ sequence: signal.sequence, terms: consequences.terms })
      log.push(...consequences.log)
    } catch (error) {
      failed.push(failure(deps, signal, error))
    }
  }
  return { handled, failed, log }
}

function decide(world: HandlerDeps['world'], signal: PendingSignal): Consequences {
  return {
    terms: termsOf(signal),
    log: signal.events.map((event) => receiveEventEntry(world, signal, event)),
  }
}
