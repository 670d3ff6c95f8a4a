import type { World } from '../base/world.ts'
import type { AccessStorage } from './access-storage.ts'

const usedOnceBatchMax = 5_000
const rateCountBatchMax = 5_000

/** Deletes expired data: used-up assertions and proofs, past rate windows, old signing keys. @returns how many rows */
export async function pruneAccess(
  world: Pick<World, 'now'>,
  { stores }: Pick<AccessStorage, 'stores'>,
): Promise<number> {
  const now = world.now()
  return (
    (await stores.usedOnce.prune(now, usedOnceBatchMax)) +
    (await stores.rateCounts.prune(now, rateCountBatchMax)) +
    (await stores.signingKeys.prune(now))
  )
}
