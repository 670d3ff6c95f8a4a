import type { AccessStores } from './access/access-storage.ts'
import type { ProviderStore } from './providers/provider-store.ts'
import type { RiskProviderStore } from './risk/risk-provider-store.ts'
import type { RiskReader } from './risk/risk-reader.ts'
import type { RiskSourceStore } from './risk/risk-sources.ts'
import type { RiskStore } from './risk/risk-store.ts'
import type { SignalStore } from './signals/signal-store.ts'
import type { ErasureStore } from './subjects/erasure-store.ts'
import type { SubjectStore } from './subjects/subject-store.ts'
import type { DialectStore } from './streams/provider-dialects.ts'
import type { StreamStore } from './streams/stream-store.ts'
import type { SystemLogStore } from './systemlog/system-log-store.ts'

/** Every storage port. Each is implemented once over SQL in storage/ and held to its suite in test/contract/. */
export interface Stores extends AccessStores {
  readonly providers: ProviderStore
  readonly signals: SignalStore
  readonly systemLog: SystemLogStore
  readonly riskProviders: RiskProviderStore
  readonly riskSources: RiskSourceStore
  readonly streams: StreamStore
  readonly dialects: DialectStore
  readonly subjects: SubjectStore
  readonly risk: RiskStore
  readonly riskReader: RiskReader
  readonly erasures: ErasureStore
}

export interface Storage extends AsyncDisposable {
  /** Each call is a transaction of its own. */
  readonly stores: Stores
  /** All of `work` happens, or none of it. It must use the stores it is given, never `storage.stores`. */
  transaction<T>(work: (stores: Stores) => Promise<T>): Promise<T>
}
