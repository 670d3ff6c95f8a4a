import type { CodedError } from '../base/coded-error.ts'
import type { ReceiverErrorCode } from '../base/receiver-error.ts'

/** Why a SET was refused, in the answer to a push or in `setErrs` of the next poll (RFC 8935 §2.3, RFC 8936 §2.4.4). */
export interface SetErr {
  readonly err: string
  readonly description: string
}

/** The receiver's errors that are about the SET. */
export type ReceiverSetErrorCode = Extract<ReceiverErrorCode, `set.${string}`>

/** The wire's `err` (RFC 8935 §2.4, OKTA §2.2). `invalid_key` covers "no such key" and "bad signature", where Okta says `authentication_failed` for the latter. */
export const receiverSetErr = {
  'set.malformed': 'invalid_request',
  'set.wrong_type': 'invalid_request',
  'set.algorithm_refused': 'invalid_request',
  'set.claim_invalid': 'invalid_request',
  'set.event_invalid': 'invalid_request',
  'set.subject_invalid': 'invalid_request',
  'set.unknown_issuer': 'invalid_issuer',
  'set.wrong_audience': 'invalid_audience',
  'set.unknown_key': 'invalid_key',
  'set.key_refused': 'invalid_key',
  'set.bad_signature': 'invalid_key',
} as const satisfies Record<ReceiverSetErrorCode, string>

/** Undefined when the error is not about the SET. */
export function receiverSetErrOf({
  code,
  detail,
}: Pick<CodedError<ReceiverErrorCode>, 'code' | 'detail'>): SetErr | undefined {
  return isSetErrorCode(code) ? { err: receiverSetErr[code], description: detail } : undefined
}

function isSetErrorCode(code: ReceiverErrorCode): code is ReceiverSetErrorCode {
  return Object.hasOwn(receiverSetErr, code)
}
