import { isHubError } from '../base/hub-error.ts'

/** The outcome of an outbound request, up to the head of its answer. */
export type OutboundOutcome =
  | 'ok'
  | 'redirect'
  | 'client_error'
  | 'server_error'
  | 'refused'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'abandoned'
  | 'other'

/** The outcome of an answered request. */
export function outcomeOfStatus(status: number): OutboundOutcome {
  if (status >= 500) return 'server_error'
  return status >= 400 ? 'client_error' : 'ok'
}

/** The outcome of an unanswered request, from the error of the guarded fetch. */
export function outcomeOfError(error: unknown): OutboundOutcome {
  if (isHubError(error, 'outbound.refused')) return 'refused'
  if (isHubError(error, 'outbound.failed') && error.cause === undefined) return fromReason(error.detail)
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    const found = byCode.find(([pattern]) => pattern.test(code))
    if (found !== undefined) return found[1]
    if (isHubError(cause, 'outbound.refused')) return 'refused' // the address that the name resolved to
  }
  return 'other'
}

const byCode: readonly (readonly [RegExp, OutboundOutcome])[] = [
  [/^(ENOTFOUND|EAI_)/, 'dns'],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, 'timeout'],
  [/^(ECONN|EHOSTUNREACH|ENETUNREACH|EPIPE|UND_ERR_SOCKET)/, 'connect'],
  [/CERT|TLS|SSL|UNABLE_TO|SELF_SIGNED/, 'tls'],
]

/** Our own errors have no cause; their message shows what happened: see guarded-fetch.ts and fetch-bytes.ts. */
function fromReason(detail: string): OutboundOutcome {
  if (detail.includes('redirects to')) return 'redirect'
  if (detail.includes('did not answer in full within')) return 'timeout'
  if (detail.includes('no longer needed')) return 'abandoned'
  return detail.includes('its name has no address') ? 'dns' : 'other'
}

type Fetch = typeof globalThis.fetch

/** A fetch that reports the outcome of its requests. */
export function observedFetch(fetch: Fetch, tell: (outcome: OutboundOutcome) => void): Fetch {
  return async (input, init) => {
    try {
      const response = await fetch(input, init)
      tell(outcomeOfStatus(response.status))
      return response
    } catch (error) {
      tell(outcomeOfError(error))
      throw error
    }
  }
}
