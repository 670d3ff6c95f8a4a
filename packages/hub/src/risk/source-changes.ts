import type { World } from '../base/world.ts'
import type { Transaction } from '../base/transaction.ts'
import type { ProviderChange } from '../providers/providers.ts'
import type { LevelJournal } from './level-journal.ts'
import { rejoinSource, type RejoinStores } from './rejoin.ts'
import type { RiskAction } from './risk-action.ts'
import type { RiskSourceStore } from './risk-sources.ts'

/** Of a security events provider for which none was set. */
const defaultAction: RiskAction = 'enforce_and_log'

export interface SourceChangesDeps {
  readonly world: Pick<World, 'now'>
  /** What the word of a provider counts for when it is registered; it enforces unless given. */
  readonly newProviderAction?: RiskAction | undefined
}

/** What a change of a security events provider means for its word. */
export function createSourceChanges({ world, newProviderAction = defaultAction }: SourceChangesDeps) {
  return async (
    tx: Transaction<RejoinStores & { readonly riskSources: RiskSourceStore }, LevelJournal>,
    { kind, provider: { id }, by }: Pick<ProviderChange, 'kind' | 'provider' | 'by'>,
  ): Promise<void> => {
    const { riskSources } = tx.stores
    if (kind === 'create' && newProviderAction !== defaultAction) {
      await riskSources.setAction(id, newProviderAction)
    }
    if (kind === 'delete') await riskSources.forget(id)
    if (kind === 'update' || kind === 'delete') await rejoinSource(world, tx, { source: id, by })
  }
}
