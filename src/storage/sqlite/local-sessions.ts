import type { SqlSession, SqlSessions } from '../sql-sessions.ts'
import { asSqlError, type SqliteConnection } from './connection.ts'

/**
 * Shares one connection among callers in the same thread: single statements and whole transactions take turns, in
 * the order in which they asked.
 */
export interface LocalSessions extends SqlSessions {
  /** Runs `work` alone on the connection, inside a transaction that commits when it returns and else rolls back. */
  exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T>
}

export function localSessions(connection: SqliteConnection): LocalSessions {
  let last: Promise<void> = Promise.resolve()

  /** Resolves when it is the caller's turn, to the function that ends the turn. */
  const turn = async (): Promise<() => void> => {
    const before = last
    let end: () => void = () => {}
    last = new Promise((resolve) => (end = resolve))
    await before
    return end
  }

  const open = (): SqlSession => {
    let endTransaction: (() => void) | undefined
    return {
      async run(sql, parameters) {
        if (endTransaction !== undefined) return connection.run(sql, parameters)
        const end = await turn()
        try {
          return connection.run(sql, parameters)
        } finally {
          end()
        }
      },
      async begin() {
        const end = await turn()
        try {
          connection.run('BEGIN IMMEDIATE', [])
          endTransaction = end
        } catch (error) {
          end()
          throw error
        }
      },
      async commit() {
        // When this throws the transaction is still open, and the caller's rollback ends the turn.
        connection.run('COMMIT', [])
        endTransaction?.()
        endTransaction = undefined
      },
      async rollback() {
        const end = endTransaction
        endTransaction = undefined
        try {
          connection.rollBack()
        } finally {
          end?.()
        }
      },
    }
  }

  return {
    open,
    async exclusively(work) {
      const end = await turn()
      try {
        connection.run('BEGIN IMMEDIATE', [])
        try {
          const result = work(connection)
          connection.run('COMMIT', [])
          return result
        } catch (error) {
          connection.rollBack()
          throw asSqlError(error)
        }
      } finally {
        end()
      }
    },
    async close() {
      const end = await turn()
      connection.close()
      end()
    },
  }
}
