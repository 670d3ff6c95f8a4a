import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { HubError, type HubErrorCode } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import { oktaErrorAnswer } from './okta-errors.ts'

/** Bytes of path and headers that the HTTP parser accepts; most routes accept less, see server.ts. */
export const parsedHeadBytesMax = 65_536

type ParserError = readonly [status: number, code: HubErrorCode, detail: string]

/** Errors of the HTTP parser that have their own answer. */
const parserErrors: Readonly<Record<string, ParserError>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'request.head_too_large',
    `Path and headers are larger than ${parsedHeadBytesMax / 1024} KiB.`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request.invalid', 'The request took too long to arrive.'],
}
const unreadable: ParserError = [400, 'request.invalid', 'This is not an HTTP request that we can read.']

/** Answers an invalid HTTP request with Okta's error body, and closes the connection. */
export function answerParserError(
  { now, newId }: Pick<World, 'now' | 'newId'>,
  code: string,
  socket: Socket,
): void {
  if (socket.destroyed || code === 'ECONNRESET') return
  const [status, hubCode, detail] = parserErrors[code] ?? unreadable
  const body = JSON.stringify(oktaErrorAnswer(new HubError(hubCode, { detail }), newId('oae')).body)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${now().toUTCString()}`,
    `X-Okta-Request-Id: ${newId('req')}`,
    'Cache-Control: no-cache, no-store',
    'X-Content-Type-Options: nosniff',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}
