import { databases } from './databases.ts'
import { systemLogStoreContract } from './system-log-store.ts'

for (const [database, open] of databases) systemLogStoreContract(database, open)
