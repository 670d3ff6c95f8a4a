import { testStorage } from '../src/testing/test-storage.ts'
import { keepDatabase, temporaryDatabase } from './postgres-database.ts'

// Runs before each suite of the project `postgres`: whatever hub it starts works on PostgreSQL.
const secretKey = Buffer.alloc(32, 'test').toString('base64')

testStorage.open = async (folder) => {
  if (folder !== undefined) {
    const databaseUrl = await keepDatabase(folder)
    return { settings: { databaseUrl, secretKey }, async [Symbol.asyncDispose]() {} }
  }
  const database = await temporaryDatabase()
  return {
    settings: { databaseUrl: database.url, secretKey },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
