import type { Logger } from '@watchbell/receiver/base'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { Journaled } from '../journal/journal.ts'
import { watchbellActor } from '../risk/level-journal.ts'
import { rejoinSource } from '../risk/rejoin.ts'
import type { Storage } from '../stores.ts'

export interface RejoiningDeps {
  readonly storage: Journaled<Pick<Storage, 'stores' | 'transaction'>>
  readonly world: Pick<World, 'now'>
  readonly logger: Logger
}

/** Goes on, a step at a time, with the claims of sources whose trust changed. */
export function createRejoining({ storage, world, logger }: RejoiningDeps): Worker {
  return createWorker({
    name: 'rejoining',
    async runOnce() {
      if ((await storage.stores.riskSources.nextRejoin()) === undefined) return 0
      return storage.transaction(async (tx) => {
        const left = await tx.stores.riskSources.nextRejoin()
        if (left === undefined) return 0
        await rejoinSource(world, tx, { ...left, by: watchbellActor })
        return 1
      })
    },
    idleMs: 1_000,
    afterErrorMs: 10_000,
    logger,
  })
}
