import type { CodedError } from './coded-error.ts'
import { isReceiverError, ReceiverError, type ReceiverErrorCode } from './receiver-error.ts'

/** The error of a fetch as a coded error: errors with a code stay, others become `outbound.failed`. */
export function outboundError(error: unknown, host: string): CodedError<ReceiverErrorCode> {
  if (isReceiverError(error)) return error
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (isReceiverError(cause)) return cause
  return new ReceiverError('outbound.failed', {
    detail: `${host} could not be fetched: ${failureText(cause)}.`,
    cause: error,
  })
}

const failureTexts: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name cannot be resolved right now',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed by the other side',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'it could not be connected to in time',
  UND_ERR_CONNECT_TIMEOUT: 'it could not be connected to in time',
  UND_ERR_HEADERS_TIMEOUT: 'it did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped halfway',
  UND_ERR_HEADERS_OVERFLOW: 'its answer has too many headers',
  UND_ERR_SOCKET: 'the connection was closed by the other side',
}

function failureText(cause: unknown): string {
  if (!(cause instanceof Error)) return 'for a reason it did not name'
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  return failureTexts[code] ?? (cause.message === '' ? cause.name : cause.message)
}
