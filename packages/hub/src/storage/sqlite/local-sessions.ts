import { SqlError, type SqlSession, type SqlSessions } from '../sql/sql-sessions.ts'
import { asSqlError, type SqliteConnection } from './connection.ts'

/** Shares one writing connection among callers in the same thread. */
export interface LocalSessions extends SqlSessions {
  /** Runs `work` alone on the connection; resolves when it is on disk, and nothing of it stays when it throws. */
  exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T>
  /** Runs `work` alone on the connection, and in no transaction. */
  outside<T>(work: (connection: SqliteConnection) => T): Promise<T>
}

/** Pieces of work in one commit: bounds how long the first of them waits for its answer. */
const groupMax = 8

/**
 * Callers take turns. Short work (`exclusively`: a batch of SETs, refusals, a single
 * statement) goes before transactions of several statements (the handler, an administrator's change), and pieces of it
 * that follow each other closely share one commit and so one fsync; a transaction commits by itself, so that no SET
 * waits for the handling of others. Nobody is told of success before the commit. Work that fails takes only itself back; a
 * commit that fails fails all who share it.
 */
export function localSessions(connection: SqliteConnection): LocalSessions {
  const short: (() => void)[] = []
  const long: (() => void)[] = []
  let busy = false
  let group: { size: number; readonly committed: PromiseWithResolvers<void> } | undefined

  /** Resolves when it is the caller's turn, to the function that ends the turn. */
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
        group.committed.promise.catch(() => undefined) // told to those who share it
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

  /** Ends a piece of work, and the group with it unless the next may join. @returns when it is on disk */
  const settle = async (how: 'keep' | 'undo', endTurn: () => void, mayShare: boolean): Promise<void> => {
    const mine = group
    if (mine === undefined) return endTurn()
    const alone = mine.size === 1 // and without a savepoint
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
        // SQLite had undone everything by itself, on a full disk say: this caller knows why, the others are told.
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
      const endTurn = await turn(long) // behind all short work, and so behind the commit that it shares
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
