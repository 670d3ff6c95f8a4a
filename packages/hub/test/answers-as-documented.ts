import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { afterEach } from 'vitest'
import type { OpenapiDocument, SeenAnswer } from './documented-answers.ts'

// For every test: whatever a hub answers in this process, the OpenAPI document describes it.

const undocumented: string[] = []
let check: Promise<(answer: SeenAnswer) => string | undefined> | undefined

async function makeCheck(): Promise<(answer: SeenAnswer) => string | undefined> {
  const [{ openapiDocument }, { answerCheck }] = await Promise.all([
    import('../src/http/openapi.ts'),
    import('./documented-answers.ts'),
  ])
  return answerCheck(openapiDocument() as unknown as OpenapiDocument) // as it is made
}

channel('fastify.initialization').subscribe((message) => {
  const { fastify } = message as { fastify: FastifyInstance } // of this channel
  fastify.addHook('onSend', async (request, reply, payload) => {
    if (!fastify.hasRoute({ method: 'GET', url: '/openapi.json' })) return payload
    check ??= makeCheck()
    const headers = Object.entries(reply.getHeaders()).map(([name, value]) => [
      name.toLowerCase(),
      String(value),
    ])
    const problem = (await check)({
      method: request.method,
      path: request.routeOptions.url?.replaceAll(/:(\w+)/g, '{$1}'),
      status: reply.statusCode,
      headers: Object.fromEntries(headers) as Record<string, string>, // of those pairs
      body: typeof payload === 'string' ? payload : '',
    })
    if (problem !== undefined) undocumented.push(problem)
    return payload
  })
})

afterEach(() => {
  const problems = [...new Set(undocumented.splice(0))]
  if (problems.length > 0)
    throw new Error(`The OpenAPI document does not describe these answers:\n${problems.join('\n')}`)
})
