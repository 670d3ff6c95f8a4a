import { ownVersion } from './version.ts'

/** How every request of ours says who we are (RFC 9110 §10.1.5). */
export const ownUserAgent = `Watchbell/${ownVersion()}`

/** A fetch whose requests say who we are, unless they say so themselves. */
export function namedFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    if (!headers.has('user-agent')) headers.set('user-agent', ownUserAgent)
    return fetch(input, { ...init, headers })
  }
}
