import { setImmediate } from 'node:timers/promises'
import type { SqlSession, SqlSessions } from '../sql-sessions.ts'
import { asSqlError, type SqliteConnection } from './connection.ts'

/** Shares one writing connection among callers in the same thread. */
export interface LocalSessions extends SqlSessions {
  /** Runs `work` alone on the connection; resolves when it is on disk, and nothing of it stays when it throws. */
  exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T>
}

/** Pieces of work in one commit: bounds how long the first of them waits for its answer. */
const groupMax = 8

/**
 * Callers take turns in the order in which they asked, each within a savepoint of its own, and those who follow each
 * other closely share one commit and so one fsync: a batch of SETs, the handling of the batch before it, an
 * administrator's change. Nobody is told of success before the commit. A piece of work that fails takes only itself back;
 * a commit that fails fails all who share it.
 */
export function localSessions(connection: SqliteConnection): LocalSessions {
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  let group: { size: number; readonly committed: PromiseWithResolvers<void> } | undefined

  /** Resolves when it is the caller's turn, to the function that ends the turn. */
  const turn = async (): Promise<() => void> => {
    const before = last
    const { promise, resolve } = Promise.withResolvers<void>()
    last = promise
    waiting += 1
    await before
    waiting -= 1
    return resolve
  }

  const begin = (): void => {
    if (group === undefined) {
      connection.run('BEGIN IMMEDIATE', [])
      group = { size: 0, committed: Promise.withResolvers() }
      group.committed.promise.catch(() => undefined) // told to those who share it
    }
    group.size += 1
    connection.run('SAVEPOINT work', [])
  }

  /** Ends a piece of work, and the group with it unless somebody is waiting to join. @returns when it is on disk */
  const settle = async (how: 'RELEASE work' | 'ROLLBACK TO work', endTurn: () => void): Promise<void> => {
    const mine = group
    if (mine === undefined) return endTurn()
    try {
      connection.run(how, [])
      if (how === 'ROLLBACK TO work') connection.run('RELEASE work', [])
      if (waiting === 0) await setImmediate() // lets in who has knocked meanwhile
      if (waiting === 0 || mine.size >= groupMax) {
        group = undefined
        connection.run('COMMIT', [])
        mine.committed.resolve()
      }
    } catch (error) {
      group = undefined
      connection.rollBack()
      mine.committed.reject(error)
    } finally {
      endTurn()
    }
    await mine.committed.promise
  }

  async function exclusively<T>(work: (connection: SqliteConnection) => T): Promise<T> {
    const endTurn = await turn()
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
      await settle('ROLLBACK TO work', endTurn)
      throw asSqlError(error)
    }
    await settle('RELEASE work', endTurn)
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
        const end = await turn()
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
        if (end !== undefined) await settle('RELEASE work', end)
      },
      async rollback() {
        const end = endTurn
        endTurn = undefined
        if (end !== undefined) await settle('ROLLBACK TO work', end)
      },
    }
  }

  return {
    open,
    exclusively,
    async close() {
      const endTurn = await turn()
      connection.close()
      endTurn()
    },
  }
}
