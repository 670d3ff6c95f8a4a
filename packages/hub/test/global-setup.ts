import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { TestProject } from 'vitest/node'
import { openPostgres } from '../src/storage/postgres/open-postgres.ts'
import { databaseUrl, dropDatabases, startPostgresServer, type PostgresServer } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers with the URL of this run's PostgreSQL, which the first question starts. See test/postgres-database.ts. */
    postgresDesk: string
  }
}

/** One PostgreSQL for all tests of a run, and none for a run that needs none. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<PostgresServer> | undefined
  const named = process.env['WATCHBELL_TEST_DATABASE_URL']
  const url = async (): Promise<string> => {
    if (named !== undefined && named !== '') return named
    starting ??= startMigrated()
    return (await starting).url
  }
  const desk = createServer((_request, response) => {
    url().then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  desk.listen(0, '127.0.0.1')
  await once(desk, 'listening')
  const { port } = desk.address() as AddressInfo // a TCP server's address is never a string
  project.provide('postgresDesk', `http://127.0.0.1:${port}/`)
  return async () => {
    desk.close()
    desk.closeAllConnections()
    await (await starting)?.[Symbol.asyncDispose]()
    if (named !== undefined && named !== '') await dropDatabases(named)
  }
}

/** The server is ours alone: every database made on it has our schema from the start. */
async function startMigrated(): Promise<PostgresServer> {
  const server = await startPostgresServer(['fsync=off']) // no test takes the power away, only processes
  const url = databaseUrl(server.url, 'template1')
  const storage = await openPostgres({ url, connectionsMax: 1, migrateAt: new Date() })
  await storage[Symbol.asyncDispose]()
  return server
}
