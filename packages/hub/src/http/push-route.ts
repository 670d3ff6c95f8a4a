import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isHubError, type HubError } from '../base/hub-error.ts'
import { parseIJson, isJsonObject } from '@watchbell/receiver/base'
import type { Receipt } from '../ingest/accept.ts'
import type { StreamPush } from '../ingest/push-to-stream.ts'
import { setBytesMax } from '@watchbell/receiver/set'
import type { BodyRoom } from './body-room.ts'
import { withRequestBody } from './read-body.ts'
import {
  asHubError,
  errorHeaders,
  requireMediaType,
  requirePlainBody,
  sendError,
  type ServerDeps,
} from './server.ts'
import { pathOf } from '../wire/operation.ts'
import { setErrorAnswer } from './set-errors.ts'

/** Okta's path for pushed SETs (OKTA §2). The token is the credential; an Authorization header is ignored (OKTA-E1). */
const pushPath = pathOf('POST /security/api/v1/security-events')
/** Each stream has its own URL (SSF 1.0 §6.1.1). */
const streamPushPath = pathOf('POST /ssf/streams/:id/events')

interface PushRouteDeps extends Pick<ServerDeps, 'world' | 'logger' | 'origin'> {
  readonly refuseUnread: RefuseUnread
  readonly room: BodyRoom
}

/** Accepts the body of a sender whose credentials were checked. */
type Take = (body: Uint8Array) => Promise<202 | 200>
/** Checks the head of a request, its credentials first. */
type Admit = (request: FastifyRequest) => Promise<Take>
/** Records a push that was refused before its body was read. @throws HubError `request.rate_limited` */
type RefuseUnread = (error: HubError, source: string) => Promise<void>

/** Receives SETs; the signature of the SET is the credential. */
export function mountPush(
  app: FastifyInstance,
  deps: PushRouteDeps,
  push: (body: Uint8Array | string, source: string, enveloped: boolean) => Promise<Receipt>,
): void {
  mountReceiver(app, deps, pushPath, async (request) => {
    if (mediaTypeOf(request) !== 'application/json') requireSet(request)
    return async (body) => {
      const payload = payloadOf(request, body)
      if (payload === undefined) requireSet(request)
      await push(payload ?? body, request.ip, payload !== undefined)
      return payload === undefined ? 202 : 200 // Apple tries again after anything but 200
    }
  })
}

/** Receives the SETs of each stream; the credential is the Authorization value that the stream was created with. */
export function mountStreamPush(
  app: FastifyInstance,
  deps: PushRouteDeps,
  admit: (push: StreamPush) => Promise<(body: Uint8Array) => Promise<Receipt>>,
): void {
  mountReceiver(app, deps, streamPushPath, async (request) => {
    const { id = '' } = request.params as { readonly id?: string } // of the path
    const { authorization } = request.headers
    const take = await admit({ streamId: id, authorization, source: request.ip })
    requireSet(request)
    return async (body) => {
      await take(body)
      return 202
    }
  })
}

/** @throws HubError `request.media_type` (RFC 8935 §2.1) */
function requireSet(request: FastifyRequest): void {
  requireMediaType(request, 'application/secevent+jwt')
}

/** RFC 8935 §2: 202 when durable, 400 with `err` when refused, 503 when the hub is at fault. */
function mountReceiver(app: FastifyInstance, deps: PushRouteDeps, url: string, admit: Admit): void {
  app.route({
    method: 'POST',
    url,
    handler: async (request, reply) => {
      const take = await admit(request)
      requirePlainBody(request)
      const { room } = deps
      const status = await withRequestBody(request.raw, { bytesMax: setBytesMax, room }, take)
      return reply.code(status).send()
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
  if (refusal.status === 401) reply.header('www-authenticate', `Bearer realm="${deps.origin}"`) // RFC 8935 §3
  reply.header('content-type', 'application/json')
  reply.header('content-language', 'en') // RFC 8935 §2.3
  void reply.send(JSON.stringify(refusal.body))
}

/** @returns the error, or `request.rate_limited` after too many refusals */
async function remembered(error: unknown, source: string, refuseUnread: RefuseUnread): Promise<unknown> {
  if (!isHubError(error, 'request.media_type', 'request.content_encoding', 'request.too_large')) return error
  return refuseUnread(error, source).then(
    () => error,
    (limited: unknown) => limited,
  )
}

function mediaTypeOf({ headers }: FastifyRequest): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase()
}

/** The SET in Apple's JSON body, `{"payload": "…"}`; undefined when the body has another form. */
function payloadOf(request: FastifyRequest, body: Uint8Array): string | undefined {
  if (mediaTypeOf(request) !== 'application/json') return undefined
  const parsed = parseIJson(body, { wideNumbers: 'as_text' })
  const payload = parsed.ok && isJsonObject(parsed.value) ? parsed.value['payload'] : undefined
  return typeof payload === 'string' ? payload : undefined
}
