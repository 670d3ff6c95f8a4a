import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isHubError, type HubError } from '../base/hub-error.ts'
import { parseIJson } from '../base/i-json.ts'
import { isJsonObject } from '../base/json.ts'
import type { Receipt } from '../ingest/accept.ts'
import type { StreamPush } from '../ingest/push-to-stream.ts'
import { setBytesMax } from '../set/parse-token.ts'
import {
  asHubError,
  errorHeaders,
  requireMediaType,
  requirePlainBody,
  sendError,
  type ServerDeps,
} from './server.ts'
import { setErrorAnswer } from './set-errors.ts'

/** Okta's path for pushed SETs (contract 2). The token is the credential; an Authorization header is ignored (E1). */
export const pushPath = '/security/api/v1/security-events'
/** Where each stream has a URL of its own (R11). */
const streamPushPath = '/ssf/streams/:id/events'

interface PushRouteDeps extends Pick<ServerDeps, 'world' | 'logger' | 'origin'> {
  readonly refuseUnread: RefuseUnread
}

type Take = (request: FastifyRequest, payload: string | undefined) => Promise<Receipt>
/** The token inside another body, when that is allowed here. */
type PayloadOf = (request: FastifyRequest) => string | undefined
/** Remembers a push that was refused before anybody read it. @throws HubError `request.rate_limited` */
type RefuseUnread = (error: HubError, source: string) => Promise<void>

/** Receives SETs from everybody whose token holds. */
export function mountPush(
  app: FastifyInstance,
  deps: PushRouteDeps,
  push: (body: Uint8Array | string, source: string, enveloped: boolean) => Promise<Receipt>,
): void {
  const take: Take = (request, payload) => push(payload ?? bodyOf(request), request.ip, payload !== undefined)
  mountReceiver(app, deps, pushPath, { take, payloadOf })
}

/** Receives the SETs of each stream, from whoever has the Authorization value that the stream was created with. */
export function mountStreamPush(
  app: FastifyInstance,
  deps: PushRouteDeps,
  push: (push: StreamPush) => Promise<Receipt>,
): void {
  const take: Take = (request) => {
    const { id = '' } = request.params as { readonly id?: string } // of the path
    const { authorization } = request.headers
    return push({ streamId: id, authorization, body: bodyOf(request), source: request.ip })
  }
  mountReceiver(app, deps, streamPushPath, { take, payloadOf: () => undefined })
}

/** RFC 8935 §2: 202 when durable, 400 with `err` when refused, 503 when the fault is not the sender's. */
function mountReceiver(
  app: FastifyInstance,
  deps: PushRouteDeps,
  url: string,
  { take, payloadOf }: { readonly take: Take; readonly payloadOf: PayloadOf },
): void {
  app.route({
    method: 'POST',
    url,
    bodyLimit: setBytesMax,
    handler: async (request, reply) => {
      requirePlainBody(request)
      const payload = payloadOf(request)
      if (payload === undefined) requireMediaType(request, 'application/secevent+jwt') // R37
      await take(request, payload)
      return reply.code(payload === undefined ? 202 : 200).send() // Apple tries again after anything but 200
    },
    errorHandler: (thrown, request, reply) => void answerRefusal(deps, asHubError(thrown), request, reply),
  })
}

async function answerRefusal(
  deps: PushRouteDeps,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const error = await remembered(thrown, request.ip, deps.refuseUnread)
  const refusal = isHubError(error) ? setErrorAnswer(error) : undefined
  if (isHubError(error)) reply.headers(errorHeaders(error))
  if (refusal === undefined) {
    void sendError(deps, reply, error, request)
    return
  }
  reply.code(refusal.status)
  if (refusal.status === 401) reply.header('www-authenticate', `Bearer realm="${deps.origin}"`) // R42
  reply.header('content-type', 'application/json')
  reply.header('content-language', 'en') // R40
  void reply.send(JSON.stringify(refusal.body))
}

/** @returns the error, or what stands in its place when too much was refused lately */
async function remembered(error: unknown, source: string, refuseUnread: RefuseUnread): Promise<unknown> {
  if (!isHubError(error, 'request.media_type', 'request.content_encoding', 'request.too_large')) return error
  return refuseUnread(error, source).then(
    () => error,
    (limited: unknown) => limited,
  )
}

function bodyOf({ body }: FastifyRequest): Uint8Array {
  return body instanceof Buffer ? body : Buffer.alloc(0)
}

/** The token in Apple's JSON body, `{"payload": "…"}`; undefined when the body is nothing of the kind. */
function payloadOf(request: FastifyRequest): string | undefined {
  if (request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    return undefined
  const parsed = parseIJson(bodyOf(request))
  const payload = parsed.ok && isJsonObject(parsed.value) ? parsed.value['payload'] : undefined
  return typeof payload === 'string' ? payload : undefined
}
