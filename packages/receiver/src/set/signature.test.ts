import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { CompactSign, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { derSignature, signatureHolds, signBytes } from './signature.ts'
import { generateSigningKey } from './sign.ts'
import { setAlgorithms } from './verification-key.ts'
import type { SetAlgorithm } from './verification-key.ts'

const bytes = Buffer.from('eyJ9.eyJ9')
const keyOf = async (alg: SetAlgorithm) => {
  const { privateKey } = await generateSigningKey(alg)
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

describe.each(setAlgorithms)('signatureHolds: %s', async (alg) => {
  const { privateKey, publicKey } = await keyOf(alg)
  const other = await keyOf(alg)
  const holds = (signature: Uint8Array, over: Uint8Array = bytes, key = publicKey) =>
    signatureHolds({ alg, signedBytes: over, signature }, key)
  const good = signBytes(alg, bytes, privateKey)

  test('holds for what the key signed', async () => {
    expect(await holds(good)).toBe(true)
  })

  test('holds for what jose signed', async () => {
    const joseKey = await importJWK(privateKey.export({ format: 'jwk' }), alg)
    const jws = await new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg }).sign(joseKey)
    const [header, payload, signature = ''] = jws.split('.')
    expect(await holds(Buffer.from(signature, 'base64url'), Buffer.from(`${header}.${payload}`))).toBe(true)
  })

  test('does not hold with any one bit flipped', async () => {
    for (let at = 0; at < good.length; at++) {
      const turned = Buffer.from(good)
      turned.writeUInt8(turned.readUInt8(at) ^ (1 << (at % 8)), at)
      expect(await holds(turned), `byte ${at}`).toBe(false)
    }
  })

  test('does not hold over other bytes, or with another key of the type', async () => {
    expect(await holds(good, Buffer.from('eyJ9.eyJ8'))).toBe(false)
    expect(await holds(good, bytes, other.publicKey)).toBe(false)
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['one byte less', good.subarray(0, -1)],
    ['one byte more', Buffer.concat([good, Buffer.of(0)])],
    ['a byte before it', Buffer.concat([Buffer.of(0), good])],
    ['zeros', new Uint8Array(good.length)],
    ['ones', new Uint8Array(good.length).fill(0xff)],
    ['noise', randomBytes(good.length)],
    ['something long', randomBytes(40_000)],
    ['an HMAC with the public key as secret', hmac(publicKey.export({ format: 'pem', type: 'spki' }))],
  ])('does not hold for %s', async (_, signature) => {
    expect(await holds(signature)).toBe(false)
  })
})

describe.each(['ES256', 'ES384', 'ES512'] as const)('%s over raw r‖s (RFC 7518 §3.4)', async (alg) => {
  const { privateKey, publicKey } = await keyOf(alg)

  test('holds for many signatures, whatever the first bits of r and s', async () => {
    for (let round = 0; round < 400; round++) {
      const over = Buffer.from(`round ${round}`)
      const signature = signBytes(alg, over, privateKey)
      expect(await signatureHolds({ alg, signedBytes: over, signature }, publicKey)).toBe(true)
    }
  })

  test('does not hold for the same signature in DER', async () => {
    const der = sign(`sha${alg === 'ES256' ? 256 : alg === 'ES384' ? 384 : 512}`, bytes, privateKey)
    expect(await signatureHolds({ alg, signedBytes: bytes, signature: der }, publicKey)).toBe(false)
  })

  test('does not hold for r‖s padded to the next curve', async () => {
    const raw = signBytes(alg, bytes, privateKey)
    const half = raw.length / 2
    const pad = Buffer.alloc(2)
    const padded = Buffer.concat([pad, raw.subarray(0, half), pad, raw.subarray(half)])
    expect(await signatureHolds({ alg, signedBytes: bytes, signature: padded }, publicKey)).toBe(false)
  })
})

test.each([
  ['small integers', '00000001', '00000002', '3006020101020102'],
  ['high bits', '80000000', 'ffffffff', '300e02050080000000020500ffffffff'],
  ['leading zeros before a high bit', '00008000', '000000ff', '30090203008000020200ff'],
  ['zero, which no verifier takes', '00000000', '00000000', '3006020100020100'],
])('derSignature writes %s as DER integers', (_, r, s, der) => {
  expect(Buffer.from(derSignature(Buffer.from(r + s, 'hex'), 4) ?? []).toString('hex')).toBe(der)
})

test('derSignature writes the long form of a length above 127', () => {
  const der = derSignature(new Uint8Array(132).fill(0xff), 66) ?? []
  expect([...der].slice(0, 6)).toEqual([0x30, 0x81, 138, 0x02, 67, 0x00])
})

test.each([0, 63, 65, 128])('derSignature of %i bytes is undefined for P-256', (length) => {
  expect(derSignature(new Uint8Array(length), 32)).toBeUndefined()
})

test('an Ed448 key checks EdDSA too (RFC 8037 §3.1)', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed448')
  const signature = signBytes('EdDSA', bytes, privateKey)
  expect(await signatureHolds({ alg: 'EdDSA', signedBytes: bytes, signature }, publicKey)).toBe(true)
  expect(await signatureHolds({ alg: 'EdDSA', signedBytes: Buffer.from('x'), signature }, publicKey)).toBe(
    false,
  )
})

test('PSS with a salt length other than the digest’s does not hold (RFC 7518 §3.5)', async () => {
  const { privateKey, publicKey } = await keyOf('PS256')
  const signature = sign('sha256', bytes, { key: privateKey, padding: 6, saltLength: 20 })
  expect(await signatureHolds({ alg: 'PS256', signedBytes: bytes, signature }, publicKey)).toBe(false)
})

function hmac(secret: string | Buffer): Buffer {
  return createHmac('sha256', secret).update(bytes).digest()
}
