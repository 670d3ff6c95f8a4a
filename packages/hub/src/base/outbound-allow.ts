import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Block = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Private or plain http targets that may be reached (WATCHBELL_OUTBOUND_ALLOW). */
export interface OutboundAllow {
  /** Host names, lower case, without a closing dot. `port` undefined means every port. */
  readonly names: readonly { readonly name: string; readonly port: number | undefined }[]
  readonly blocks: readonly { readonly block: Block; readonly port: number | undefined }[]
}

export const nothingAllowed: OutboundAllow = { names: [], blocks: [] }

/** One end of a connection, before or after its name is resolved. */
export interface OutboundTarget {
  readonly protocol: 'https:' | 'http:'
  /** The URL's host: a name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Reads the list of the setting WATCHBELL_OUTBOUND_ALLOW: host names, `host:port`, addresses, `address:port`,
 * `[v6]:port` and CIDR blocks, separated by commas or white space. There are no wildcards.
 */
export function parseOutboundAllow(
  text: string,
):
  | { readonly ok: true; readonly value: OutboundAllow }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const names: OutboundAllow['names'][number][] = []
  const blocks: OutboundAllow['blocks'][number][] = []
  const problems: string[] = []
  for (const entry of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const read = readEntry(entry)
    if (typeof read === 'string') problems.push(`${entry}: ${read}`)
    else if ('block' in read) blocks.push(read)
    else names.push(read)
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: { names, blocks } }
}

type Entry = OutboundAllow['names'][number] | OutboundAllow['blocks'][number]

function readEntry(entry: string): Entry | string {
  if (/[/]{2}|[@?#]/.test(entry)) return 'is a URL; give only its host, or host:port'
  if (entry.includes('/')) return readBlock(entry)
  if (entry.includes('*'))
    return 'has a wildcard; list each host name, or the CIDR block that they resolve to'
  if (isIP(entry) !== 0) return { block: wholeBlock(entry), port: undefined }
  const [, host, portText] = /^(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?$/.exec(entry) ?? []
  if (host === undefined) return 'is not a host name, host:port, address or CIDR block'
  const port = portText === undefined ? undefined : Number(portText)
  if (port !== undefined && (port < 1 || port > 65_535)) return 'has a port outside 1 to 65535'
  const url = URL.parse(`http://${host}/`)
  if (url === null || url.hostname === '') return 'is not a host name, host:port, address or CIDR block'
  const name = hostOf(url)
  return isIP(name) === 0 ? { name: withoutRootDot(name), port } : { block: wholeBlock(name), port }
}

function readBlock(entry: string): Entry | string {
  const [address = '', bits = '', ...rest] = entry.split('/')
  const width = isIP(address) === 4 ? 32 : 128
  if (isIP(address) === 0 || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > width || rest.length > 0) {
    return 'is not a CIDR block such as 10.0.0.0/8 or fd00::/8'
  }
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress())
    return 'is an IPv4 block; write it as IPv4'
  const family = parsed instanceof ipaddr.IPv4 ? ipaddr.IPv4 : ipaddr.IPv6
  const network = family.networkAddressFromCIDR(entry)
  if (network.toString() !== parsed.toString()) {
    return `has bits set beyond its prefix; the block is ${network.toString()}/${bits}`
  }
  return { block: [parsed, Number(bits)], port: undefined }
}

/**
 * Why a URL must not be fetched, judged by its text; undefined when it may.
 * A name is checked again when it is resolved and connected to.
 */
export function urlProblem(allow: OutboundAllow, text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null) return 'it is not an absolute URL such as https://idp.example/jwks.json'
  const { protocol } = url
  if (protocol !== 'https:' && protocol !== 'http:')
    return `its scheme is ${protocol} and only https is fetched`
  if (url.username !== '' || url.password !== '') return 'it contains a user name or password; leave them out'
  const target = { protocol, host: hostOf(url), port: portOf(url) } as const
  if (isIP(target.host) !== 0) return addressProblem(allow, target, target.host)
  if (nameAllowed(allow, target)) return undefined
  if (
    isLocalhost(target.host) &&
    !['127.0.0.1', '::1'].some((address) => addressAllowed(allow, target, address))
  ) {
    return refusal(target, 'is this machine itself')
  }
  // Over http a name may still resolve into an allowed block; the check when connecting decides.
  return protocol === 'http:' && allow.blocks.length === 0 ? refusal(target, plainHttp) : undefined
}

/**
 * Why `address`, to which the target's host resolved, must not be connected to; undefined when it may.
 * A listed name may resolve to anything; a listed address or block may be reached under any name.
 */
export function addressProblem(
  allow: OutboundAllow,
  target: OutboundTarget,
  address: string,
): string | undefined {
  if (isIP(address) === 0) return refusal(target, 'resolves to something that is not an address')
  if (nameAllowed(allow, target) || addressAllowed(allow, target, address)) return undefined
  const kind = specialKind(address)
  if (kind !== undefined) {
    return refusal(target, isIP(target.host) === 0 ? `resolves to ${kind}` : `is ${kind}`)
  }
  return target.protocol === 'http:' ? refusal(target, plainHttp) : undefined
}

const plainHttp = 'is reached over http and only https is fetched'

function refusal({ host, port }: OutboundTarget, reason: string): string {
  const shown = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  return `${shown} ${reason}; WATCHBELL_OUTBOUND_ALLOW can permit it`
}

function nameAllowed(allow: OutboundAllow, target: OutboundTarget): boolean {
  const host = withoutRootDot(target.host)
  return allow.names.some(({ name, port }) => name === host && (port ?? target.port) === target.port)
}

function addressAllowed(allow: OutboundAllow, target: OutboundTarget, address: string): boolean {
  const parsed = ipaddr.process(address)
  return allow.blocks.some(
    ({ block, port }) =>
      block[0].kind() === parsed.kind() && (port ?? target.port) === target.port && parsed.match(block),
  )
}

const kinds: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'a loopback address',
  private: 'a private address',
  uniqueLocal: 'a private address',
  linkLocal: 'a link-local address, where clouds keep their metadata service',
  deprecatedSiteLocal: 'a private address',
  carrierGradeNat: 'a shared address of a provider network (RFC 6598)',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  ipv4Mapped: 'an IPv4 address written as IPv6',
  '6to4': 'a 6to4 address',
  teredo: 'a Teredo address',
}

/** Allocated IPv6 addresses; all others are special (IANA's address space registry). */
const globalUnicast: Block = [ipaddr.IPv6.parse('2000::'), 3]
/** NAT64's well-known prefix: a network without IPv4 reaches IPv4 this way (RFC 6052 §2.1). */
const nat64: Block = [ipaddr.IPv6.parse('64:ff9b::'), 96]
/** A metadata service on an address that looks public: Azure's. */
const metadataAddresses = new Set(['168.63.129.16'])

/** The kind of a special address; undefined for a public one. */
function specialKind(address: string): string | undefined {
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && parsed.match(nat64)) {
    return specialKind(new ipaddr.IPv4(parsed.toByteArray().slice(12)).toString())
  }
  const range = parsed.range()
  if (range !== 'unicast') return kinds[range] ?? 'a reserved address'
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return 'a reserved address'
  return metadataAddresses.has(parsed.toString()) ? 'the metadata service of a cloud' : undefined
}

function wholeBlock(address: string): Block {
  const parsed = ipaddr.process(address)
  return [parsed, parsed instanceof ipaddr.IPv4 ? 32 : 128]
}

/** The host of a URL without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port)
}

function isLocalhost(host: string): boolean {
  return /(^|\.)localhost$/.test(withoutRootDot(host))
}

/** A host name for comparison: without the root zone's dot at its end. */
export function withoutRootDot(host: string): string {
  return host.replace(/\.$/, '')
}
