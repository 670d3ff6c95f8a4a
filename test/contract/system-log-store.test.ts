import { openTemporarySqlite } from './open-sqlite.ts'
import { systemLogStoreContract } from './system-log-store.ts'

systemLogStoreContract('SQLite', openTemporarySqlite)
