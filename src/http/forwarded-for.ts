import { canonicalAddress } from '../subjects/address.ts'

/**
 * `X-Forwarded-For` with plain addresses only: ports and brackets are taken off, which some proxies write (Azure's
 * Application Gateway, for one), and would make a stranger of every connection. What is no address, and all that stands
 * before it, is left out, so that whoever wrote it counts as where the request came from.
 * @returns undefined when nothing is left
 */
export function plainForwardedFor(header: string): string | undefined {
  const addresses: string[] = []
  for (const entry of header.split(',').toReversed()) {
    const address = canonicalAddress(withoutPort(entry.trim()))
    if (address === undefined) break
    addresses.unshift(address)
  }
  return addresses.length === 0 ? undefined : addresses.join(', ')
}

function withoutPort(entry: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? []
  return bracketed ?? dotted ?? entry
}
