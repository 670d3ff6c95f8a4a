import {
  CompiledQuery,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import type { DatabaseSchema } from '../sql/schema.ts'
import type { SqlSession, SqlSessions } from '../sql/sql-sessions.ts'
import { throwFromSqlite } from './outage.ts'

/** Our reading statements start like this; the reading connection refuses any other. */
const reading = /^\s*(SELECT|WITH)\b/

class SessionConnection implements DatabaseConnection {
  readonly #writing: SqlSession
  readonly #reading: SqlSession | undefined
  inTransaction = false

  constructor(writing: SqlSession, reading: SqlSession | undefined) {
    this.#writing = writing
    this.#reading = reading
  }

  get session(): SqlSession {
    return this.#writing
  }

  async executeQuery<R>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<R>> {
    const reads = query.kind === 'SelectQueryNode' || (query.kind === 'RawNode' && reading.test(sql))
    const apart = this.#reading !== undefined && !this.inTransaction && reads
    const session = apart && this.#reading !== undefined ? this.#reading : this.#writing
    const { rows, changes } = await session.run(sql, parameters).catch(throwFromSqlite)
    // The driver does not know row types; Kysely's caller does.
    return { rows: rows as R[], numAffectedRows: BigInt(changes) }
  }

  // eslint-disable-next-line require-yield
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('Lists are paged, never streamed.')
  }
}

class SessionDriver implements Driver {
  readonly #writing: SqlSessions
  readonly #reading: SqlSessions | undefined

  constructor(writing: SqlSessions, reading: SqlSessions | undefined) {
    this.#writing = writing
    this.#reading = reading
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SessionConnection> {
    return new SessionConnection(this.#writing.open(), this.#reading?.open())
  }

  async beginTransaction(connection: SessionConnection): Promise<void> {
    await connection.session.begin().catch(throwFromSqlite)
    connection.inTransaction = true
  }

  async commitTransaction(connection: SessionConnection): Promise<void> {
    await connection.session.commit().catch(throwFromSqlite)
    connection.inTransaction = false
  }

  async rollbackTransaction(connection: SessionConnection): Promise<void> {
    connection.inTransaction = false
    await connection.session.rollback()
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.#reading?.close()
    await this.#writing.close()
  }
}

/** Kysely over sessions; statements that only read, outside transactions, go to `reading` when it is given. */
export function kyselyOverSessions(writing: SqlSessions, reading?: SqlSessions): Kysely<DatabaseSchema> {
  return new Kysely({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new SessionDriver(writing, reading),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
}
