import { createPrivateKey, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint } from 'jose'
import type { JWK } from 'jose'
import { HubError } from '../base/hub-error.ts'
import {
  generateSigningKey,
  publicJwk,
  type SigningKey,
  isSetAlgorithm,
  setAlgorithms,
  type SetAlgorithm,
} from '@watchbell/receiver/set'

/** A transmitter's keys: the one that signs now, and those that its JWK Set shows. */
export interface TransmitterKeys {
  /** The key that signs now. */
  readonly signing: SigningKey
  published(): readonly JWK[]
  /** Makes a new key sign. The old one stays in the set, as tokens may be on their way, unless it is `withdrawn`. */
  rotate(how: { readonly withdrawn: boolean }): Promise<SigningKey>
  /** The further key with this name, made and published at the first call, with `members` in its JWK. */
  further(name: string, make: () => Promise<SigningKey>, members?: Partial<JWK>): Promise<SigningKey>
}

export function createTransmitterKeys(first: SigningKey): TransmitterKeys {
  const published = new Map<string | undefined, JWK>([[first.kid, publicJwk(first)]])
  const further = new Map<string, Promise<SigningKey>>()
  let signing = first
  return {
    get signing() {
      return signing
    },
    published: () => [...published.values()],
    async rotate({ withdrawn }) {
      const next = await generateSigningKey(signing.alg)
      if (withdrawn) published.delete(signing.kid)
      published.set(next.kid, publicJwk(next))
      signing = next
      return next
    },
    further(name, make, members = {}) {
      const known = further.get(name)
      if (known !== undefined) return known
      const made = make().then((key) => {
        published.set(key.kid, { ...publicJwk(key), ...members })
        return key
      })
      further.set(name, made)
      return made
    },
  }
}

/** RSA of a size that was given up (RFC 7518 §3.3 asks for 2048 bits), for a receiver to refuse. */
export async function generateWeakKey(): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 1024 })
  const key = { alg: 'RS256', kid: '', privateKey } as const
  return { ...key, kid: await calculateJwkThumbprint(publicJwk(key)) }
}

/** The private key as a JWK, to keep an identity between runs. Secret. */
export function privateJwk({ alg, kid, privateKey }: SigningKey): JWK {
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
}

/**
 * A private JWK as a signing key; `kid` is its thumbprint and `alg` what its type is mostly used with, where it has none.
 * @throws HubError `set.key_refused`
 */
export async function readSigningKey(jwk: object): Promise<SigningKey> {
  const { alg, kid, ...members }: JWK = jwk
  if (members.d === undefined) throw keyRefused('has no private part `d`')
  try {
    const key = { alg: readAlgorithm(alg, members), privateKey: importPrivate(members) }
    if (kid !== undefined) return { ...key, kid }
    return { ...key, kid: await calculateJwkThumbprint(publicJwk({ ...key, kid: '' })) }
  } catch (error) {
    if (error instanceof HubError) throw error
    throw keyRefused('cannot be imported', error)
  }
}

function importPrivate(jwk: JWK): SigningKey['privateKey'] {
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function readAlgorithm(alg: string | undefined, { kty, crv }: JWK): SetAlgorithm {
  const meant = alg ?? usualAlgorithms.get(crv ?? kty ?? '')
  if (isSetAlgorithm(meant)) return meant
  throw keyRefused(`has the alg ${String(meant)}, which is none of ${setAlgorithms.join(', ')}`)
}

const usualAlgorithms: ReadonlyMap<string, SetAlgorithm> = new Map([
  ['RSA', 'RS256'],
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
  ['Ed25519', 'EdDSA'],
  ['Ed448', 'EdDSA'],
])

function keyRefused(reason: string, cause?: unknown): HubError {
  return new HubError('set.key_refused', { detail: `The key ${reason}; a private JWK is needed.`, cause })
}
