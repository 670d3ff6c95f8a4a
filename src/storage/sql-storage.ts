import { Kysely, type Dialect } from 'kysely'
import type { Storage, Stores } from '../stores.ts'
import { createApiTokenStore } from './api-token-store.ts'
import { eachOnce, gathered } from './gathered.ts'
import { createDialectStore } from './dialect-store.ts'
import { createErasureStore } from './erasure-store.ts'
import { createProviderStore } from './provider-store.ts'
import { createRiskProviderStore } from './risk-provider-store.ts'
import { createRiskReader, type RiskProcedures } from './risk-reader.ts'
import { createRiskSourceStore } from './risk-source-store.ts'
import { createRiskStore } from './risk-store.ts'
import type { ApiTokenRow, Schema, ServiceAppRow } from './schema.ts'
import { createServiceAppStore } from './service-app-store.ts'
import { createSignalStore, type SignalProcedures } from './signal-store.ts'
import { createSigningKeyStore } from './signing-key-store.ts'
import { createSubjectStore } from './subject-store.ts'
import { createStreamStore } from './stream-store.ts'
import { createSystemLogStore } from './system-log-store.ts'
import { createUsedOnceStore } from './used-once-store.ts'

/** What checking credentials needs done beside the data, for many requests at once. */
export interface AccessProcedures {
  findLiveTokens(hashes: readonly string[]): Promise<readonly (ApiTokenRow | undefined)[]>
  findServiceApps(clientIds: readonly string[]): Promise<readonly (ServiceAppRow | undefined)[]>
}

export type Procedures = SignalProcedures & RiskProcedures & AccessProcedures

/** A database with our schema, and every port over it. */
export interface SqlStorage extends Storage {
  readonly db: Kysely<Schema>
}

export function sqlStorage(dialect: Dialect, procedures: Procedures): SqlStorage {
  const db = new Kysely<Schema>({ dialect })
  const riskReader = createRiskReader(procedures)
  const storesOver = (db: Kysely<Schema>): Stores => ({
    providers: createProviderStore(db),
    signals: createSignalStore(db, procedures),
    apiTokens: createApiTokenStore(db),
    serviceApps: createServiceAppStore(db),
    signingKeys: createSigningKeyStore(db),
    usedOnce: createUsedOnceStore(db),
    systemLog: createSystemLogStore(db),
    riskProviders: createRiskProviderStore(db),
    riskSources: createRiskSourceStore(db),
    streams: createStreamStore(db),
    dialects: createDialectStore(db),
    subjects: createSubjectStore(db),
    risk: createRiskStore(db),
    riskReader,
    erasures: createErasureStore(db),
  })
  return {
    db,
    stores: {
      ...storesOver(db),
      apiTokens: createApiTokenStore(db, gathered(eachOnce(procedures.findLiveTokens))),
      serviceApps: createServiceAppStore(db, gathered(eachOnce(procedures.findServiceApps))),
    },
    transaction: (work) => db.transaction().execute((tx) => work(storesOver(tx))),
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}
