import type { FastifyInstance } from 'fastify'
import { isHubError } from '../base/hub-error.ts'
import type { Receipt } from '../ingest/push.ts'
import { setBytesMax } from '../set/parse-token.ts'
import { asHubError, requireMediaType, sendError, type ServerDeps } from './server.ts'
import { setErrorAnswer } from './set-errors.ts'

/** Okta's path for pushed SETs (contract 2). The token is the credential; an Authorization header is ignored (E1). */
export const pushPath = '/security/api/v1/security-events'

/** Receives SETs (RFC 8935 §2): 202 when durable, 400 with `err` when refused, 503 when the fault is not the sender's. */
export function mountPush(
  app: FastifyInstance,
  deps: Pick<ServerDeps, 'world' | 'logger' | 'origin'>,
  push: (body: Uint8Array, source: string) => Promise<Receipt>,
): void {
  app.route({
    method: 'POST',
    url: pushPath,
    bodyLimit: setBytesMax,
    handler: async (request, reply) => {
      requireMediaType(request, 'application/secevent+jwt') // R37
      await push(request.body instanceof Buffer ? request.body : Buffer.alloc(0), request.ip)
      return reply.code(202).send()
    },
    errorHandler: (thrown, request, reply) => {
      const error = asHubError(thrown)
      const refusal = isHubError(error) ? setErrorAnswer(error) : undefined
      if (refusal === undefined) {
        void sendError(deps, reply, error, request)
        return
      }
      reply.code(refusal.status)
      reply.header('content-type', 'application/json')
      reply.header('content-language', 'en') // R40
      void reply.send(JSON.stringify(refusal.body))
    },
  })
}
