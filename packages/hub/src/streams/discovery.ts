import {
  fetchJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  inSentence,
} from '@watchbell/receiver/base'
import { isHubError, HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'

/** What a transmitter's metadata states (SSF 1.0 §7.1). */
export interface TransmitterMetadata {
  /** Exactly as in the document; the `iss` of its SETs must be the same. */
  readonly issuer: string
  readonly jwksUrl: string
  /** Where the document was read, without the query, which may hold a secret. */
  readonly url: string
  /** The whole document. */
  readonly document: JsonObject
}

export interface DiscoveryLimits {
  readonly fetchTimeoutMs: number
  readonly metadataBytesMax: number
}

export const defaultDiscoveryLimits: DiscoveryLimits = { fetchTimeoutMs: 5_000, metadataBytesMax: 256 * 1024 }

export interface DiscoveryDeps {
  readonly world: Pick<World, 'fetch'>
  /** Why a URL from the metadata would not be fetched, judged by its text. See urlProblem in base/. */
  readonly urlProblem: (url: string) => string | undefined
}

/** In characters (OKTA-R24, OKTA-R25). */
const issuerMax = 700
const urlMax = 1000

/**
 * Reads a transmitter's metadata at a well-known URL as given, whatever its name, or at the URL that belongs to an
 * issuer. The document's `issuer` must match the URL, apart from a terminating slash (SSF 1.0 §7.2.4): otherwise any host
 * could claim any issuer. A metadata URL matches the issuer that it is made from, and an issuer that is this very URL,
 * as authentik's are.
 *
 * @throws HubError `provider.metadata_unusable`
 * @see SSF 1.0 §7.2.1 for the insertion, §7.2.4 for the check of `issuer`, RFC 8615 §3
 */
export async function readTransmitterMetadata(
  { world, urlProblem }: DiscoveryDeps,
  url: string,
  limits: DiscoveryLimits,
): Promise<TransmitterMetadata> {
  const place = metadataPlace(url)
  const document = await read(world, place.url, limits)
  const unusable = (reason: string) => unusableAt(place.url, reason)
  if (!isJsonObject(document)) throw unusable('it is not a JSON object')

  const { issuer, jwks_uri: jwksUrl } = document
  if (!isText(issuer, issuerMax)) {
    throw unusable(`its member issuer must be a string of 1 to ${issuerMax} characters`)
  }
  if (![place.issuer, url, place.url].some((known) => withoutSlash(known) === withoutSlash(issuer))) {
    throw unusable(
      `its issuer is ${inSentence(issuer, issuerMax)}, and this URL belongs to the issuer ${place.issuer}. ` +
        'If both are right, register the provider with issuer and jwks_url instead',
    )
  }
  if (!isText(jwksUrl, urlMax)) {
    throw unusable(
      `its member jwks_uri must be a URL of 1 to ${urlMax} characters; without it no SET can be checked`,
    )
  }
  const problem = urlProblem(jwksUrl)
  if (problem !== undefined)
    throw unusable(`its jwks_uri ${inSentence(jwksUrl, 200)} cannot be used: ${problem}`)
  return { issuer, jwksUrl, url: withoutQuery(place.url), document }
}

/** The URL of the metadata, and the issuer that it must state. */
function metadataPlace(given: string): { readonly url: string; readonly issuer: string } {
  const url = URL.parse(given)
  if (url === null) throw unusableAt(given, 'that is not an absolute URL')
  if (url.username !== '' || url.password !== '') {
    throw new HubError('provider.metadata_unusable', { detail: 'The URL contains a user name or password.' })
  }
  const [, before, after] = /^(.*?)\/\.well-known\/[^/]+(.*)$/.exec(url.pathname) ?? []
  if (before !== undefined) return { url: url.href, issuer: url.origin + before + after }
  if (url.search !== '' || url.hash !== '') {
    throw unusableAt(given, 'an issuer URL has no query and no fragment')
  }
  const path = withoutSlash(url.pathname)
  return { url: `${url.origin}/.well-known/ssf-configuration${path}`, issuer: url.origin + path }
}

async function read(world: Pick<World, 'fetch'>, url: string, limits: DiscoveryLimits): Promise<JsonValue> {
  try {
    const limit = { timeoutMs: limits.fetchTimeoutMs, bytesMax: limits.metadataBytesMax }
    return (await fetchJson(world.fetch, url, limit)).value
  } catch (error) {
    if (!isHubError(error)) throw error
    throw unusableAt(url, error.detail.replace(/\.$/, ''), error)
  }
}

function unusableAt(url: string, reason: string, cause?: unknown): HubError {
  const detail = `The transmitter's metadata at ${inSentence(withoutQuery(url), urlMax)} cannot be used: ${reason}.`
  return new HubError('provider.metadata_unusable', { detail, cause })
}

/** For display and logs. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}

function isText(value: JsonValue | undefined, charactersMax: number): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= charactersMax &&
    !/\p{Cc}/u.test(value)
  )
}

function withoutSlash(text: string): string {
  return text.endsWith('/') ? text.slice(0, -1) : text
}
