import type { Logger } from '@watchbell/receiver/base'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { Journaled } from '../journal/journal.ts'
import { relevel } from '../risk/relevel.ts'
import { watchbellActor } from '../risk/level-journal.ts'
import { wordJudge } from '../risk/risk-sources.ts'
import type { Storage } from '../stores.ts'

export interface ExpiryDeps {
  readonly storage: Journaled<Pick<Storage, 'stores' | 'transaction'>>
  readonly world: Pick<World, 'now'>
  readonly logger: Logger
}

const entitiesMax = 256
const idleMs = 1_000

/** Lets levels fall when their reasons run out. Each fall is logged once. */
export function createExpiry(deps: ExpiryDeps): Worker {
  return createWorker({
    name: 'risk expiry',
    runOnce: () => expireOnce(deps),
    idleMs,
    afterErrorMs: 10_000,
    logger: deps.logger,
  })
}

async function expireOnce(deps: ExpiryDeps): Promise<number> {
  const now = deps.world.now()
  const isDue = (await deps.storage.stores.risk.due(now, 1)).length > 0
  return isDue ? expireLevels(deps, now) : 0
}

function expireLevels({ storage }: ExpiryDeps, now: Date): Promise<number> {
  return storage.transaction(async ({ stores: { risk, riskSources }, journal }) => {
    const due = await risk.due(now, entitiesMax)
    const judge = wordJudge(await riskSources.list())
    const { levels, changes } = relevel(await risk.states(due), now, judge)
    await risk.putLevels(levels)
    await journal.levelsChanged(changes, { by: watchbellActor, detectionName: 'Risk Reasons Expired' })
    return due.length
  })
}
