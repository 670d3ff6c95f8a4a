import { createPublicKey } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { ReceiverError } from '../base/receiver-error.ts'
import { isJsonArray } from '../base/i-json.ts'
import { isJsonObject, meant } from '../base/json.ts'
import type { JsonObject, JsonValue } from '../base/json.ts'
import { printable } from '../base/printable.ts'

/**
 * The algorithms that are accepted for SETs, client assertions and DPoP proofs, and that our
 * metadata announces. All others, `none` and HMAC included, is refused (RFC 8725 §3.1, OKTA-E31). `Ed25519` is the name that RFC 9864
 * gives to `EdDSA` with that curve.
 */
export const setAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
export type SetAlgorithm = (typeof setAlgorithms)[number]

const known: ReadonlySet<string> = new Set(setAlgorithms)

export function isSetAlgorithm(value: unknown): value is SetAlgorithm {
  return typeof value === 'string' && known.has(value)
}

/** A transmitter's imported public key. */
export interface VerificationKey {
  /** Undefined when the JWK had none. */
  readonly kid: string | undefined
  /** The algorithms that this key may be used with, from its type, curve, size, `use`, `key_ops` and `alg`. Never empty. */
  readonly algorithms: ReadonlySet<SetAlgorithm>
  readonly key: KeyObject
}

/** A key of the set that must not check signatures; remembered so that a refusal can say why. */
export interface UnusableKey {
  readonly kid: string | undefined
  /** What is wrong with the key: text that follows "The key". */
  readonly unusable: string
}

/** One entry of a transmitter's JWK Set. */
export type KeySetEntry = VerificationKey | UnusableKey

/** Where the keys of one issuer come from. Implemented by jwks/. */
export interface KeySource {
  /**
   * The key with this `kid`, fit for `alg`; see {@link pickVerificationKey}.
   * @throws ReceiverError `set.unknown_key`, `set.key_refused` (present, but not for `alg`), `keys.unavailable`
   */
  get(kid: string, alg: SetAlgorithm): VerificationKey | Promise<VerificationKey>
  /**
   * A key with this `kid`, fit for `alg`, other than those that were tried: looks at the key set once more, as its issuer may
   * have published a new key under an old `kid`.
   * @param askedAt - milliseconds since 1970, when the first key was asked for: a set fetched since then is current
   * @returns undefined when there certainly is none
   * @throws ReceiverError `keys.unavailable` when the key set could not be fetched
   */
  successorOf?(
    kid: string,
    alg: SetAlgorithm,
    tried: readonly VerificationKey[],
    askedAt: number,
  ): Promise<VerificationKey | undefined>
  /** The same from the keys at hand; they are fetched only when there are none. */
  getKnown?(kid: string, alg: SetAlgorithm): VerificationKey | Promise<VerificationKey>
}

/** The media types to ask for a key set: its own (RFC 7517 §8.5.2), and the one that most servers send. */
export const keySetMediaTypes = 'application/jwk-set+json, application/json'

/** A JWK Set with more keys than this is not read at all. */
export const keysMax = 100
const rsaBitsMin = 2048
const rsaBitsMax = 8192
/** OpenSSL's own bound for large keys is 64 bits; larger exponents than 65537 are unusual. */
const rsaExponentMax = 0xffff_ffffn
const kidShownCharsMax = 256

/**
 * Reads a transmitter's JWK Set (RFC 7517 §5). Keys that cannot check a SET stay in the list as {@link UnusableKey}.
 * @throws ReceiverError `keys.unavailable` when it is no JWK Set or holds more than {@link keysMax} keys
 */
export function readVerificationKeys(document: JsonValue): readonly KeySetEntry[] {
  const keys = isJsonObject(document) ? document['keys'] : undefined
  if (!isJsonArray(keys)) {
    throw new ReceiverError('keys.unavailable', {
      detail: 'The key set is not a JSON object with an array `keys`.',
    })
  }
  if (keys.length > keysMax) {
    throw new ReceiverError('keys.unavailable', {
      detail: `The key set holds ${keys.length} keys; we read at most ${keysMax}.`,
    })
  }
  return keys.filter(isJsonObject).map(readVerificationKey)
}

/**
 * The key that checks a signature: of several with the same `kid`, the one that fits `alg`.
 * @throws ReceiverError `set.unknown_key`, `set.key_refused`
 */
export function pickVerificationKey(
  keys: readonly KeySetEntry[],
  kid: string,
  alg: SetAlgorithm,
): VerificationKey {
  const refusals = new Set<string>()
  for (const key of keys) {
    if (key.kid !== kid) continue
    if ('unusable' in key) refusals.add(key.unusable)
    else if (key.algorithms.has(alg)) return key
    else refusals.add(`is for ${[...key.algorithms].join(', ')}, and the token says ${alg}`)
  }
  const shown = printable(kid, kidShownCharsMax)
  if (refusals.size > 0) {
    throw new ReceiverError('set.key_refused', {
      detail: `The key ${[...refusals].join('; another ')} (kid=${shown}).`,
    })
  }
  throw new ReceiverError('set.unknown_key', {
    detail: `The provider's key set has no key with kid=${shown}.`,
  })
}

/** One public JWK (RFC 7517 §4). */
export function readVerificationKey(jwk: JsonObject): KeySetEntry {
  const kid = typeof jwk['kid'] === 'string' && jwk['kid'] !== '' ? jwk['kid'] : undefined
  const unusable = (reason: string): UnusableKey => ({ kid, unusable: reason })
  const [use, operations, alg] = [meant(jwk['use']), meant(jwk['key_ops']), meant(jwk['alg'])]
  if (jwk['kty'] === 'oct') return unusable('is symmetric')
  if (hasPrivatePart(jwk)) return unusable('was published with its private part')
  if (use !== undefined && use !== 'sig') return unusable('is not for signatures by its `use`')
  if (operations !== undefined && !(isJsonArray(operations) && operations.includes('verify'))) {
    return unusable('is not for checking signatures by its `key_ops`')
  }
  const imported = importKey(jwk)
  if (typeof imported === 'string') return unusable(imported)
  if (alg === undefined) return { kid, ...imported }
  if (!isSetAlgorithm(alg) || !imported.algorithms.has(alg)) {
    return unusable('has an `alg` that we do not take or that does not fit its type')
  }
  // An Ed25519 key fits both names of its algorithm, whichever it was published with.
  const algorithms = imported.algorithms === ed25519Algorithms ? ed25519Algorithms : new Set([alg])
  return { kid, key: imported.key, algorithms }
}

/** Whether a JWK holds private or secret members. Members without a value do not count. */
export function hasPrivatePart(jwk: JsonObject): boolean {
  return privateMembers.some((member) => meant(jwk[member]) !== undefined)
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** @returns the key and every algorithm its type allows (RFC 8725 §3.1), or why it is unusable */
function importKey(jwk: JsonObject): { key: KeyObject; algorithms: ReadonlySet<SetAlgorithm> } | string {
  const members = publicMembers.get(jwk['kty'])
  if (members === undefined) return 'has a `kty` that we do not know'
  const publicJwk: JsonWebKey = {}
  for (const member of members) {
    const value = jwk[member]
    if (typeof value !== 'string' || value === '') return `lacks its member \`${member}\``
    publicJwk[member] = value
  }
  let key: KeyObject
  try {
    key = createPublicKey({ key: publicJwk, format: 'jwk' })
  } catch {
    return 'cannot be imported'
  }
  const algorithms = algorithmsOf(key)
  return typeof algorithms === 'string' ? algorithms : { key, algorithms }
}

const publicMembers: ReadonlyMap<unknown, readonly ('kty' | 'n' | 'e' | 'crv' | 'x' | 'y')[]> = new Map([
  ['RSA', ['kty', 'n', 'e']],
  ['EC', ['kty', 'crv', 'x', 'y']],
  ['OKP', ['kty', 'crv', 'x']],
])

function algorithmsOf(key: KeyObject): ReadonlySet<SetAlgorithm> | string {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < rsaBitsMin || modulusLength > rsaBitsMax) {
        return `has ${modulusLength} bits; an RSA key needs ${rsaBitsMin} to ${rsaBitsMax}`
      }
      if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent > rsaExponentMax) {
        return 'has an unusable public exponent'
      }
      return rsaAlgorithms
    case 'ec':
      return curveAlgorithms.get(namedCurve) ?? 'is on a curve that we do not take'
    case 'ed25519':
      return ed25519Algorithms
    case 'ed448':
      return ed448Algorithms
    default:
      return 'is of a type that cannot sign'
  }
}

const rsaAlgorithms: ReadonlySet<SetAlgorithm> = new Set([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
])
const ed25519Algorithms: ReadonlySet<SetAlgorithm> = new Set(['EdDSA', 'Ed25519'])
const ed448Algorithms: ReadonlySet<SetAlgorithm> = new Set(['EdDSA'])
/** By OpenSSL's names of P-256, P-384 and P-521 (RFC 7518 §3.4). */
const curveAlgorithms: ReadonlyMap<string, ReadonlySet<SetAlgorithm>> = new Map([
  ['prime256v1', new Set<SetAlgorithm>(['ES256'])],
  ['secp384r1', new Set<SetAlgorithm>(['ES384'])],
  ['secp521r1', new Set<SetAlgorithm>(['ES512'])],
])
