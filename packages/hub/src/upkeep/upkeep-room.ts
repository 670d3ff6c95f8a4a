import type { Logger } from '@watchbell/receiver/base'
import type { Meter } from '../base/meter.ts'
import { recentAnswer } from '../base/recent-answer.ts'
import type { Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { Journaled } from '../journal/journal.ts'
import type { Storage } from '../stores.ts'
import type { ErasureBacklog } from '../subjects/erasure-store.ts'
import { createErasures, type Erasures } from './erasures.ts'
import { createExpiry } from './expiry.ts'
import { createRejoining } from './rejoining.ts'
import { createRetention, type RetentionDays } from './retention.ts'

export interface UpkeepRoomDeps {
  readonly storage: Journaled<
    Pick<Storage, 'stores' | 'transaction' | 'makeRoom' | 'clock' | 'dropOverwritten'>
  >
  readonly world: World
  readonly logger: Logger
  readonly meter: Meter
  readonly days: RetentionDays
}

export interface UpkeepRoom {
  readonly erasures: Erasures
  /** Erasures that are not done, as of a few seconds ago at most. */
  erasureBacklog(): Promise<ErasureBacklog>
  /** Not started. */
  readonly workers: readonly Worker[]
}

/** Readiness probes may ask often. */
const backlogForMs = 5_000

/** What goes when its time is over, or when somebody asks for it. */
export function createUpkeepRoom({ storage, world, logger, meter, days }: UpkeepRoomDeps): UpkeepRoom {
  const erasures = createErasures({ storage, world, logger })
  return {
    erasures,
    erasureBacklog: recentAnswer(world, backlogForMs, () => erasures.backlog()),
    workers: [
      createExpiry({ storage, world, logger }),
      createRejoining({ storage, world, logger }),
      erasures.worker,
      createRetention({ storage, world, logger, meter, days }),
    ],
  }
}
