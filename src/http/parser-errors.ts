import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import { oktaErrorAnswer } from './okta-errors.ts'

/** What the HTTP parser stops, where the answer says more than that. */
const parserErrors: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The headers are larger than 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
}

/** Answers bytes that are no HTTP request in the form of every other answer, and hangs up. */
export function answerParserError(
  { now, newId }: Pick<World, 'now' | 'newId'>,
  code: string,
  socket: Socket,
): void {
  if (socket.destroyed || code === 'ECONNRESET') return
  const [status, detail] = parserErrors[code] ?? [400, 'This is not an HTTP request that we can read.']
  const body = JSON.stringify(oktaErrorAnswer(new HubError('request.invalid', { detail }), newId('oae')).body)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${now().toUTCString()}`,
    `X-Okta-Request-Id: ${newId('req')}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}
