import type { HubError, HubErrorCode } from '../base/hub-error.ts'
import { setErrOf } from '../ingest/set-err.ts'
import type { SetErrorBody } from '../wire/common.ts'

/** Refusals of the request around the SET, with the codes of RFC 8935. */
const requestErr: Partial<Record<HubErrorCode, number>> = {
  'request.media_type': 400,
  'request.content_encoding': 415,
  'request.too_large': 413,
}

export interface SetErrorAnswer {
  readonly status: number
  readonly body: SetErrorBody
}

/** The answer to a refused SET (RFC 8935 §2.3); undefined when the error is not about the SET. */
export function setErrorAnswer(error: HubError): SetErrorAnswer | undefined {
  const status = requestErr[error.code]
  if (status !== undefined) return { status, body: { err: 'invalid_request', description: error.detail } }
  const body = setErrOf(error)
  return body && { status: error.code === 'set.push_unauthorized' ? 401 : 400, body }
}
