import type { World } from '../base/world.ts'
import type { Transaction } from '../base/transaction.ts'
import type { ProviderChange } from '../providers/providers.ts'
import type { LevelJournal } from './level-journal.ts'
import { rejoinSource, type RejoinStores } from './rejoin.ts'
import type { RiskAction } from './risk-action.ts'
import type { RiskSourceStore } from './risk-sources.ts'

/** The action of a security events provider whose action was never set. */
const defaultAction: RiskAction = 'enforce_and_log'

export interface SourceChangesDeps {
  readonly world: Pick<World, 'now'>
  /** The action of a newly registered provider; `enforce_and_log` unless given. */
  readonly newProviderAction?: RiskAction | undefined
}

/** Sets or forgets action and trust when a security events provider is created, changed or deleted. */
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
