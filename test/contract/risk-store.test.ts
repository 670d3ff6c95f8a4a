import { openTemporarySqlite } from './open-sqlite.ts'
import { riskStoreContract } from './risk-store.ts'

riskStoreContract('SQLite', openTemporarySqlite)
