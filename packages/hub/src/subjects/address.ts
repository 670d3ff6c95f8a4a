import { isIP, isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * An IP address in the one way we write it: IPv4 in four decimal parts, IPv6 as RFC 5952 has it, and an IPv4-mapped
 * IPv6 address as the IPv4 address that it is.
 * @returns undefined for what is no single address: shortened (`1.2.3`) and octal (`010.0.0.1`) forms, zone ids
 *   (they mean something on one machine only), ports, and CIDR blocks
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (isIP(text) === 0 || text.includes('%')) return undefined
  // The library takes the deprecated ::1.2.3.4 for ::ffff:1.2.3.4; URLs know better, and spell it in hexadecimal.
  const mixed = text.includes(':') && text.includes('.')
  return ipaddr.process(mixed ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text).toString()
}
