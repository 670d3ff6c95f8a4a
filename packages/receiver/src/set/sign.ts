import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import type { JWK } from 'jose'
import { signBytes } from './signature.ts'
import type { SetAlgorithm } from './verification-key.ts'

/** A transmitter's key, for tests and the command line; the hub itself signs no SETs. */
export interface SigningKey {
  readonly alg: SetAlgorithm
  readonly kid: string
  readonly privateKey: KeyObject
}

/** @param kid - the key's thumbprint (RFC 7638) unless given. */
export async function generateSigningKey(alg: SetAlgorithm, kid?: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return {
    alg,
    kid: kid ?? (await calculateJwkThumbprint(await exportJWK(publicKey))),
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
  }
}

/** The key as a transmitter publishes it. */
export function publicJwk({ alg, kid, privateKey }: SigningKey): JWK {
  return { kid, alg, use: 'sig', ...createPublicKey(privateKey).export({ format: 'jwk' }) }
}

export interface SetToSign {
  readonly key: SigningKey
  /** A string is used as the payload unchanged, to make what no JSON writer would. */
  readonly claims: object | string
  /** Added to alg, kid and typ, or replaces them; undefined leaves a member out. */
  readonly header?: Readonly<Record<string, unknown>>
}

/** A compact JWS. The header is written as given, even if it is wrong; the key's own algorithm signs. */
export function signSet({ key, claims, header = {} }: SetToSign): string {
  const protectedHeader = JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'secevent+jwt', ...header })
  const payload = typeof claims === 'string' ? claims : JSON.stringify(claims)
  const signed = `${base64url(protectedHeader)}.${base64url(payload)}`
  return `${signed}.${signBytes(key.alg, Buffer.from(signed), key.privateKey).toString('base64url')}`
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
