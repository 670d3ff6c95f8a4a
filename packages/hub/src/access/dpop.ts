import { calculateJwkThumbprint } from 'jose'
import { isJsonObject, meant } from '@watchbell/receiver/base'
import { hasPrivatePart, isSetAlgorithm, readVerificationKey, setAlgorithms } from '@watchbell/receiver/set'
import { isSignedBy, readJwt, seconds } from './jwt.ts'
import { sha256 } from '../base/sha256.ts'

/** Maximum age of a proof (OKTA-O24). */
const proofAgeMaxS = 300
/** How far a proof's time may be ahead of this clock. */
const clockSkewMaxS = 60
const jtiCharsMax = 1_000

/** The request that a proof must be for. */
export interface ProvenRequest {
  readonly method: string
  /** Absolute, without a query. */
  readonly url: string
  readonly now: Date
  /** At resources: the token that the proof must be for. */
  readonly accessToken?: string
}

/** A DPoP proof that fits its request. Whether this is its first use is not checked yet. */
export interface DpopProof {
  /** Thumbprint of the key that signed it (RFC 9449 §6). */
  readonly jkt: string
  readonly nonce: string | undefined
  /** The key that may be used only once, and its expiry. */
  readonly replayKey: string
  readonly expiresAt: Date
}

export type DpopResult =
  { readonly ok: true; readonly proof: DpopProof } | { readonly ok: false; readonly reason: string }

/** Checks a DPoP proof against its request (RFC 9449 §4.3, OKTA-O24), all but nonce, replay and `cnf`. */
export async function checkProof(text: string, request: ProvenRequest): Promise<DpopResult> {
  const jwt = readJwt(text)
  if (jwt === undefined) return no('must be exactly one compact JWT')
  const { header, claims } = jwt
  const { jwk, alg } = header
  if (typeof header['typ'] !== 'string' || header['typ'].toLowerCase() !== 'dpop+jwt')
    return no('must have typ dpop+jwt')
  if (!isSetAlgorithm(alg)) return no(`must be signed with one of ${setAlgorithms.join(', ')}`)
  if (!isJsonObject(jwk)) return no('must have its public key in jwk')
  if (hasPrivatePart(jwk)) return no('must not have a private or symmetric key in jwk')
  const nowS = request.now.getTime() / 1_000
  const issuedAt = seconds(claims['iat']) ?? Number.NaN
  const { jti } = claims
  const nonce = meant(claims['nonce'])
  if (claims['htm'] !== request.method) return no(`must have htm ${request.method}`)
  if (!isSameUrl(claims['htu'], request.url)) return no(`must have htu ${request.url}`)
  if (!(issuedAt >= nowS - proofAgeMaxS)) return no(`must have an iat in the last ${proofAgeMaxS} seconds`)
  if (issuedAt > nowS + clockSkewMaxS) return no('must not have an iat in the future')
  if (typeof jti !== 'string' || jti === '' || jti.length > jtiCharsMax) return no('must have a jti')
  if (nonce !== undefined && typeof nonce !== 'string') return no('must have a string as nonce')
  if (request.accessToken !== undefined && claims['ath'] !== sha256(request.accessToken)) {
    return no('must have the hash of the access token in ath')
  }
  // The most expensive check comes last.
  const key = readVerificationKey(jwk)
  if ('unusable' in key) return no(`has a jwk that ${key.unusable}`)
  if (!(await isSignedBy(jwt, key))) return no('has a signature that does not fit its jwk')
  const jkt = await calculateJwkThumbprint(jwk)
  return {
    ok: true,
    proof: {
      jkt,
      nonce,
      replayKey: sha256(JSON.stringify(['dpop', jkt, jti])),
      expiresAt: new Date((issuedAt + proofAgeMaxS + 1) * 1_000),
    },
  }
}

function no(rule: string): DpopResult {
  return { ok: false, reason: `The DPoP proof ${rule}.` }
}

/** Okta's words. */
export const proofUsed = 'The DPoP proof JWT has already been used.'

/** Compares without query and fragment (RFC 9449 §4.3), and as tolerant of slashes as the router (OKTA-A6). */
function isSameUrl(htu: unknown, url: string): boolean {
  const given = typeof htu === 'string' ? URL.parse(htu) : null
  const wanted = new URL(url)
  const plain = ({ pathname }: URL): string => pathname.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '')
  return given !== null && given.origin === wanted.origin && plain(given) === plain(wanted)
}
