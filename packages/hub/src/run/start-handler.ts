import type { Logger } from '@watchbell/receiver/base'
import type { Worker } from '../base/worker.ts'
import { realWorld } from '../base/world.ts'
import { createHandler, type HandlerPace } from '../handling/handler.ts'
import { journaled } from '../journal/journal.ts'
import { createHandlerMeter, type HandlingCells } from '../metrics/handling.ts'
import { createRiskRules, type RiskOverride } from '../risk/risk-rules.ts'
import { stderrLogger, type LogFormat } from './stderr-logger.ts'
import type { Storage } from '../stores.ts'

/** How signals are handled, whichever database they are in. Crosses into a thread as it is. */
export interface HandlingOptions {
  readonly logLevel: string
  readonly logFormat?: LogFormat | undefined
  /** The hub's: issuer of our own users' ids. */
  readonly origin: string
  /** Where events are read otherwise than the table of detections reads them. */
  readonly riskOverrides: readonly RiskOverride[]
  readonly unknownUsers: 'welcome' | 'ignored'
  /** Where handling is counted; nowhere unless given. */
  readonly handling?: HandlingCells | undefined
}

/** A thread has a logger of its own, which writes where the hub's does. */
export function threadLogger({
  logLevel,
  logFormat,
}: Pick<HandlingOptions, 'logLevel' | 'logFormat'>): Logger {
  return stderrLogger({ level: logLevel, format: logFormat })
}

/** The handler, composed in the thread that calls this, and at work. */
export function startHandler(
  storage: Storage,
  logger: Logger,
  options: HandlingOptions,
  pace: HandlerPace,
): Worker {
  const { origin, riskOverrides, unknownUsers, handling } = options
  const world = realWorld(globalThis.fetch)
  const handler = createHandler({
    storage: journaled(storage, world),
    world,
    logger,
    rules: createRiskRules(riskOverrides),
    origin,
    ignoreUnknownUsers: unknownUsers === 'ignored',
    meter: handling && createHandlerMeter(handling),
    pace,
  })
  handler.start()
  return handler
}

/** A storage with the handler at work on it. Disposing ends both. */
export interface HandledStorage extends Storage {
  /** Turns the handler's crank: handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** A storage whose handler wakes when a SET was stored through it. */
export function wakeAfterAppend<S extends Storage>(storage: S, wake: () => void): S {
  const { signals } = storage.stores
  return {
    ...storage,
    stores: {
      ...storage.stores,
      signals: {
        ...signals,
        async append(sets) {
          const acceptances = await signals.append(sets)
          if (acceptances.includes('stored')) wake()
          return acceptances
        },
      },
    },
  }
}
