import type { SqlSessions } from '../sql/sql-sessions.ts'
import type { SqliteConnection } from './connection.ts'

/** Sessions on a connection that only reads: each statement sees committed data, and there are no transactions. */
export function readSessions(connection: SqliteConnection): SqlSessions {
  const refuse = (): Promise<never> => Promise.reject(new Error('This connection only reads.'))
  return {
    open: () => ({
      run: async (sql, parameters) => connection.run(sql, parameters),
      begin: refuse,
      commit: refuse,
      rollback: refuse,
    }),
    close: async () => connection.close(),
  }
}
