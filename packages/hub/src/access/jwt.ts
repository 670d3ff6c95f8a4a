import { parseIJson, isJsonObject, type JsonObject } from '@watchbell/receiver/base'
import { signatureHolds, isSetAlgorithm, type VerificationKey } from '@watchbell/receiver/set'

/** A compact JWS as received. Nothing in it is trusted yet. */
export interface UncheckedJwt {
  readonly text: string
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** Longer texts are not read. */
export const jwtCharsMax = 16_384

/** Reads a compact JWS (RFC 7515 §7.1) without extensions and with a JSON object as payload; undefined for other text. */
export function readJwt(text: string): UncheckedJwt | undefined {
  if (text.length > jwtCharsMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return undefined
  const [header, claims] = text.split('.').slice(0, 2).map(readPart)
  if (header === undefined || claims === undefined || 'crit' in header || 'b64' in header) return undefined
  return { text, header, claims }
}

function readPart(part: string): JsonObject | undefined {
  const parsed = parseIJson(Buffer.from(part, 'base64url'), { wideNumbers: 'as_text' })
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined
}

/** Whether the signature is by this key, with an algorithm that fits the key. */
export async function isSignedBy(
  { text, header }: UncheckedJwt,
  { key, algorithms }: Pick<VerificationKey, 'key' | 'algorithms'>,
): Promise<boolean> {
  const { alg } = header
  if (!isSetAlgorithm(alg) || !algorithms.has(alg)) return false
  const signatureAt = text.lastIndexOf('.') + 1
  const signature = Buffer.from(text.slice(signatureAt), 'base64url')
  const signedBytes = Buffer.from(text.slice(0, signatureAt - 1), 'latin1')
  return signatureHolds({ alg, signedBytes, signature }, key)
}

/** A claim that is a number of seconds since 1970 (RFC 7519 §2); `undefined` when absent or null, `NaN` when malformed. */
export function seconds(claim: JsonObject[string] | undefined): number | undefined {
  if (claim === undefined || claim === null) return undefined
  return typeof claim === 'number' ? claim : Number.NaN
}
