import { importJWK, type CryptoKey } from 'jose'
import * as oauth from 'oauth4webapi'
import {
  fetchBytes,
  fetchFailure,
  type FetchedBytes,
  parseIJson,
  isJsonObject,
  withoutEmptyMembers,
  printable,
  inSentence,
} from '@watchbell/receiver/base'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { ClientCredentials, StreamAuth, StreamSecrets } from './stream.ts'

/** One request to a transmitter, with its limits. */
export interface TransmitterRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  /** The body, sent as JSON. */
  readonly json?: object
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Of the answer. */
  readonly bytesMax: number
  readonly signal?: AbortSignal
}

/** A client of a transmitter, with our credentials. */
export interface TransmitterAccess {
  /**
   * Sends one request; after a 401 once more with a new token (SSF 1.0 §8, CAEP interop §2.7).
   * @returns the answer, with any status
   * @throws HubError `stream.token_refused`, `stream.transmitter_unavailable` (of the token endpoint), `outbound.*`
   */
  request(request: TransmitterRequest): Promise<FetchedBytes>
  /** The scopes requested with the last access token, `''` for none; undefined without a token. */
  scopeAsked?(): string | undefined
  /** The clock, for times in answers. */
  now?(): Date
}

export interface AccessDeps {
  readonly world: Pick<World, 'now' | 'fetch'>
}

/** The transmitter, and our client there. */
export interface AccessOptions {
  readonly auth: StreamAuth
  readonly secrets: StreamSecrets
  /** The transmitter's issuer and its configuration endpoint, for discovering the authorization server (CAEP interop §2.7.2). */
  readonly issuer: string
  readonly resource: string
  /**
   * The audience of client assertions: the authorization server's issuer, or its token endpoint, as Okta requires
   * (OKTA-O12). RFC 7523 §3 permits both; the issuer unless given.
   */
  readonly assertionsFor?: 'issuer' | 'token_endpoint'
  /** For each request to the authorization server; 10 s unless given. */
  readonly timeoutMs?: number
}

/** Sends one request with this Authorization value. @throws HubError `outbound.*` */
export function requestWith(
  { fetch }: Pick<World, 'fetch'>,
  authorization: string,
  { method, url, json, headers, ...limits }: TransmitterRequest,
): Promise<FetchedBytes> {
  const sent = {
    accept: 'application/json',
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...headers,
    authorization,
  }
  const init = { method, headers: sent, ...(json !== undefined && { body: JSON.stringify(json) }) }
  return fetchBytes(fetch, url, init, limits)
}

/** SSF's scopes in the interoperability profile, when the transmitter has none in its metadata (CAEP interop §2.7.2). */
const defaultScope = 'ssf.read ssf.manage'
const tokenTimeoutMs = 10_000
const tokenBytesMax = 64 * 1024
/** A token is not used in this last share of its life, or in this last time if that is shorter. */
const tokenMarginShare = 0.1
const tokenMarginMaxMs = 30_000
/** RFC 6750 §2.1: the characters of a bearer token. */
const bearerPattern = /^[A-Za-z0-9\-._~+/]+=*$/
const bearerCharsMax = 16_384
/** How long a token without `expires_in` is used. */
const tokenLifetimeUnknownMs = 300_000

interface AccessToken {
  readonly text: string
  /** The end of its use, in ms since 1970. */
  readonly until: number
}

/** A client of one transmitter; keeps its access token, and requests a new one when it expires or is refused. */
export function createTransmitterAccess({ world }: AccessDeps, options: AccessOptions): TransmitterAccess {
  const { auth, secrets } = options
  const grant = auth.method === 'bearer' ? undefined : createGrant(world, options, auth)
  let token: Promise<AccessToken> | undefined

  function renew(from: Grant): Promise<AccessToken> {
    const asked = from.ask()
    token = asked
    asked.catch(() => {
      if (token === asked) token = undefined
    })
    return asked
  }

  async function currentToken(): Promise<AccessToken> {
    if (grant === undefined) return { text: secrets.bearerToken ?? '', until: Number.POSITIVE_INFINITY }
    const seen = token
    const held = await seen
    if (held !== undefined && held.until > world.now().getTime()) return held
    return token === undefined || token === seen ? renew(grant) : token
  }

  /** A token other than the refused one; another request may have fetched it already. */
  async function tokenAfter(refused: AccessToken, from: Grant): Promise<AccessToken> {
    const seen = token
    const held = await seen
    return held === undefined || (held === refused && token === seen) ? renew(from) : (token ?? renew(from))
  }

  async function send(request: TransmitterRequest, { text }: AccessToken): Promise<FetchedBytes> {
    const { method, url, json, headers = {}, ...limits } = request
    let answer: FetchedBytes | undefined
    const sent = new Headers({
      accept: 'application/json',
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    })
    try {
      await oauth.protectedResourceRequest(text, method, new URL(url), sent, json && JSON.stringify(json), {
        ...lenient,
        ...(grant?.dpop && { DPoP: await grant.dpop }),
        [oauth.customFetch]: async (target, init) => {
          answer = await fetchBytes(world.fetch, target, asRequest(init), limits)
          return asResponse(answer)
        },
      })
    } catch (error) {
      if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error // a challenge is an answer as well
    }
    if (answer === undefined) throw new Error('The request to a transmitter ended without an answer.')
    return answer
  }

  /** Sends, and once more when the answer requires a nonce, which the library has stored by then. */
  async function sendProven(request: TransmitterRequest, held: AccessToken): Promise<FetchedBytes> {
    const answer = await send(request, held)
    return grant !== undefined && asksForNonce(answer) ? send(request, held) : answer
  }

  async function perform(request: TransmitterRequest): Promise<FetchedBytes> {
    const held = await currentToken()
    const answer = await sendProven(request, held)
    return answer.status === 401 && grant !== undefined
      ? sendProven(request, await tokenAfter(held, grant))
      : answer
  }

  return {
    now: () => world.now(),
    scopeAsked: () => grant?.scopeAsked(),
    async request(request) {
      const answer = perform(request)
      return request.signal === undefined ? answer : unlessStopped(answer, request)
    },
  }
}

/** An aborted request does not wait for a token that is being fetched; the fetch goes on for others. */
async function unlessStopped<T>(work: Promise<T>, { signal, url }: TransmitterRequest): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(fetchFailure(url, 'was given up because the answer is no longer needed'))
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal?.removeEventListener('abort', stop)
    work.catch(() => undefined)
  }
}

/** Whether the request lacked only a nonce, which the answer contains (RFC 9449 §9). */
function asksForNonce({ status, headers }: FetchedBytes): boolean {
  return status === 401 && headers.get('www-authenticate')?.includes('use_dpop_nonce') === true
}

/** Requests go through the guarded fetch, which alone decides about plain http. */
const lenient = { [oauth.allowInsecureRequests]: true }

interface Grant {
  readonly dpop: Promise<oauth.DPoPHandle> | undefined
  ask(): Promise<AccessToken>
  scopeAsked(): string | undefined
}

function createGrant(
  world: AccessDeps['world'],
  { issuer, resource, secrets, assertionsFor = 'issuer', timeoutMs = tokenTimeoutMs }: AccessOptions,
  auth: ClientCredentials,
): Grant {
  const limits = { timeoutMs, bytesMax: tokenBytesMax }
  const client: oauth.Client = { client_id: auth.clientId }
  const dpop = auth.dpop ? oauth.generateKeyPair('ES256').then((pair) => oauth.DPoP(client, pair)) : undefined
  let place: Promise<TokenPlace> | undefined
  let scopeAsked: string | undefined
  const http = {
    ...lenient,
    [oauth.customFetch]: async (url: string, init: { headers: Record<string, string> }) =>
      asPlainResponse(await fetchBytes(world.fetch, url, asRequest(init), limits)),
  }

  async function request(): Promise<AccessToken> {
    place ??= findTokenPlace(http, { issuer, resource }, auth)
    const { server, scope } = await place
    scopeAsked = scope
    const handle = await dpop
    const ask = async (): Promise<oauth.TokenEndpointResponse> =>
      oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(
          server,
          client,
          await clientAuth(auth, secrets, assertionsFor === 'issuer' ? server.issuer : server.token_endpoint),
          { ...(scope !== '' && { scope }) },
          { ...http, ...(handle && { DPoP: handle }) },
        ),
      )
    const granted = await ask().catch((error: unknown) => {
      if (handle !== undefined && oauth.isDPoPNonceError(error)) return ask()
      throw error
    })
    const lifetimeMs = granted.expires_in === undefined ? tokenLifetimeUnknownMs : granted.expires_in * 1_000
    const text = granted.access_token
    if (!bearerPattern.test(text) || text.length > bearerCharsMax) throw new UnusableToken()
    const marginMs = Math.min(tokenMarginMaxMs, lifetimeMs * tokenMarginShare)
    // A token that is within the margin from the start is still valid for the request that fetched it.
    return { text, until: world.now().getTime() + lifetimeMs - marginMs }
  }

  return {
    dpop,
    scopeAsked: () => scopeAsked,
    ask: () =>
      request().catch(async (error: unknown) => {
        place = undefined // the endpoint may have moved
        throw await tokenError(error)
      }),
  }
}

/** Never contains the token: it must not reach a log. */
class UnusableToken extends Error {
  constructor() {
    super(
      `it granted an access token that cannot be sent: it must be 1 to ${bearerCharsMax} letters, digits and -._~+/, and may end with = (RFC 6750 §2.1)`,
    )
  }
}

async function clientAuth(
  auth: ClientCredentials,
  secrets: StreamSecrets,
  audience: string | undefined,
): Promise<oauth.ClientAuth> {
  switch (auth.method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(secrets.clientSecret ?? '')
    case 'client_secret_post':
      return oauth.ClientSecretPost(secrets.clientSecret ?? '')
    case 'private_key_jwt': {
      const { kid } = secrets.clientKey ?? {}
      const key = await importClientKey(secrets.clientKey ?? {})
      return oauth.PrivateKeyJwt(
        { key, ...(typeof kid === 'string' && { kid }) },
        { [oauth.modifyAssertion]: (_header, payload) => void Object.assign(payload, { aud: audience }) },
      )
    }
  }
}

/** @throws TypeError when it is not a private JWK that can sign */
export async function importClientKey(jwk: Readonly<Record<string, unknown>>): Promise<CryptoKey> {
  const { alg, kty, crv } = jwk
  const usual = usualAlgorithms.get(String(crv ?? kty)) ?? 'ES256'
  const key = await importJWK({ ...jwk }, typeof alg === 'string' ? alg : usual)
  if (key instanceof Uint8Array || key.type !== 'private') throw new TypeError('It has no private part.')
  return key
}

/** The algorithm of a key that does not state its own, by `crv` or `kty`. */
const usualAlgorithms: ReadonlyMap<string, string> = new Map([
  ['RSA', 'RS256'],
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
  ['Ed25519', 'EdDSA'],
])

interface TokenPlace {
  readonly server: oauth.AuthorizationServer
  readonly scope: string
}

type Http = Pick<oauth.DiscoveryRequestOptions, typeof oauth.customFetch | typeof oauth.allowInsecureRequests>

/**
 * The token endpoint: as given, or discovered from the transmitter's resource metadata (RFC 9728) and the authorization
 * server's metadata (RFC 8414). A transmitter without resource metadata is taken as its own authorization server.
 */
async function findTokenPlace(
  http: Http,
  { issuer, resource }: Pick<AccessOptions, 'issuer' | 'resource'>,
  auth: ClientCredentials,
): Promise<TokenPlace> {
  if (auth.tokenUrl !== undefined) {
    const server = { issuer: auth.authorizationServer ?? auth.tokenUrl, token_endpoint: auth.tokenUrl }
    return { server, scope: auth.scope ?? defaultScope }
  }
  const found =
    auth.authorizationServer !== undefined && auth.scope !== undefined
      ? undefined
      : await resourceMetadata(http, [resource, issuer])
  const scope = auth.scope ?? scopeOf(found?.scopes_supported)
  const server = new URL(auth.authorizationServer ?? found?.authorization_servers?.[0] ?? issuer)
  const response = await oauth.discoveryRequest(server, { ...http, algorithm: 'oauth2' })
  return { server: await oauth.processDiscoveryResponse(server, response), scope }
}

/**
 * SSF's scopes among those in the transmitter's metadata. None when it has only others (`openid profile … admin`): the
 * authorization server decides then, or the `scope` setting.
 */
function scopeOf(supported: readonly string[] | undefined): string {
  if (supported === undefined || supported.length === 0) return defaultScope
  return supported.filter((scope) => /^ssf\./.test(scope)).join(' ')
}

/** The first candidate with resource metadata. */
async function resourceMetadata(
  http: Http,
  candidates: readonly string[],
): Promise<oauth.ResourceServer | undefined> {
  for (const candidate of candidates) {
    const url = URL.parse(candidate)
    if (url === null) continue
    try {
      return await oauth.processResourceDiscoveryResponse(
        url,
        await oauth.resourceDiscoveryRequest(url, http),
      )
    } catch (error) {
      if (isHubError(error)) throw error // unreachable; an HTTP error only means that there is no metadata
    }
  }
  return undefined
}

/** The bodies that the library sends: forms and texts. */
function asRequest(init: { headers: Record<string, string>; body?: unknown; method?: string }): RequestInit {
  const { headers, body, method } = init
  const text = body instanceof URLSearchParams ? body.toString() : body
  return { headers, ...(method !== undefined && { method }), ...(typeof text === 'string' && { body: text }) }
}

function asResponse({ status, headers, body }: FetchedBytes): Response {
  return new Response(body.byteLength === 0 ? null : Buffer.from(body), { status, headers })
}

/** Removes null members of metadata and token answers: the library treats them as members of a wrong type. */
function asPlainResponse(fetched: FetchedBytes): Response {
  const parsed = parseIJson(fetched.body, { wideNumbers: 'as_text' })
  if (!parsed.ok || !isJsonObject(parsed.value)) return asResponse(fetched)
  const body = Buffer.from(JSON.stringify(withoutEmptyMembers(parsed.value)))
  return asResponse({ ...fetched, body })
}

/** Why no token was granted. */
async function tokenError(error: unknown): Promise<HubError> {
  if (isHubError(error)) {
    return new HubError('stream.transmitter_unavailable', {
      detail: `No access token could be requested: ${error.detail}`,
      cause: error,
    })
  }
  const reason = await tokenReason(error)
  const advice =
    'Check the client id, its secret or key, the scope, and where the token endpoint is (token_url or authorization_server).'
  return new HubError('stream.token_refused', {
    detail: `The transmitter's authorization server gave no access token: ${reason}. ${advice}`,
    cause: error,
  })
}

async function tokenReason(error: unknown): Promise<string> {
  if (error instanceof oauth.ResponseBodyError) {
    const { error: code, error_description: description = '' } = error
    const parts = [code, description].filter((word) => word !== '').map((word) => inSentence(word, 300))
    return [`it answered ${error.status}`, ...parts].join(' ')
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    const body = parseIJson(Buffer.from(await error.response.arrayBuffer()), {
      wideNumbers: 'as_text',
    })
    const members = body.ok && isJsonObject(body.value) ? body.value : {}
    const parts = ['error', 'error_description']
      .map((name) => members[name])
      .filter((word) => typeof word === 'string')
    return [`it answered ${error.status}`, ...parts.map((word) => inSentence(word, 300))].join(' ')
  }
  if (error instanceof oauth.OperationProcessingError && error.cause instanceof Response) {
    return `it answered ${error.cause.status} where something else is needed (${printable(error.message, 200)})`
  }
  return printable(error instanceof Error ? error.message : String(error), 300)
}
