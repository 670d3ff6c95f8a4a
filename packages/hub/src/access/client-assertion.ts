import { createHash } from 'node:crypto'
import { HubError, isHubError } from '../base/hub-error.ts'
import { printable } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import { isSetAlgorithm, setAlgorithms } from '@watchbell/receiver/set'
import type { ClientKeys } from './client-keys.ts'
import { isSignedBy, readJwt, seconds, type UncheckedJwt } from './jwt.ts'
import type { ServiceApp, ServiceAppStore } from './service-app.ts'

/** An authenticated service app. The assertion must still be used up when the rest of the request is valid. */
export interface AuthenticatedClient {
  readonly app: ServiceApp
  /** The key to use up: the assertion's `jti`, or without one its signed parts. */
  readonly once: { readonly key: string; readonly expiresAt: Date }
}

export interface ClientAssertionDeps {
  readonly world: Pick<World, 'now'>
  readonly serviceApps: Pick<ServiceAppStore, 'find'>
  readonly clientKeys: ClientKeys
  /** The token endpoint, which Okta's clients name as audience (OKTA-O12). */
  readonly tokenUrl: string
  /** The issuer in the hub's metadata, which clients that read it name as audience (RFC 7523bis §4). */
  readonly issuer: string
}

const lifetimeMaxS = 3_600
const clockSkewMaxS = 60

/**
 * Authenticates a client by its assertion (RFC 7523 §3, OKTA-O12 and OKTA-O15).
 * @throws HubError `oauth.invalid_client`
 */
export async function authenticateClient(
  { world, serviceApps, clientKeys, tokenUrl, issuer }: ClientAssertionDeps,
  assertion: string,
): Promise<AuthenticatedClient> {
  const jwt = readJwt(assertion)
  if (jwt === undefined) throw refused('The client_assertion is not a compact JWT that we can read.')
  const app = await findApp(serviceApps, jwt)
  // Cheap checks come first: keys may have to be fetched, and signatures cost the most.
  const expiresAt = checkClaims(jwt, [tokenUrl, issuer], world.now().getTime() / 1_000)
  const identity = identityOf(jwt)
  await checkSignature(clientKeys, app, jwt)
  const key = createHash('sha256')
    .update(JSON.stringify(['assertion', app.clientId, ...identity]))
    .digest('base64url')
  return { app, once: { key, expiresAt } }
}

/**
 * The identity of an assertion. Clients need not send a `jti` (RFC 7523 §3); without one it is header and claims as
 * signed, without the signature, which for elliptic curves can be written in two ways.
 */
function identityOf({ text, claims: { jti } }: UncheckedJwt): readonly string[] {
  if (jti === undefined || jti === null) return ['signed', text.slice(0, text.lastIndexOf('.'))]
  if (typeof jti === 'string' && jti !== '') return [jti]
  throw refused('The client_assertion has a jti that is not a string.')
}

async function findApp(
  serviceApps: Pick<ServiceAppStore, 'find'>,
  { claims }: UncheckedJwt,
): Promise<ServiceApp> {
  const { iss, sub } = claims
  const app = typeof iss === 'string' ? await serviceApps.find(iss) : undefined
  if (app === undefined) throw refused('The issuer claim for client_assertion is not a valid client_id.')
  if (sub !== iss)
    throw refused('The subject claim for client_assertion must be the client_id, as the issuer claim is.')
  return app
}

async function checkSignature(clientKeys: ClientKeys, app: ServiceApp, jwt: UncheckedJwt): Promise<void> {
  const { alg } = jwt.header
  const kid = jwt.header['kid'] ?? undefined
  if (!isSetAlgorithm(alg)) {
    throw refused(`The client_assertion must be signed with one of ${setAlgorithms.join(', ')}.`)
  }
  if (kid !== undefined && typeof kid !== 'string') throw refused('The client_assertion JWT kid is invalid.')
  const unreadable = (error: unknown): never => {
    if (!isHubError(error)) throw error
    throw refused(`The key set of the client cannot be read: ${printable(error.detail, 300)}`)
  }
  const candidates = await clientKeys.candidates(app, { kid, alg }).catch(unreadable)
  if (candidates.length === 0 && kid !== undefined) throw refused('The client_assertion JWT kid is invalid.')
  for (const candidate of candidates) if (await isSignedBy(jwt, candidate)) return
  const successors = await clientKeys.successors(app, { kid, alg }, candidates).catch(unreadable)
  for (const successor of successors) if (await isSignedBy(jwt, successor)) return
  throw refused('The client_assertion signature is invalid.')
}

/** @returns the time from which the assertion is refused as expired */
function checkClaims({ claims }: UncheckedJwt, audiences: readonly string[], nowS: number): Date {
  // An assertion with several audiences may be for another server, too, which could replay it here (RFC 7523bis §2).
  const named = [claims['aud']].flat()
  if (named.length === 0 || !named.every((one) => typeof one === 'string' && audiences.includes(one))) {
    throw refused(
      'The audience claim for client_assertion must be the endpoint invoked for the request, or the issuer.',
    )
  }
  const expires = seconds(claims['exp'])
  if (expires === undefined || Number.isNaN(expires))
    throw refused('The client_assertion has no exp that is a number.')
  if (expires <= nowS - clockSkewMaxS) throw refused('The client_assertion token is expired.')
  if (expires > nowS + lifetimeMaxS + clockSkewMaxS) {
    throw refused('The client_assertion token has an expiration too far into the future.')
  }
  for (const name of ['iat', 'nbf']) {
    const time = seconds(claims[name])
    if (time !== undefined && !(time <= nowS + clockSkewMaxS)) {
      throw refused(`The client_assertion has an ${name} that is not a time in the past.`)
    }
  }
  return new Date((expires + clockSkewMaxS) * 1_000)
}

function refused(detail: string): HubError {
  return new HubError('oauth.invalid_client', { detail })
}
