import { SqlError, type SqlSession, type SqlSessions } from '../sql/sql-sessions.ts'
import { asSqlError, type SqliteConnection } from './connection.ts'

/** Shares one writing connection among callers in the same thread. */
export interface LocalSessions extends SqlSessions {
  /** Runs `work` alone on the connection. Resolves when it is on disk; when it throws, all of it is undone. */
  exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T>
  /** Runs `work` alone on the connection, outside a transaction. */
  outside<T>(work: (connection: SqliteConnection) => T): Promise<T>
}

/** Pieces of work in one commit: bounds how long the first of them waits. */
const groupMax = 8

/**
 * Callers take turns. Short work (`exclusively`: a batch of SETs, refusals, a single statement) goes before transactions
 * of several statements (the handler, an administrator's change). Consecutive short work shares one commit and so one
 * fsync; a transaction has its own commit, so that no SET waits for the handling of others. No call resolves before the
 * commit. Failed work undoes only itself; a failed commit fails all work in it.
 */
export function localSessions(connection: SqliteConnection): LocalSessions {
  const short: (() => void)[] = []
  const long: (() => void)[] = []
  let busy = false
  let group: { size: number; readonly committed: PromiseWithResolvers<void> } | undefined

  /** Resolves at the caller's turn, to the function that ends the turn. */
  const turn = async (queue: (() => void)[]): Promise<() => void> => {
    if (busy) await new Promise<void>((resolve) => queue.push(resolve))
    busy = true
    return () => {
      const next = short.shift() ?? long.shift()
      if (next === undefined) busy = false
      else next()
    }
  }

  const begin = (): void => {
    try {
      if (group === undefined) {
        connection.run('BEGIN IMMEDIATE', [])
        group = { size: 0, committed: Promise.withResolvers() }
        group.committed.promise.catch(() => undefined) // each piece of work in it gets the error
      }
      group.size += 1
      if (group.size > 1) connection.run('SAVEPOINT work', [])
    } catch (error) {
      const open = group
      group = undefined
      connection.rollBack()
      open?.committed.reject(error)
      throw error
    }
  }

  /** Ends a piece of work, and its group unless the next may join. @returns a promise that resolves when it is on disk */
  const settle = async (how: 'keep' | 'undo', endTurn: () => void, mayShare: boolean): Promise<void> => {
    const mine = group
    if (mine === undefined) return endTurn()
    const alone = mine.size === 1 // so it has no savepoint
    try {
      if (how === 'undo' && alone) {
        group = undefined
        connection.run('ROLLBACK', [])
        mine.committed.resolve()
      } else {
        if (how === 'undo') connection.run('ROLLBACK TO work', [])
        if (!alone) connection.run('RELEASE work', [])
        if (!mayShare || short.length === 0 || mine.size >= groupMax) {
          group = undefined
          connection.run('COMMIT', [])
          mine.committed.resolve()
        }
      }
    } catch (error) {
      group = undefined
      connection.rollBack()
      if (how === 'keep') mine.committed.reject(error)
      else {
        // SQLite had rolled back everything itself, on a full disk for example: this caller has the error, the others get this one.
        mine.committed.reject(new SqlError('SQLITE_ABORT_ROLLBACK', 'Work that shared the commit failed.'))
        return
      }
    } finally {
      endTurn()
    }
    await mine.committed.promise
  }

  async function exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T> {
    const endTurn = await turn(short)
    try {
      begin()
    } catch (error) {
      endTurn()
      throw error
    }
    let result: T
    try {
      result = work(connection)
    } catch (error) {
      await settle('undo', endTurn, true)
      throw asSqlError(error)
    }
    await settle('keep', endTurn, true)
    return result
  }

  const runAtOnce: SqlSession['run'] = async (sql, parameters) => connection.run(sql, parameters)

  const open = (): SqlSession => {
    let endTurn: (() => void) | undefined
    return {
      run: (sql, parameters) =>
        endTurn === undefined
          ? exclusively((alone) => alone.run(sql, parameters))
          : runAtOnce(sql, parameters),
      async begin() {
        const end = await turn(long)
        try {
          begin()
          endTurn = end
        } catch (error) {
          end()
          throw error
        }
      },
      async commit() {
        const end = endTurn
        endTurn = undefined
        if (end !== undefined) await settle('keep', end, false)
      },
      async rollback() {
        const end = endTurn
        endTurn = undefined
        if (end !== undefined) await settle('undo', end, false)
      },
    }
  }

  return {
    open,
    exclusively,
    async outside(work) {
      const endTurn = await turn(long) // after all short work, and so after its commit
      try {
        return work(connection)
      } finally {
        endTurn()
      }
    },
    async close() {
      const endTurn = await turn(long)
      connection.close()
      endTurn()
    },
  }
}
