import type { Logger } from '../base/logger.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import { relevel } from '../risk/news.ts'
import type { RiskSources } from '../risk/risk-sources.ts'
import type { Storage } from '../stores.ts'
import { riskEntry, watchbellActor } from '../systemlog/risk-entries.ts'

export interface ExpiryDeps {
  readonly storage: Pick<Storage, 'transaction'>
  readonly world: Pick<World, 'now' | 'newUuid'>
  readonly sources: Pick<RiskSources, 'actionOf'>
  readonly logger: Logger
  /** How long replaced reasons are kept. */
  readonly historyDays: number
}

const entitiesMax = 256
const deletedMax = 1_000
const dayMs = 86_400_000
/** Browsers keep no cookie longer, so no session of theirs outlives its revocation. */
const revocationsKeptDays = 400
const idleMs = 1_000

/** Lets levels fall when their reasons run out, and forgets what is too old. Each fall is logged once. */
export function createExpiry(deps: ExpiryDeps): Worker {
  return createWorker({
    name: 'risk expiry',
    runOnce: () => expireOnce(deps),
    idleMs,
    afterErrorMs: 10_000,
    logger: deps.logger,
  })
}

async function expireOnce({ storage, world, sources, historyDays }: ExpiryDeps): Promise<number> {
  return storage.transaction(async ({ risk, systemLog }) => {
    const now = world.now()
    const due = await risk.due(now, entitiesMax)
    if (due.length > 0) {
      const { levels, changes } = relevel(await risk.states(due), now, sources.actionOf)
      await risk.putLevels(levels)
      await systemLog.append(
        changes.map((change) =>
          riskEntry(world, change, { by: watchbellActor, detectionName: 'Risk Reasons Expired' }),
        ),
      )
      return due.length
    }
    const before = (days: number): Date => new Date(now.getTime() - days * dayMs)
    return (
      (await risk.deleteHistoryBefore(before(historyDays), deletedMax)) +
      (await risk.deleteRevocationsBefore(before(revocationsKeptDays), deletedMax))
    )
  })
}
