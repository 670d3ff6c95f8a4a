import { compactVerify, SignJWT, type CryptoKey } from 'jose'
import { isJsonArray, isJsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import { readJwt, seconds } from './jwt.ts'
import { isScope, type Scope } from './scopes.ts'
import { signingAlgorithm, type SigningKeys } from './signing-keys.ts'

/** The lifetime of an access token (OKTA-O13). */
export const accessTokenLifetimeS = 3_600

/** The claims of an access token of this hub. */
export interface AccessTokenClaims {
  readonly clientId: string
  readonly scopes: readonly Scope[]
  /** Thumbprint of the key that the token is bound to (`cnf.jkt`); undefined for a bearer token. */
  readonly jkt: string | undefined
}

export interface AccessTokens {
  issue(claims: AccessTokenClaims): Promise<string>
  /** @returns `invalid` for anything that is not an access token signed by this hub */
  check(token: string): Promise<AccessTokenClaims | 'invalid' | 'expired'>
}

export interface AccessTokensDeps {
  readonly world: Pick<World, 'now' | 'newUuid'>
  readonly keys: Pick<SigningKeys, 'current' | 'find'>
  /** The public origin: issuer and audience of every token. */
  readonly origin: string
  readonly lifetimeS: number
}

/** Keeps other JWTs that the hub signs with the same keys from passing for access tokens (RFC 9068 §2.1). */
const accessTokenType = 'at+jwt'

/** Access tokens as OKTA-O14 says: JWTs signed with the hub's own keys. */
export function createAccessTokens({ world, keys, origin, lifetimeS }: AccessTokensDeps): AccessTokens {
  return {
    async issue({ clientId, scopes, jkt }) {
      const { kid, key } = await keys.current()
      const issuedAt = Math.floor(world.now().getTime() / 1_000)
      return new SignJWT({
        ver: 1,
        jti: `AT.${world.newUuid()}`,
        iss: origin,
        aud: origin,
        sub: clientId,
        iat: issuedAt,
        exp: issuedAt + lifetimeS,
        cid: clientId,
        scp: [...scopes],
        ...(jkt !== undefined && { cnf: { jkt } }),
      })
        .setProtectedHeader({ alg: signingAlgorithm, kid, typ: accessTokenType })
        .sign(key)
    },
    async check(token) {
      const jwt = readJwt(token)
      if (jwt === undefined) return 'invalid'
      const { header, claims } = jwt
      const { kid } = header
      if (header['typ'] !== accessTokenType || typeof kid !== 'string') return 'invalid'
      const { iss, aud, cid, scp, cnf } = claims
      if (iss !== origin || aud !== origin || typeof cid !== 'string' || claims['sub'] !== cid)
        return 'invalid'
      const key = await keys.find(kid)
      if (key === undefined || !(await isOurs(token, key))) return 'invalid'
      if (!((seconds(claims['exp']) ?? Number.NaN) > world.now().getTime() / 1_000)) return 'expired'
      const jkt = isJsonObject(cnf) && typeof cnf['jkt'] === 'string' ? cnf['jkt'] : undefined
      // Bound by an unknown method: it must not pass for a bearer token.
      if (cnf !== undefined && jkt === undefined) return 'invalid'
      if (!isJsonArray(scp)) return 'invalid'
      return { clientId: cid, scopes: scp.filter((name) => typeof name === 'string').filter(isScope), jkt }
    },
  }
}

async function isOurs(token: string, key: CryptoKey): Promise<boolean> {
  return compactVerify(token, key, { algorithms: [signingAlgorithm] }).then(
    () => true,
    () => false,
  )
}
