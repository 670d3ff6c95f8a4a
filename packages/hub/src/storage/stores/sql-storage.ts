import type { Kysely } from 'kysely'
import type { Storage, Stores } from '../../stores.ts'
import { createApiTokenStore } from './api-token-store.ts'
import { eachOnce, gathered } from '../sql/gathered.ts'
import { rowDeletions, type Deletions } from './deletions.ts'
import { createClockMarkStore } from './clock-mark-store.ts'
import { createDialectStore } from './dialect-store.ts'
import { createErasureStore } from './erasure-store.ts'
import { createHubMarkStore } from './hub-mark-store.ts'
import { createLeaseStore } from './lease-store.ts'
import { createProviderStore } from './provider-store.ts'
import { createRateCountStore } from './rate-count-store.ts'
import { createRiskProviderStore } from './risk-provider-store.ts'
import { createRiskSourceStore } from './risk-source-store.ts'
import { createRiskStore } from './risk-store.ts'
import type { ApiTokenRow, DatabaseSchema, ServiceAppRow } from '../sql/schema.ts'
import { createServiceAppStore } from './service-app-store.ts'
import type { SignalProcedures } from './signal-procedures.ts'
import { createSignInMarkStore } from './sign-in-mark-store.ts'
import { createSignalStore } from './signal-store.ts'
import { createSigningKeyStore } from './signing-key-store.ts'
import { createSubjectStore } from './subject-store.ts'
import { createStreamStore } from './stream-store.ts'
import { createSystemLogStore } from './system-log-store.ts'
import { createUsedOnceStore } from './used-once-store.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'
import type { RiskPicture, RiskReader } from '../../risk/risk-reader.ts'
import type { RiskQuestion } from './risk-pictures.ts'

/** Credential lookups beside the data, for many requests at once. */
export interface AccessProcedures {
  findLiveTokens(hashes: readonly string[]): Promise<readonly (ApiTokenRow | undefined)[]>
  findServiceApps(clientIds: readonly string[]): Promise<readonly (ServiceAppRow | undefined)[]>
}

export type SqlProcedures = SignalProcedures & RiskProcedures & AccessProcedures

/** A database with our schema, and every port over it. */
export interface SqlStorage extends Storage {
  readonly db: Kysely<DatabaseSchema>
}

/** The parts that differ between databases: the connection, the SQL variant, and the procedures. */
export interface SqlBackend {
  readonly db: Kysely<DatabaseSchema>
  readonly variant: SqlVariant
  readonly procedures: SqlProcedures
  /** Closes what `db` uses, which Kysely does only after a query. A second call does nothing. */
  readonly close: () => Promise<void>
  /** Deletion by age; row by row unless given. */
  readonly deletions?: (db: Kysely<DatabaseSchema>) => Deletions
  /** Retries passing failures of a transaction that left nothing behind. */
  readonly retried?: <T>(work: () => Promise<T>) => Promise<T>
}

export function sqlStorage({
  db,
  variant,
  procedures,
  close,
  deletions: deletionsOver = (db) => rowDeletions(db, variant),
  retried = (work) => work(),
}: SqlBackend): SqlStorage {
  const deletions = deletionsOver(db)
  const riskReader = createRiskReader(procedures)
  const storesOver = (db: Kysely<DatabaseSchema>): Stores => ({
    providers: createProviderStore(db),
    signals: createSignalStore(db, variant, { ...procedures, ...deletions }),
    apiTokens: createApiTokenStore(db),
    serviceApps: createServiceAppStore(db),
    signingKeys: createSigningKeyStore(db),
    usedOnce: createUsedOnceStore(db),
    rateCounts: createRateCountStore(db, variant),
    systemLog: createSystemLogStore(db, variant, deletions),
    riskProviders: createRiskProviderStore(db),
    riskSources: createRiskSourceStore(db, variant),
    streams: createStreamStore(db),
    leases: createLeaseStore(db),
    dialects: createDialectStore(db),
    subjects: createSubjectStore(db, variant, deletions),
    risk: createRiskStore(db, variant, deletions),
    riskReader,
    signInMarks: createSignInMarkStore(db, variant),
    erasures: createErasureStore(db, variant),
    clockMark: createClockMarkStore(db),
    hubMarks: createHubMarkStore(db),
  })
  return {
    db,
    stores: {
      ...storesOver(db),
      apiTokens: createApiTokenStore(db, gathered(eachOnce(procedures.findLiveTokens))),
      serviceApps: createServiceAppStore(db, gathered(eachOnce(procedures.findServiceApps))),
    },
    transaction: (work) => retried(() => db.transaction().execute((tx) => work(storesOver(tx)))),
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await close()
    },
  }
}

/** The lookup of the question at sign-in, beside the data. */
interface RiskProcedures {
  readRisks(questions: readonly RiskQuestion[]): Promise<readonly RiskPicture[]>
}

/** Questions that come during a read go into the next one together. */
function createRiskReader({ readRisks }: RiskProcedures): RiskReader {
  const ask = gathered((questions: readonly RiskQuestion[]) => readRisks(questions))
  return { read: (about, now) => ask({ about, now }) }
}
