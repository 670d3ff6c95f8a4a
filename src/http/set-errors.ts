import type { HubError, HubErrorCode } from '../base/hub-error.ts'

type SetErrorCode = Extract<HubErrorCode, `set.${string}`>

/**
 * The wire's `err` (RFC 8935 §2.4, contract 2.2). `invalid_key` covers "no such key" and "bad signature", where Okta says
 * `authentication_failed` for the latter. A new `set.*` code does not compile until it is placed here.
 */
const setErr: Record<SetErrorCode, string> = {
  'set.malformed': 'invalid_request',
  'set.wrong_type': 'invalid_request',
  'set.algorithm_refused': 'invalid_request',
  'set.claim_invalid': 'invalid_request',
  'set.event_invalid': 'invalid_request',
  'set.subject_invalid': 'invalid_request',
  'set.unknown_issuer': 'invalid_issuer',
  'set.provider_inactive': 'authentication_failed',
  'set.wrong_audience': 'invalid_audience',
  'set.unknown_key': 'invalid_key',
  'set.key_refused': 'invalid_key',
  'set.bad_signature': 'invalid_key',
}

/** Refusals of the request around the token, in the words of RFC 8935. */
const requestErr: Partial<Record<HubErrorCode, number>> = {
  'request.media_type': 400,
  'request.too_large': 413,
}

export interface SetErrorAnswer {
  readonly status: number
  readonly body: { readonly err: string; readonly description: string }
}

/** The answer to a refused SET (RFC 8935 §2.3), or undefined when the error is not about the SET. */
export function setErrorAnswer(error: HubError): SetErrorAnswer | undefined {
  const status = requestErr[error.code]
  if (status !== undefined) return { status, body: { err: 'invalid_request', description: error.detail } }
  if (!isSetError(error.code)) return undefined
  return { status: 400, body: { err: setErr[error.code], description: error.detail } }
}

function isSetError(code: HubErrorCode): code is SetErrorCode {
  return Object.hasOwn(setErr, code)
}
