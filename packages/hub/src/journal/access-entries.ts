import type { JournaledAccess } from '../access/access-journal.ts'
import type { AccessStores } from '../access/access-storage.ts'
import type { World } from '../base/world.ts'
import type { RiskProviderStore } from '../risk/risk-provider-store.ts'
import { serviceAppEntry, tokenEntry } from './entries.ts'
import type { SystemLogStore } from '../systemlog/system-log-store.ts'

/** The part of the storage in which access and the System Log change together. */
interface LoggedStorage {
  readonly stores: AccessStores
  transaction<T>(
    work: (
      stores: AccessStores & {
        readonly systemLog: Pick<SystemLogStore, 'append'>
        readonly riskProviders: Pick<RiskProviderStore, 'findByClientId'>
      },
    ) => Promise<T>,
  ): Promise<T>
}

/** What API tokens and service apps are made over, so that every change of them stands in the System Log. */
export function journaledAccess(
  world: Pick<World, 'now' | 'newUuid'>,
  storage: LoggedStorage,
): JournaledAccess {
  return {
    stores: storage.stores,
    transaction: (work) =>
      storage.transaction(({ systemLog, riskProviders, ...stores }) =>
        work({
          ...stores,
          duties: {
            isRiskProvider: async (clientId) => (await riskProviders.findByClientId(clientId)) !== undefined,
          },
          journal: {
            recordToken: (change) => systemLog.append([tokenEntry(world, change)]),
            recordServiceApp: (change) => systemLog.append([serviceAppEntry(world, change)]),
          },
        }),
      ),
  }
}
