import { createHash, timingSafeEqual } from 'node:crypto'
import { isReceiverError } from '../base/receiver-error.ts'
import type { ReceivedSet, Receiver } from '../receiver.ts'
import { setBytesMax } from '../set/parse-token.ts'
import { receiverSetErrOf } from '../set/set-err.ts'

export interface PushEndpointOptions {
  /** Keeps the token. The endpoint answers 202 when it resolves, and 503 when it rejects. */
  readonly accept: (set: ReceivedSet) => Promise<void>
  /** The value of `Authorization` agreed with the transmitter; other values are refused with 401. */
  readonly authorization?: string
  /** Receives the error that `accept` rejects with, and other errors that are not the sender's fault. */
  readonly onFault?: (error: unknown) => void
}

/** Value of Retry-After, in seconds. */
const retryAfterS = 10

/**
 * An endpoint for pushed tokens (RFC 8935), as a function from a Fetch Request to a Response: 202 once the token is
 * kept, 400 with `err` when the token is refused, 503 when the fault is not the transmitter's. It never rejects.
 * @throws TypeError when `authorization` is empty
 */
export function createPushEndpoint(
  receiver: Receiver,
  { accept, authorization, onFault = () => undefined }: PushEndpointOptions,
): (request: Request) => Promise<Response> {
  if (authorization === '')
    throw new TypeError('The authorization of a push endpoint is empty: requests without one would be taken.')
  return async (request) => {
    if (authorization !== undefined && !sameSecret(request.headers.get('authorization') ?? '', authorization))
      return refusal(
        401,
        'authentication_failed',
        'The Authorization header is not the one that was agreed on.',
        {
          'www-authenticate': 'Bearer',
        },
      )
    if (request.method !== 'POST') return new Response(null, { status: 405, headers: { allow: 'POST' } })
    if (mediaTypeOf(request) !== 'application/secevent+jwt')
      return refusal(
        400,
        'invalid_request',
        'The Content-Type must be application/secevent+jwt (RFC 8935 §2.1).',
      )
    const body = await bodyOf(request).catch(() => 'cut' as const)
    if (body === 'cut') return refusal(400, 'invalid_request', 'The body ended before it was whole.')
    if (body === undefined)
      return refusal(413, 'invalid_request', `The body is larger than ${setBytesMax} bytes.`)
    let set: ReceivedSet
    try {
      set = await receiver.receive(body)
    } catch (error) {
      const setErr = isReceiverError(error) ? receiverSetErrOf(error) : undefined
      if (setErr !== undefined) return refusal(400, setErr.err, setErr.description)
      onFault(error)
      return unavailable()
    }
    try {
      await accept(set)
    } catch (error) {
      onFault(error)
      return unavailable()
    }
    return new Response(null, { status: 202 })
  }
}

function mediaTypeOf({ headers }: Request): string {
  return (headers.get('content-type')?.split(';')[0] ?? '').trim().toLowerCase()
}

/** The body, or undefined as soon as it is too large; the rest is not read. */
async function bodyOf({ body }: Request): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > setBytesMax) return undefined // leaving the loop cancels the stream
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function unavailable(): Response {
  return new Response(null, { status: 503, headers: { 'retry-after': String(retryAfterS) } })
}

/** RFC 8935 §2.3 */
function refusal(
  status: number,
  err: string,
  description: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json({ err, description }, { status, headers: { 'content-language': 'en', ...headers } })
}

/** Compares in constant time. */
function sameSecret(given: string, secret: string): boolean {
  const [one, other] = [given, secret].map((text) => createHash('sha256').update(text).digest())
  return one !== undefined && other !== undefined && timingSafeEqual(one, other)
}
