import { openTemporarySqlite } from './open-sqlite.ts'
import { signalStoreContract } from './signal-store.ts'

signalStoreContract('SQLite', openTemporarySqlite)
