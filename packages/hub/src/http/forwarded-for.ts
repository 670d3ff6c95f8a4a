import { canonicalAddress } from '../subjects/address.ts'

/** What nginx writes for a client that came over a unix socket, which is something on the machine of that proxy. */
const unixSocket = 'unix:'

/** Each entry of `X-Forwarded-For`, without ports, brackets and hops over unix sockets. */
export function forwardedEntries(header: string): readonly string[] {
  return header
    .split(',')
    .map((entry) => withoutPort(entry.trim()))
    .filter((entry) => entry !== unixSocket)
}

/**
 * `X-Forwarded-For` with plain addresses only: ports and brackets are taken off, which some proxies write (Azure's
 * Application Gateway, for one), and would make a stranger of every connection. What is no address, and all that stands
 * before it, is left out, so that whoever wrote it counts as where the request came from.
 * @returns undefined when nothing is left
 */
export function plainForwardedFor(header: string): string | undefined {
  const addresses: string[] = []
  for (const entry of forwardedEntries(header).toReversed()) {
    const address = canonicalAddress(entry)
    if (address === undefined) break
    addresses.unshift(address)
  }
  return addresses.length === 0 ? undefined : addresses.join(', ')
}

function withoutPort(entry: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? []
  return bracketed ?? dotted ?? entry
}
