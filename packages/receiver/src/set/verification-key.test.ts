import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../base/json.ts'
import { generateSigningKey, publicJwk } from './sign.ts'
import { keysMax, pickVerificationKey, readVerificationKeys, setAlgorithms } from './verification-key.ts'
import type { SetAlgorithm } from './verification-key.ts'

const published = async (alg: SetAlgorithm): Promise<JsonObject> =>
  JSON.parse(JSON.stringify(publicJwk(await generateSigningKey(alg))))
const jwk = {
  RS256: await published('RS256'),
  ES256: await published('ES256'),
  EdDSA: await published('EdDSA'),
}
const without = (object: JsonObject, ...names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))

const valueless = (...names: readonly string[]): JsonObject =>
  Object.fromEntries(names.map((name) => [name, null]))

const curve = (namedCurve: string) => exported(generateKeyPairSync('ec', { namedCurve }))

function exported({ publicKey }: { publicKey: KeyObject }): JsonObject {
  return JSON.parse(JSON.stringify(publicKey.export({ format: 'jwk' })))
}

function algorithmsOf(key: JsonObject): readonly string[] | string {
  const [read] = readVerificationKeys({ keys: [key] })
  if (read === undefined) return 'not there'
  return 'unusable' in read ? read.unusable : [...read.algorithms]
}

describe('readVerificationKeys', () => {
  const anyRsa = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

  test.each<[string, JsonObject, readonly string[]]>([
    ['RSA without alg', without(jwk.RS256, 'alg'), anyRsa],
    ['RSA with alg PS384', { ...jwk.RS256, alg: 'PS384' }, ['PS384']],
    ['P-256', without(jwk.ES256, 'alg'), ['ES256']],
    ['P-384', curve('P-384'), ['ES384']],
    ['P-521', curve('P-521'), ['ES512']],
    ['Ed25519', without(jwk.EdDSA, 'alg'), ['EdDSA', 'Ed25519']],
    ['Ed25519 by its own name (RFC 9864)', { ...jwk.EdDSA, alg: 'Ed25519' }, ['EdDSA', 'Ed25519']],
    ['Ed25519 by the older name', { ...jwk.EdDSA, alg: 'EdDSA' }, ['EdDSA', 'Ed25519']],
    ['what .NET writes', { ...jwk.ES256, oth: [], key_ops: [], d: null, use: null, x5c: [] }, ['ES256']],
    [
      'private members without a value',
      { ...jwk.RS256, ...valueless('d', 'p', 'q', 'dp', 'dq', 'qi', 'k') },
      ['RS256'],
    ],
    ['members of an empty text', { ...jwk.ES256, d: '', use: '', alg: '', kid: '' }, ['ES256']],
    ['use, key_ops and alg of null', { ...jwk.ES256, use: null, key_ops: null, alg: null }, ['ES256']],
    ['Ed448', exported(generateKeyPairSync('ed448')), ['EdDSA']],
    ['without use', without(jwk.ES256, 'use'), ['ES256']],
    ['key_ops with verify', { ...jwk.ES256, key_ops: ['verify', 'wrapKey'] }, ['ES256']],
    ['unknown members', { ...jwk.ES256, x5t: 'abc', future: { a: 1 } }, ['ES256']],
    ['RSA of 8192 bits', bigRsa(8192), anyRsa],
  ])('accepts %s (RFC 8725 §3.1)', (_, key, algorithms) => {
    expect(algorithmsOf(key)).toEqual(algorithms)
  })

  test.each<[string, JsonObject, RegExp]>([
    ['a symmetric key', { kty: 'oct', kid: 'a', k: 'c2VjcmV0' }, /symmetric/],
    ['a private EC key', { ...jwk.ES256, d: 'AAAA' }, /private part/],
    ['a private RSA key by a CRT member', { ...jwk.RS256, qi: 'AAAA' }, /private part/],
    ['a private member that is no text', { ...jwk.ES256, d: 0 }, /private part/],
    ['further primes', { ...jwk.RS256, oth: [{ r: 'AA' }] }, /private part/],
    ['Ed448 said to be Ed25519', { ...exported(generateKeyPairSync('ed448')), alg: 'Ed25519' }, /`alg`/],
    ['an RSA key said to be Ed25519', { ...jwk.RS256, alg: 'Ed25519' }, /`alg`/],
    ['RSA with an empty n', { ...jwk.RS256, n: '' }, /lacks its member `n`/],
    ['EC with an x of null', { ...jwk.ES256, x: null }, /lacks its member `x`/],
    [
      'RSA of 1024 bits',
      exported(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      /1024 bits; an RSA key needs 2048/,
    ],
    ['RSA of 2047 bits', bigRsa(2047), /2047 bits/],
    ['RSA of 8200 bits', bigRsa(8200), /8200 bits/],
    ['RSA with e = 1', { ...jwk.RS256, e: 'AQ' }, /exponent/],
    ['RSA with e = 2', { ...jwk.RS256, e: 'Ag' }, /exponent/],
    ['RSA with e = 65536', { ...jwk.RS256, e: 'AQAA' }, /exponent/],
    ['RSA with e of 40 bits', { ...jwk.RS256, e: 'AQAAAAE' }, /exponent/],
    ['RSA without n', without(jwk.RS256, 'n'), /lacks its member `n`/],
    ['EC without y', without(jwk.ES256, 'y'), /lacks its member `y`/],
    ['a member that is a number', { ...jwk.RS256, n: 5 }, /lacks its member `n`/],
    ['a point beside the curve', { ...jwk.ES256, y: jwk.ES256['x'] ?? '' }, /cannot be imported/],
    ['P-256 coordinates said to be P-384', { ...jwk.ES256, crv: 'P-384' }, /cannot be imported/],
    ['secp256k1', curve('secp256k1'), /curve/],
    ['X25519', exported(generateKeyPairSync('x25519')), /cannot sign/],
    ['an unknown curve', { ...jwk.ES256, crv: 'P-192' }, /cannot be imported/],
    ['an unknown kty', { kty: 'AKP', kid: 'a', pub: 'AAAA' }, /`kty`/],
    ['no kty', { kid: 'a' }, /`kty`/],
    ['a kty from the prototype', { kty: 'constructor' }, /`kty`/],
    ['use enc', { ...jwk.ES256, use: 'enc' }, /`use`/],
    ['use in another letter case', { ...jwk.ES256, use: 'SIG' }, /`use`/],
    ['key_ops sign', { ...jwk.ES256, key_ops: ['sign'] }, /`key_ops`/],
    ['key_ops that is no array', { ...jwk.ES256, key_ops: 'verify' }, /`key_ops`/],
    ['alg HS256', { ...jwk.RS256, alg: 'HS256' }, /`alg`/],
    ['alg none', { ...jwk.RS256, alg: 'none' }, /`alg`/],
    ['alg RSA-OAEP', { ...jwk.RS256, alg: 'RSA-OAEP' }, /`alg`/],
    ['an alg of another type', { ...jwk.ES256, alg: 'RS256' }, /`alg`/],
    ['an alg of another curve', { ...jwk.ES256, alg: 'ES384' }, /`alg`/],
    ['an alg that is a number', { ...jwk.ES256, alg: 1 }, /`alg`/],
  ])('remembers %s as unusable (RFC 8725 §3.1, OKTA-E13)', (_, key, reason) => {
    expect(algorithmsOf(key)).toMatch(reason)
  })

  test.each([[null], [[]], ['keys'], [7], [{}], [{ keys: null }], [{ keys: {} }], [{ keys: 'abc' }]])(
    'a document %j is no key set, and that is not the fault of the token',
    (document) => {
      expect(() => readVerificationKeys(document)).toThrow(
        expect.objectContaining({ code: 'keys.unavailable' }),
      )
    },
  )

  test('entries that are no objects are left out', () => {
    expect(readVerificationKeys({ keys: [null, 5, 'a', [], jwk.ES256] })).toHaveLength(1)
  })

  test('a set of keysMax keys is read, one more is not', () => {
    const keys = Array.from({ length: keysMax }, () => jwk.EdDSA)
    expect(readVerificationKeys({ keys })).toHaveLength(keysMax)
    expect(() => readVerificationKeys({ keys: [...keys, jwk.EdDSA] })).toThrow(
      expect.objectContaining({ code: 'keys.unavailable' }),
    )
  })

  test('every supported algorithm has a kind of key', async () => {
    for (const alg of setAlgorithms) expect(algorithmsOf(await published(alg))).toContain(alg)
  })
})

describe('pickVerificationKey', () => {
  const named = (key: JsonObject, kid: string) => ({ ...key, kid })
  const keys = readVerificationKeys({
    keys: [
      named(jwk.ES256, 'shared'),
      named(jwk.RS256, 'shared'),
      { ...named(jwk.EdDSA, 'shared'), use: 'enc' },
      { ...named(jwk.EdDSA, 'enc'), use: 'enc' },
      without(jwk.EdDSA, 'kid'),
      { ...jwk.EdDSA, kid: 7 },
    ],
  })

  test('of several keys with one kid, the one that fits the algorithm is picked', () => {
    expect(pickVerificationKey(keys, 'shared', 'RS256').key.asymmetricKeyType).toBe('rsa')
    expect(pickVerificationKey(keys, 'shared', 'ES256').key.asymmetricKeyType).toBe('ec')
  })

  test.each<[string, SetAlgorithm, string, RegExp]>([
    [
      'shared',
      'PS256',
      'set.key_refused',
      /is for ES256, and the token says PS256; another is for RS256, .* \(kid=shared\)/,
    ],
    ['shared', 'EdDSA', 'set.key_refused', /`use`/],
    ['enc', 'EdDSA', 'set.key_refused', /is not for signatures by its `use` \(kid=enc\)/],
    ['7', 'EdDSA', 'set.unknown_key', /kid=7/],
    ['undefined', 'EdDSA', 'set.unknown_key', /kid=undefined/],
    ['SHARED', 'RS256', 'set.unknown_key', /kid=SHARED/],
    ['a\nb' + 'c'.repeat(1000), 'RS256', 'set.unknown_key', /kid=a\uFFFDbc{253}…\.$/],
  ])('a kid is looked up: %#', (kid, alg, code, detail) => {
    expect(() => pickVerificationKey(keys, kid, alg)).toThrow(
      expect.objectContaining({ code, detail: expect.stringMatching(detail) }),
    )
  })
})

/** A modulus of the given length; its factors are unknown, and reading a key set needs none. */
function bigRsa(bits: number): JsonObject {
  const n = (1n << BigInt(bits - 1)) + 12_345n
  const hex = n.toString(16)
  const jwk = {
    kty: 'RSA',
    n: Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url'),
  }
  expect(
    createPublicKey({ key: { ...jwk, e: 'AQAB' }, format: 'jwk' }).asymmetricKeyDetails?.modulusLength,
  ).toBe(bits)
  return { ...jwk, e: 'AQAB' }
}
