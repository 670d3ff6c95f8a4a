import { CodedError, type CodedErrorOptions } from './coded-error.ts'

/**
 * Every code with which the receiver refuses a token. `set.*` is the sender's fault; `keys.*`, `outbound.*` and `hub.*` are
 * not: the same token may be accepted later.
 */
export const receiverErrors = {
  'set.malformed': 'The token is not a SET we can read.',
  'set.wrong_type': 'The token does not say that it is a SET (`typ`).',
  'set.algorithm_refused': 'The token is signed with an algorithm we do not take.',
  'set.claim_invalid': 'A claim of the token is missing or malformed.',
  'set.event_invalid': 'An event in the token is missing a claim or has a malformed one.',
  'set.subject_invalid': 'A subject identifier in the token is missing or malformed.',
  'set.unknown_issuer': 'No provider is registered with this issuer.',
  'set.wrong_audience': 'The token is meant for someone else.',
  'set.unknown_key': "The provider's key set has no key with this `kid`.",
  'set.key_refused': 'The key may not be used to verify this token.',
  'set.bad_signature': 'The signature does not hold.',
  'keys.unavailable': "The provider's key set cannot be fetched right now.",
  'outbound.refused': 'The URL may not be reached from here.',
  'outbound.failed': 'The URL could not be fetched.',
  'hub.clock_behind': 'The clock of this hub was set back, so it cannot say that a SET is of the future.',
} as const

export type ReceiverErrorCode = keyof typeof receiverErrors

/** The only error that the receiver throws on purpose. */
export class ReceiverError extends CodedError<ReceiverErrorCode> {
  override readonly name = 'ReceiverError'

  constructor(code: ReceiverErrorCode, options: CodedErrorOptions<ReceiverErrorCode> = {}) {
    super(code, receiverErrors[code], options)
  }
}

/** @returns whether the error has one of the codes, or any code when none is given */
export function isReceiverError(
  error: unknown,
  ...codes: readonly ReceiverErrorCode[]
): error is CodedError<ReceiverErrorCode> {
  return error instanceof CodedError && (codes.length === 0 || codes.includes(error.code))
}
