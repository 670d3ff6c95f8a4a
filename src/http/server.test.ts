import { expect, test } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { createServer } from './server.ts'

test('a fault of ours is logged whole, and without the query: it may hold an assertion or a name', async () => {
  const logged: string[] = []
  const app = createServer({
    world: { now: () => new Date(0), newId: (prefix) => `${prefix}1` },
    logger: { ...silentLogger, error: (facts: object) => logged.push(JSON.stringify(facts)) },
    origin: 'https://hub.example',
    routes: [
      {
        method: 'GET',
        path: '/fails',
        scope: 'public',
        body: 'none',
        handle: async () => Promise.reject(new Error('not foreseen')),
      },
    ],
    mount: () => undefined,
    authenticate: () => Promise.reject(new Error('nobody asks')),
    takeBudget: async () => undefined,
    trustedProxies: [],
  })
  const answer = await app.inject('/fails?client_assertion=secret.of.somebody')
  expect(answer.statusCode).toBe(500)
  expect(logged).toEqual([expect.stringContaining('"path":"/fails"')])
  expect(logged.join() + answer.body).not.toContain('somebody')
  await app.close()
})
