import { compactVerify, type CryptoKey, type KeyObject } from 'jose'
import { parseIJson } from '../base/i-json.ts'
import { isJsonObject, type JsonObject } from '../base/json.ts'

/** A compact JWS as it came. Nothing in it is trusted yet. */
export interface UncheckedJwt {
  readonly text: string
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** Longer ones are not read. */
export const jwtCharsMax = 16_384

/** Reads a compact JWS (RFC 7515 §7.1) without extensions whose payload is a JSON object, or gives undefined. */
export function readJwt(text: string): UncheckedJwt | undefined {
  if (text.length > jwtCharsMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return undefined
  const [header, claims] = text.split('.').slice(0, 2).map(readPart)
  if (header === undefined || claims === undefined || 'crit' in header || 'b64' in header) return undefined
  return { text, header, claims }
}

function readPart(part: string): JsonObject | undefined {
  const parsed = parseIJson(Buffer.from(part, 'base64url'))
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined
}

/** Whether the signature is by this key. Whatever keeps jose from checking it counts as no. */
export async function isSignedBy(
  jwt: UncheckedJwt,
  key: CryptoKey | KeyObject,
  algorithms: readonly string[],
): Promise<boolean> {
  try {
    await compactVerify(jwt.text, key, { algorithms: [...algorithms] })
    return true
  } catch {
    return false
  }
}

/** A claim that is a number of seconds since 1970 (RFC 7519 §2); `undefined` when absent, `NaN` when malformed. */
export function seconds(claim: JsonObject[string] | undefined): number | undefined {
  if (claim === undefined) return undefined
  return typeof claim === 'number' ? claim : Number.NaN
}
