import { databases } from './databases.ts'
import { signalStoreContract } from './signal-store.ts'

for (const [database, open] of databases) signalStoreContract(database, open)
