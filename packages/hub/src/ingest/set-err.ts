import { receiverSetErr, type SetErr } from '@watchbell/receiver/set'
import type { HubError, HubErrorCode } from '../base/hub-error.ts'

type SetErrorCode = Extract<HubErrorCode, `set.${string}`>

/** The wire's `err` (RFC 8935 §2.4, OKTA §2.2). A new `set.*` code does not compile until it has an entry here. */
const setErr = {
  ...receiverSetErr,
  'set.provider_inactive': 'authentication_failed',
  'set.state_invalid': 'invalid_state', // SSF 1.0 §8.1.4.1
  'set.push_unauthorized': 'authentication_failed',
} as const satisfies Record<SetErrorCode, string>

interface HubSetErr extends SetErr {
  readonly err: (typeof setErr)[SetErrorCode]
}

/** Undefined when the error is not about the SET. */
export function setErrOf({ code, detail }: HubError): HubSetErr | undefined {
  return isSetError(code) ? { err: setErr[code], description: detail } : undefined
}

function isSetError(code: HubErrorCode): code is SetErrorCode {
  return Object.hasOwn(setErr, code)
}
