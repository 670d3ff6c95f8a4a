import type { HubError, HubErrorCode } from '../base/hub-error.ts'

type SetErrorCode = Extract<HubErrorCode, `set.${string}`>

/**
 * The wire's `err` (RFC 8935 §2.4, OKTA §2.2). `invalid_key` covers "no such key" and "bad signature", where Okta says
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
  'set.state_invalid': 'invalid_state', // SSF 1.0 §8.1.4.1
  'set.push_unauthorized': 'authentication_failed',
}

/** Why a SET was refused, as the wire has it: in the answer to a push, or in `setErrs` of the next poll (RFC 8935 §2.3, RFC 8936 §2.4.4). */
export interface SetErr {
  readonly err: string
  readonly description: string
}

/** Undefined when the error is not about the SET. */
export function setErrOf({ code, detail }: HubError): SetErr | undefined {
  return isSetError(code) ? { err: setErr[code], description: detail } : undefined
}

function isSetError(code: HubErrorCode): code is SetErrorCode {
  return Object.hasOwn(setErr, code)
}
