import { Kysely, type Dialect } from 'kysely'
import type { Storage, Stores } from '../stores.ts'
import { createApiTokenStore } from './api-token-store.ts'
import { createProviderStore } from './provider-store.ts'
import { createRiskProviderStore } from './risk-provider-store.ts'
import { createRiskSourceStore } from './risk-source-store.ts'
import type { Schema } from './schema.ts'
import { createServiceAppStore } from './service-app-store.ts'
import { createSignalStore, type SignalProcedures } from './signal-store.ts'
import { createSigningKeyStore } from './signing-key-store.ts'
import { createSystemLogStore } from './system-log-store.ts'
import { createUsedOnceStore } from './used-once-store.ts'

/** A database with our schema, and every port over it. */
export interface SqlStorage extends Storage {
  readonly db: Kysely<Schema>
}

export function sqlStorage(dialect: Dialect, procedures: SignalProcedures): SqlStorage {
  const db = new Kysely<Schema>({ dialect })
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
  })
  return {
    db,
    stores: storesOver(db),
    transaction: (work) => db.transaction().execute((tx) => work(storesOver(tx))),
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}
