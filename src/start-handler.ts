import type { Logger } from './base/logger.ts'
import type { Worker } from './base/worker.ts'
import { realWorld } from './base/world.ts'
import { createHandler, type HandlerPace } from './ingest/handle.ts'
import { createHandlerMeter, type HandlingCells } from './metrics/handling.ts'
import { createRiskRules, type RiskOverride } from './risk/risk-rules.ts'
import { stderrLogger } from './stderr-logger.ts'
import type { Storage } from './stores.ts'

/** How signals are handled, whichever database they are in. Crosses into a thread as it is. */
export interface HandlingOptions {
  readonly logLevel: string
  /** Where events are read otherwise than the table of detections reads them. */
  readonly riskOverrides: readonly RiskOverride[]
  readonly unknownUsers: 'welcome' | 'ignored'
  /** Where handling is counted; nowhere unless given. */
  readonly handling?: HandlingCells | undefined
}

/** A thread has a logger of its own, which writes where the hub's does. */
export function threadLogger({ logLevel }: Pick<HandlingOptions, 'logLevel'>): Logger {
  return stderrLogger({ level: logLevel })
}

/** The handler, composed in the thread that calls this, and at work. */
export function startHandler(
  storage: Storage,
  logger: Logger,
  options: HandlingOptions,
  pace: HandlerPace,
): Worker {
  const { riskOverrides, unknownUsers, handling } = options
  const handler = createHandler({
    storage,
    world: realWorld(globalThis.fetch),
    logger,
    rules: createRiskRules(riskOverrides),
    ignoreUnknownUsers: unknownUsers === 'ignored',
    meter: handling && createHandlerMeter(handling),
    pace,
  })
  handler.start()
  return handler
}
