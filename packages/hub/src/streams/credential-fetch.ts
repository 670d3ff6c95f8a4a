import { HubError, isHubError } from '../base/hub-error.ts'
import { withoutRootDot } from '../base/outbound-allow.ts'
import type { World } from '../base/world.ts'
import type { StreamSettings } from './stream.ts'

/** Why an entry of `credential_hosts` is invalid; undefined when it is valid. */
export function credentialHostProblem(entry: string): string | undefined {
  return hostAndPort(entry) === undefined
    ? 'must be a host name or an address, with a port or without: ssf.internal, ssf.internal:8443, [fd00::1]'
    : undefined
}

/**
 * The fetch for a stream's credentials. It reaches the issuer's own host, and hosts that an administrator listed for the
 * stream, wherever the guarded fetch reaches. Any other host comes from the transmitter alone: it is reached only when
 * it is public, even if WATCHBELL_OUTBOUND_ALLOW would allow it.
 */
export function credentialFetch(
  world: Pick<World, 'fetch' | 'fetchPublic'>,
  issuer: string,
  settings: Pick<StreamSettings, 'auth' | 'credentialHosts' | 'existing'>,
): typeof globalThis.fetch {
  const isNamed = namedHosts(issuer, settings)
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    if (isNamed(url)) return world.fetch(input, init)
    try {
      return await world.fetchPublic(input, init)
    } catch (error) {
      if (!isHubError(error, 'outbound.refused')) throw error
      const host = URL.parse(url)?.host ?? ''
      throw new HubError('outbound.refused', {
        detail:
          `The credentials of the stream are not sent to ${host}: it is not the host of the issuer ${issuer}, and it is not ` +
          'public. If it belongs to the transmitter, name it in the credential_hosts of the stream.',
        cause: error,
      })
    }
  }
}

function namedHosts(
  issuer: string,
  { auth, credentialHosts = [], existing }: Pick<StreamSettings, 'auth' | 'credentialHosts' | 'existing'>,
): (url: string) => boolean {
  const client = auth.method === 'bearer' ? [] : [auth.tokenUrl, auth.authorizationServer]
  const urls = [issuer, existing?.pollUrl, ...client]
  const places = [...urls.map((url) => url && placeOfUrl(url)), ...credentialHosts.map(hostAndPort)].filter(
    (place) => typeof place === 'object',
  )
  return (url) => {
    const target = placeOfUrl(url)
    return (
      target !== undefined &&
      places.some(({ host, port }) => host === target.host && (port ?? target.port) === target.port)
    )
  }
}

interface Place {
  readonly host: string
  /** Undefined means every port. */
  readonly port: number | undefined
}

function placeOfUrl(text: string): Place | undefined {
  const url = URL.parse(text)
  if (url === null) return undefined
  const usual = url.protocol === 'http:' ? 80 : 443
  return { host: withoutRootDot(url.hostname), port: url.port === '' ? usual : Number(url.port) }
}

function hostAndPort(entry: string): Place | undefined {
  const [, host = '', port] = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@*\\[\]]+)(?::([0-9]{1,5}))?$/.exec(entry) ?? []
  const url = URL.parse(`https://${host}/`)
  if (url === null || url.hostname === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535)
    return undefined
  return { host: withoutRootDot(url.hostname), port: port === undefined ? undefined : Number(port) }
}
