import { canonicalAddress } from '../subjects/address.ts'

/** nginx writes this for a client over a unix socket, a process on the machine of that proxy. */
const unixSocket = 'unix:'

/** Each entry of `X-Forwarded-For`, without ports, brackets and hops over unix sockets. */
export function forwardedEntries(header: string): readonly string[] {
  return header
    .split(',')
    .map((entry) => withoutPort(entry.trim()))
    .filter((entry) => entry !== unixSocket)
}

/**
 * `X-Forwarded-For` with plain addresses only. Ports and brackets are removed: some proxies write them (Azure's
 * Application Gateway), and each connection would count as another client. An entry that is not an address is removed
 * with all entries before it, so that the hop that wrote it counts as the origin of the request.
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
