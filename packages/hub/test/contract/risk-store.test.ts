import { databases } from './databases.ts'
import { riskStoreContract } from './risk-store.ts'

for (const [database, open] of databases) riskStoreContract(database, open)
