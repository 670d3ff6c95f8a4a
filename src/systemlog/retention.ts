import type { Logger } from '../base/logger.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { SystemLogStore } from './system-log-store.ts'

export interface RetentionDeps {
  readonly systemLog: Pick<SystemLogStore, 'deleteBefore'>
  readonly world: Pick<World, 'now'>
  readonly logger: Logger
  /** How long entries are kept (L16). */
  readonly retentionDays: number
}

export const retentionDaysDefault = 90
const dayMs = 86_400_000
/** Few enough that other writers never wait long. */
const deletedPerRoundMax = 1_000
const idleMs = 600_000

/** Deletes entries that are past their retention, a small step at a time. */
export function createRetention({ systemLog, world, logger, retentionDays }: RetentionDeps): Worker {
  return createWorker({
    name: 'system log retention',
    runOnce: () =>
      systemLog.deleteBefore(new Date(world.now().getTime() - retentionDays * dayMs), deletedPerRoundMax),
    idleMs,
    afterErrorMs: 60_000,
    logger,
  })
}
