import { constants, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { SetAlgorithm } from './verification-key.ts'

interface Signer {
  /** Undefined for EdDSA, which includes its own hash. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | undefined
  readonly padding: 'pkcs1' | 'pss' | undefined
  /** Bytes of r, and of s (RFC 7518 §3.4). */
  readonly ecdsaBytes: number | undefined
}

const signers: Readonly<Record<SetAlgorithm, Signer>> = {
  RS256: { digest: 'sha256', padding: 'pkcs1', ecdsaBytes: undefined },
  RS384: { digest: 'sha384', padding: 'pkcs1', ecdsaBytes: undefined },
  RS512: { digest: 'sha512', padding: 'pkcs1', ecdsaBytes: undefined },
  PS256: { digest: 'sha256', padding: 'pss', ecdsaBytes: undefined },
  PS384: { digest: 'sha384', padding: 'pss', ecdsaBytes: undefined },
  PS512: { digest: 'sha512', padding: 'pss', ecdsaBytes: undefined },
  ES256: { digest: 'sha256', padding: undefined, ecdsaBytes: 32 },
  ES384: { digest: 'sha384', padding: undefined, ecdsaBytes: 48 },
  ES512: { digest: 'sha512', padding: undefined, ecdsaBytes: 66 },
  EdDSA: { digest: undefined, padding: undefined, ecdsaBytes: undefined },
  Ed25519: { digest: undefined, padding: undefined, ecdsaBytes: undefined },
}

export interface SignedBytes {
  readonly alg: SetAlgorithm
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }

/**
 * Whether the signature is this key's (RFC 7518 §3). The caller has checked that the key is fit for `alg`.
 * RSA is checked on this thread, the slower curves in the thread pool. The bare key is used where possible: inside an
 * options object it takes half as long again.
 */
export async function signatureHolds(signed: SignedBytes, key: KeyObject): Promise<boolean> {
  const { digest, padding, ecdsaBytes } = signers[signed.alg]
  if (padding === 'pkcs1') return holdsOnTheSpot(digest, signed, key)
  if (padding === 'pss') return holdsOnTheSpot(digest, signed, { key, ...pss })
  const signature = ecdsaBytes === undefined ? signed.signature : derSignature(signed.signature, ecdsaBytes)
  if (signature === undefined) return false
  return new Promise((resolve) => {
    // OpenSSL throws for a signature that it cannot read
    verify(digest, signed.signedBytes, key, signature, (error, holds) => resolve(error === null && holds))
  })
}

function holdsOnTheSpot(
  digest: Signer['digest'],
  { signedBytes, signature }: SignedBytes,
  key: KeyObject | ({ key: KeyObject } & typeof pss),
): boolean {
  try {
    return verify(digest, signedBytes, key, signature)
  } catch {
    return false
  }
}

/** Signs as {@link signatureHolds} checks; for transmitters in tests and on the command line. */
export function signBytes(alg: SetAlgorithm, bytes: Uint8Array, key: KeyObject): Buffer {
  const { digest, padding, ecdsaBytes } = signers[alg]
  if (padding === 'pss') return sign(digest, bytes, { key, ...pss })
  if (ecdsaBytes !== undefined) return sign(digest, bytes, { key, dsaEncoding: 'ieee-p1363' })
  return sign(digest, bytes, key)
}

/**
 * JOSE's r‖s as the DER sequence of two integers that OpenSSL reads (RFC 7518 §3.4, RFC 3279 §2.2.3).
 * @returns undefined when the length is not that of the curve
 */
export function derSignature(raw: Uint8Array, integerBytes: number): Uint8Array | undefined {
  if (raw.length !== 2 * integerBytes) return undefined
  const r = derInteger(raw.subarray(0, integerBytes))
  const s = derInteger(raw.subarray(integerBytes))
  const length = r.length + s.length
  const head = length < 0x80 ? [0x30, length] : [0x30, 0x81, length]
  const der = new Uint8Array(head.length + length)
  der.set(head)
  der.set(r, head.length)
  der.set(s, head.length + r.length)
  return der
}

function derInteger(bigEndian: Uint8Array): Uint8Array {
  let start = 0
  while (start < bigEndian.length - 1 && bigEndian[start] === 0) start++
  const sign = (bigEndian[start] ?? 0) >= 0x80 ? 1 : 0 // a leading zero keeps it positive
  const integer = new Uint8Array(2 + sign + bigEndian.length - start)
  integer[0] = 0x02
  integer[1] = integer.length - 2
  integer.set(bigEndian.subarray(start), 2 + sign)
  return integer
}
