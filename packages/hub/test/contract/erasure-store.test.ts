import { databases } from './databases.ts'
import { erasureStoreContract } from './erasure-store.ts'

for (const [database, open] of databases) erasureStoreContract(database, open)
