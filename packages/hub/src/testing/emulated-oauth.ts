import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { checkProof, type DpopProof } from '../access/dpop.ts'
import type { World } from '../base/world.ts'
import type { EmulatedAnswer, EmulatedRequest } from './emulated-server.ts'
import type { Switches } from './misbehaviours.ts'
import { usualPaths, type Personality } from './personalities.ts'

/** A receiver as the transmitter's authorization server knows it. Either way of proving itself may be missing. */
export interface EmulatedClient {
  readonly id: string
  /** For client_secret_basic and client_secret_post. */
  readonly secret?: string
  /** Public keys for private_key_jwt. */
  readonly jwks?: JSONWebKeySet
}

export const ssfScopes = ['ssf.read', 'ssf.manage'] as const
export type SsfScope = (typeof ssfScopes)[number]

export interface EmulatedOauthOptions {
  readonly world: Pick<World, 'now' | 'newSecret'>
  readonly clients: readonly EmulatedClient[]
  /** Tokens that are good without OAuth, each a receiver of its own. */
  readonly bearerTokens: readonly string[]
  /** Whether access tokens are bound to a key of the receiver (RFC 9449). */
  readonly dpop: boolean
  /** Whether a proof needs a nonce, of the token endpoint there and of the API elsewhere (RFC 9449 §8, §9). */
  readonly dpopNonces: boolean
  readonly switches: Switches
  /** Where the transmitter is reached. */
  readonly origin: () => string
  readonly personality: Personality | undefined
}

export interface EmulatedOauth {
  /** Of access tokens issued from now on. */
  tokenLifetimeS: number
  /** Makes every access token issued so far useless. */
  revokeTokens(): void
  /** Makes every nonce given out so far useless. */
  rotateNonces(): void
  /** How many access tokens were issued. */
  readonly tokensIssued: number
  /** RFC 8414. */
  metadata(): object
  /** RFC 9728, for the resource at this path. */
  resourceMetadata(path: string): object
  tokenEndpoint(request: EmulatedRequest): Promise<EmulatedAnswer>
  /** Who asks, or the answer that turns them away (RFC 6750 §3). */
  receiverOf(
    request: EmulatedRequest,
    scopes: readonly SsfScope[],
  ): Promise<{ receiver: string } | EmulatedAnswer>
}

interface IssuedToken {
  readonly receiver: string
  readonly scopes: readonly string[]
  readonly expiresAt: number
  readonly jkt: string | undefined
}

export const resourceMetadataPath = '/.well-known/oauth-protected-resource'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The authorization server of an emulated transmitter, and the guard of its endpoints (SSF 1.0 §8, CAEP interop §2.7). */
export function createEmulatedOauth(options: EmulatedOauthOptions): EmulatedOauth {
  const { world, clients, bearerTokens, dpop, dpopNonces, switches, origin, personality } = options
  const issuer = (): string => origin() + (personality?.authorizationServerPath ?? '')
  const scopesSupported: readonly string[] = personality?.scopesSupported ?? ssfScopes
  const issued = new Map<string, IssuedToken>()
  let lifetimeS = 3_600
  let tokensIssued = 0
  const newNonces = () => ({ token: world.newSecret(12), api: world.newSecret(12) })
  let nonces = newNonces()
  const tokenUrl = (): string => origin() + (personality?.paths ?? usualPaths).token

  async function clientOf(
    { headers }: EmulatedRequest,
    form: URLSearchParams,
  ): Promise<EmulatedClient | undefined> {
    const assertion = form.get('client_assertion')
    if (assertion !== null && form.get('client_assertion_type') === assertionType)
      return clientByAssertion(assertion)
    const basic = /^basic ([a-z0-9+/=]+)$/i.exec(headers['authorization'] ?? '')?.[1]
    const [id, secret] =
      basic === undefined
        ? [form.get('client_id'), form.get('client_secret')]
        : Buffer.from(basic, 'base64')
            .toString()
            .split(':', 2)
            .map((part) => decodeURIComponent(part.replaceAll('+', ' '))) // RFC 6749 §2.3.1
    return clients.find(
      (client) => client.id === id && client.secret !== undefined && client.secret === secret,
    )
  }

  async function clientByAssertion(assertion: string): Promise<EmulatedClient | undefined> {
    for (const client of clients) {
      if (client.jwks === undefined) continue
      const verified = await jwtVerify(assertion, createLocalJWKSet(client.jwks), {
        issuer: client.id,
        subject: client.id,
        audience: [tokenUrl(), issuer()],
        requiredClaims: ['exp', 'jti'],
        currentDate: world.now(),
      }).catch(() => undefined)
      if (verified !== undefined) return client
    }
    return undefined
  }

  async function readProof(
    { method, path, headers }: EmulatedRequest,
    accessToken?: string,
  ): Promise<DpopProof | undefined> {
    const proof = headers['dpop']
    if (proof === undefined) return undefined
    const result = await checkProof(proof, {
      method,
      url: origin() + path,
      now: world.now(),
      ...(accessToken !== undefined && { accessToken }),
    })
    return result.ok ? result.proof : undefined
  }

  /** What a proof without the right nonce is told. */
  const nonceFor = (place: keyof typeof nonces, proof: DpopProof): Record<string, string> | undefined =>
    dpopNonces && proof.nonce !== nonces[place] ? { 'dpop-nonce': nonces[place] } : undefined

  function refuse(status: 401 | 403, path: string, error?: string, headers = {}): EmulatedAnswer {
    const parameters = [
      `${dpop ? 'DPoP' : 'Bearer'} realm="ssf"`,
      ...(error === undefined ? [] : [`error="${error}"`]),
      `resource_metadata="${origin()}${resourceMetadataPath}${path}"`,
    ]
    return {
      status,
      headers: { 'www-authenticate': parameters.join(', '), ...headers },
      body: { error: error ?? 'no credentials' },
    }
  }

  return {
    get tokenLifetimeS() {
      return lifetimeS
    },
    set tokenLifetimeS(seconds) {
      lifetimeS = seconds
    },
    get tokensIssued() {
      return tokensIssued
    },
    revokeTokens: () => issued.clear(),
    rotateNonces: () => void (nonces = newNonces()),
    metadata: () => ({
      issuer: issuer(),
      token_endpoint: tokenUrl(),
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      grant_types_supported: ['client_credentials'],
      response_types_supported: ['token'],
      scopes_supported: scopesSupported,
      ...(dpop && { dpop_signing_alg_values_supported: ['RS256', 'ES256'] }),
    }),
    resourceMetadata: (path) => ({
      resource: origin() + path,
      authorization_servers: [issuer()],
      scopes_supported: scopesSupported,
      bearer_methods_supported: ['header'],
      ...(dpop && { dpop_bound_access_tokens_required: true }),
    }),
    async tokenEndpoint(request) {
      const no = (status: number, error: string, headers = {}): EmulatedAnswer => ({
        status,
        headers,
        body: { error },
      })
      if (request.method !== 'POST') return no(405, 'invalid_request')
      const form = new URLSearchParams(request.body)
      const client = await clientOf(request, form)
      if (client === undefined)
        return no(401, 'invalid_client', { 'www-authenticate': 'Basic realm="oauth"' })
      if (form.get('grant_type') !== 'client_credentials') return no(400, 'unsupported_grant_type')
      const unasked = personality?.scopeMustBeAsked === true ? [] : scopesSupported
      const scopes = form.get('scope')?.split(' ') ?? unasked
      if (!scopes.every((scope) => scopesSupported.includes(scope))) return no(400, 'invalid_scope')
      const proof = dpop ? await readProof(request) : undefined
      if (dpop && proof === undefined) return no(400, 'invalid_dpop_proof')
      const nonce = proof && nonceFor('token', proof)
      if (nonce !== undefined) return no(400, 'use_dpop_nonce', nonce)
      const token = world.newSecret(24)
      tokensIssued++
      issued.set(token, {
        receiver: client.id,
        scopes,
        expiresAt: world.now().getTime() + lifetimeS * 1_000,
        jkt: proof?.jkt,
      })
      return {
        status: 200,
        headers: { 'cache-control': 'no-store' },
        body: {
          access_token: token,
          token_type: dpop ? 'DPoP' : 'Bearer',
          expires_in: lifetimeS,
          scope: scopes.join(' '),
        },
      }
    },
    async receiverOf(request, scopes) {
      const [, scheme, token = ''] =
        /^(bearer|dpop) (\S+)$/i.exec(request.headers['authorization'] ?? '') ?? []
      if (scheme === undefined) return refuse(401, request.path)
      if (scheme.toLowerCase() === 'bearer' && bearerTokens.includes(token))
        return { receiver: `bearer:${token}` }
      const known = issued.get(token)
      const stale = known === undefined || known.expiresAt <= world.now().getTime()
      if (stale || switches.has('tokens-never-good')) return refuse(401, request.path, 'invalid_token')
      if (known.jkt !== undefined) {
        const proof = await readProof(request, token)
        if (proof?.jkt !== known.jkt) return refuse(401, request.path, 'invalid_dpop_proof')
        const nonce = nonceFor('api', proof)
        if (nonce !== undefined) return refuse(401, request.path, 'use_dpop_nonce', nonce)
      }
      const enough = personality?.scopesSupported === undefined ? scopes : scopesSupported
      if (!enough.some((scope) => known.scopes.includes(scope))) {
        if (personality?.scopeMustBeAsked === true) return { status: 401 }
        return refuse(403, request.path, 'insufficient_scope')
      }
      return { receiver: known.receiver }
    },
  }
}
