import { Client } from 'pg'
import { createDatabase, startPostgresServer } from '../test/postgres-server.ts'
import { withChildren } from './cpu.ts'
import type { Served } from './processes.ts'

/** The PostgreSQL that contestants use, with fsync, and otherwise as it comes. */
export interface BenchPostgres extends AsyncDisposable {
  /** A new database. @returns its URL */
  database(): Promise<string>
  /** How much room a database takes. */
  bytes(url: string): Promise<number>
  /** The server counts the database's work as its own. */
  counted(served: Served): Served
}

export async function startBenchPostgres(): Promise<BenchPostgres> {
  const server = await startPostgresServer()
  return {
    database: () => createDatabase(server.url, 'template0'), // gone with the server
    async bytes(url) {
      const client = new Client({ connectionString: url })
      await client.connect()
      try {
        const { rows } = await client.query('SELECT pg_database_size(current_database()) AS size')
        return Number((rows[0] as { size: string }).size) // one row, as the statement has it
      } finally {
        await client.end()
      }
    },
    counted: (served) => ({
      ...served,
      pids: () => [...served.pids(), ...(server.pid === undefined ? [] : withChildren(server.pid))],
      [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
    }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
