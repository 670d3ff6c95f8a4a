import { expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { createServer, type ServerDeps } from './server.ts'

/** A server with one route, which fails, and the lines that it logs. */
function openFailing(error: Error) {
  const logged: string[] = []
  const log = (facts: object): void => void logged.push(JSON.stringify(facts, withStack))
  const deps: ServerDeps = {
    world: { now: () => new Date(0), newId: (prefix) => `${prefix}1` },
    logger: { ...silentLogger, warn: log, error: log },
    origin: 'https://hub.example',
    routes: [
      {
        method: 'GET',
        path: '/fails',
        scope: 'public',
        body: 'none',
        async handle() {
          throw error
        },
      },
    ],
    mount: () => undefined,
    async authenticate() {
      throw new Error('nobody asks')
    },
    takeBudget: async () => undefined,
    trustedProxies: [],
    openPath: '/open',
  }
  return { app: createServer(deps), logged }
}

/** An error as the log shows it. */
function withStack(_name: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack } : value
}

test.each([
  [400, new HubError('provider.name_taken', { cause: uniqueness() })],
  [503, new HubError('hub.unavailable', { cause: uniqueness() })],
])('the cause of a %i is logged, with its stack only for failures of ours', async (status, error) => {
  const { app, logged } = openFailing(error)
  expect((await app.inject('/fails')).statusCode).toBe(status)
  expect(logged).toEqual([expect.stringContaining('UNIQUE constraint failed: providers.name')])
  const facts = JSON.parse(logged.join()) as object
  expect(facts).toMatchObject({ code: error.code, errorId: 'oae1' })
  if (status < 500) {
    const cause = { message: 'UNIQUE constraint failed: providers.name\u{FFFD}end', code: 'ERR_SQLITE_ERROR' }
    expect(facts).toMatchObject({ cause })
    expect(logged.join()).not.toContain('server.test.ts')
  } else expect(facts).toMatchObject({ err: { stack: expect.stringContaining('server.test.ts') } })
  await app.close()
})

function uniqueness(): Error {
  return Object.assign(new Error('UNIQUE constraint failed: providers.name\nend'), {
    code: 'ERR_SQLITE_ERROR',
  })
}

test('a failure of ours is logged in full, but without the query, which may hold an assertion or a name', async () => {
  const { app, logged } = openFailing(new Error('not foreseen'))
  const answer = await app.inject('/fails?client_assertion=secret.of.somebody')
  expect(answer.statusCode).toBe(500)
  expect(logged).toEqual([expect.stringContaining('"path":"/fails"')])
  expect(logged.join() + answer.body).not.toContain('somebody')
  await app.close()
})
