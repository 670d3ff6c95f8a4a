import type { MessagePort } from 'node:worker_threads'
import { SqlError, type SqlResult, type SqlSession, type SqlSessions } from '../sql/sql-sessions.ts'

/** A call to the thread with the connection. `session` ties the statements of one transaction together. */
type Call =
  | { kind: 'run'; id: number; session: number; sql: string; parameters: readonly unknown[] }
  | { kind: 'begin' | 'commit' | 'rollback'; id: number; session: number }
  | { kind: 'procedure'; id: number; name: string; argument: unknown }
  | { kind: 'close'; id: number }

type Answer =
  | { id: number; value: unknown }
  | { id: number; failure: { code: string | undefined; message: string; stack: string | undefined } }

/** Work that runs in the connection's thread in one call: for frequent work that would need many calls. */
export type ThreadProcedures = Readonly<Record<string, (argument: never) => Promise<unknown>>>

/** For a thread that runs procedures and no statements. */
const noSessions: Pick<SqlSessions, 'open'> = {
  open: () => {
    throw new Error('This thread runs no statements of others.')
  },
}

/** The connection thread's side of the link: answers calls until it is asked to close. */
export function answerCalls(
  port: MessagePort,
  sessions: SqlSessions | undefined,
  procedures: ThreadProcedures,
): Promise<void> {
  const open = new Map<number, SqlSession>()

  const answer = async (call: Call): Promise<unknown> => {
    switch (call.kind) {
      case 'procedure': {
        const procedure = procedures[call.name]
        if (procedure === undefined) throw new Error(`There is no procedure ${call.name}.`)
        return procedure(call.argument as never) // typed at the call: see callThread
      }
      case 'close':
        return undefined
      case 'run': {
        const session = open.get(call.session) ?? (sessions ?? noSessions).open()
        return session.run(call.sql, call.parameters)
      }
      case 'begin': {
        const session = (sessions ?? noSessions).open()
        await session.begin()
        open.set(call.session, session)
        return undefined
      }
      case 'commit':
        await open.get(call.session)?.commit()
        open.delete(call.session)
        return undefined
      case 'rollback': {
        const session = open.get(call.session)
        open.delete(call.session)
        return session?.rollback()
      }
    }
  }

  return new Promise((resolve) => {
    port.on('message', (call: Call) => {
      answer(call).then(
        (value) => {
          port.postMessage({ id: call.id, value } satisfies Answer)
          if (call.kind === 'close') resolve()
        },
        (error: unknown) => {
          const { message, stack } = error instanceof Error ? error : new Error(String(error))
          const code = error instanceof SqlError ? error.code : undefined
          port.postMessage({ id: call.id, failure: { code, message, stack } } satisfies Answer)
        },
      )
    })
  })
}

/** The calling thread's side of the link. */
export interface ThreadLink extends SqlSessions {
  call<Result>(name: string, argument: unknown): Promise<Result>
  /** Fails every open and later call with this error: the thread has died. */
  fail(error: Error): void
}

/** A worker thread as its parent sees it. */
export interface ThreadPort {
  postMessage(call: unknown): void
  on(event: 'message', listener: (answer: Answer) => void): unknown
}

export function callThread(port: ThreadPort): ThreadLink {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let lastId = 0
  let lastSession = 0
  let dead: Error | undefined

  port.on('message', (answer: Answer) => {
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('value' in answer) return caller?.resolve(answer.value as never) // typed by the caller of `send`
    const { code, message, stack } = answer.failure
    const error = code === undefined ? new Error(message) : new SqlError(code, message)
    if (stack !== undefined) error.stack = stack
    caller?.reject(error)
  })

  // Distributes over the union, so that each kind of call keeps its own members.
  type WithoutId<C> = C extends Call ? Omit<C, 'id'> : never
  const send = <Result>(call: WithoutId<Call>): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (dead !== undefined) return reject(dead)
      const id = (lastId += 1)
      waiting.set(id, { resolve, reject })
      port.postMessage({ ...call, id })
    })

  return {
    open() {
      const session = (lastSession += 1)
      return {
        run: (sql, parameters) => send<SqlResult>({ kind: 'run', session, sql, parameters }),
        begin: () => send({ kind: 'begin', session }),
        commit: () => send({ kind: 'commit', session }),
        rollback: () => send({ kind: 'rollback', session }),
      }
    },
    call: (name, argument) => send({ kind: 'procedure', name, argument }),
    close: () => send({ kind: 'close' }),
    fail(error) {
      dead = error
      for (const caller of waiting.values()) caller.reject(error)
      waiting.clear()
    },
  }
}
