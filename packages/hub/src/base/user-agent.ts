import { ownVersion } from './version.ts'

/** The User-Agent of all outbound requests (RFC 9110 §10.1.5). */
export const ownUserAgent = `Watchbell/${ownVersion()}`

/** A fetch that sends {@link ownUserAgent}, unless the request has its own. */
export function namedFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    if (!headers.has('user-agent')) headers.set('user-agent', ownUserAgent)
    return fetch(input, { ...init, headers })
  }
}
