import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type LogConfig,
  type QueryResult,
} from 'kysely'
import type { DatabaseSchema } from '../sql/schema.ts'
import { SqlError } from '../sql/sql-sessions.ts'
import { retried } from './errors.ts'
import { lockOf } from './locks.ts'
import type { PostgresConnection, PostgresPool } from './pool.ts'

class PooledConnection implements DatabaseConnection {
  readonly connection: PostgresConnection
  inTransaction = false

  constructor(connection: PostgresConnection) {
    this.connection = connection
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const run = () => this.connection.run(sql, parameters)
    const { rows, changes } = await (this.inTransaction ? run() : retried(run))
    // The driver does not know row types; Kysely's caller does.
    return { rows: rows as R[], numAffectedRows: BigInt(changes) }
  }

  // eslint-disable-next-line require-yield
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('Lists are paged, never streamed.')
  }
}

class PoolDriver implements Driver {
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PooledConnection> {
    return new PooledConnection(await this.#pool.connect())
  }

  /** A separate statement sees everything committed before it starts: after this one, the work of all earlier turns. */
  async beginTransaction(pooled: PooledConnection): Promise<void> {
    try {
      await pooled.connection.runAll(`BEGIN ISOLATION LEVEL READ COMMITTED; SELECT ${lockOf('turn')}`)
      pooled.inTransaction = true
    } catch (error) {
      await this.rollbackTransaction(pooled)
      throw error
    }
  }

  async commitTransaction(pooled: PooledConnection): Promise<void> {
    const command = await pooled.connection.runAll('COMMIT')
    pooled.inTransaction = false
    if (command !== 'COMMIT')
      throw new SqlError('25P02', 'A statement of the transaction had failed: all of it was undone.')
  }

  /** Never throws, so that the caller gets the error that made the rollback necessary. */
  async rollbackTransaction(pooled: PooledConnection): Promise<void> {
    pooled.inTransaction = false
    await pooled.connection.runAll('ROLLBACK').catch(() => undefined) // the pool ends a broken connection
  }

  async releaseConnection({ connection }: PooledConnection): Promise<void> {
    connection.release()
  }

  async destroy(): Promise<void> {
    await this.#pool.close()
  }
}

/** Kysely over a pool; its transactions take turns over all nodes. */
export function kyselyOverPool(pool: PostgresPool, log: LogConfig = []): Kysely<DatabaseSchema> {
  return new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new PoolDriver(pool),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log,
  })
}
