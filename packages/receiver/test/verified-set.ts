import { oktasPathDialects, type Dialect } from '../src/set/dialect.ts'
import { parseToken } from '../src/set/parse-token.ts'
import { createSetVerifier } from '../src/set/set-verifier.ts'
import { generateSigningKey, publicJwk, signSet } from '../src/set/sign.ts'
import { pickVerificationKey, readVerificationKeys } from '../src/set/verification-key.ts'
import type { KeySource } from '../src/set/verification-key.ts'
import type { VerifiedSet } from '../src/set/verified-set.ts'

export const issuer = 'https://idp.example.com/'
export const audience = 'https://hub.example.com'
export const testNow = new Date('2026-01-02T03:04:05Z')

export function keySource(...jwks: readonly object[]): KeySource {
  const keys = readVerificationKeys(JSON.parse(JSON.stringify({ keys: jwks }))) // as a server sends them
  return { get: (kid, alg) => pickVerificationKey(keys, kid, alg) }
}

const key = await generateSigningKey('EdDSA', 'key-1')
const keys = keySource(publicJwk(key))
const verifier = createSetVerifier({ now: () => testNow })

const spoken: ReadonlySet<Dialect> = new Set<Dialect>([...oktasPathDialects, 'scim'])

/** Real claims by the real road: signed, parsed, verified. Claims not given are filled in. */
export async function verifiedSet(claims: object): Promise<VerifiedSet> {
  const whole = { iss: issuer, aud: audience, jti: 'jti-1', iat: 1_767_323_045, ...claims }
  const token = parseToken(signSet({ key, claims: whole }), () => spoken)
  const { iss, aud } = token.claims
  return verifier.verify(token, { issuer: iss, audiences: [aud].flat(), keys })
}
