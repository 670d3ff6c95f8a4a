import { createPrivateKey } from 'node:crypto'
import { isJsonArray, parseIJson, isJsonObject, type JsonObject } from '@watchbell/receiver/base'
import { wrongUsage, type CliIo } from './cli-io.ts'
import { readInput } from './input.ts'

/**
 * A private key as a JWK, from a file or standard input (`-`) that holds PEM, a JWK, or a JWK Set with one private key.
 * The caller checks whether the key can sign.
 * @throws CliError without any part of the key
 */
export async function readPrivateJwk(io: Pick<CliIo, 'stdin'>, file: string): Promise<JsonObject> {
  const where = file === '-' ? 'Standard input' : file
  const bytes = await readInput(io, file)
  const text = bytes.toString('utf8')
  if (text.includes('-----BEGIN ')) return ofPem(where, text)
  const parsed = parseIJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) {
    throw wrongUsage(`${where} holds no private key: neither PEM, nor a JWK, nor a JWK Set.`)
  }
  const { keys } = parsed.value
  if (keys === undefined) return parsed.value
  const members = isJsonArray(keys) ? keys.filter(isJsonObject) : []
  const [only, ...others] = members.filter(({ d, use }) => typeof d === 'string' && (use ?? 'sig') === 'sig')
  if (only !== undefined && others.length === 0) return only
  throw wrongUsage(
    `${where} is a JWK Set with ${others.length + (only === undefined ? 0 : 1)} private keys that may sign; it must have one. Give the key itself.`,
  )
}

function ofPem(where: string, text: string): JsonObject {
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw wrongUsage(`The key in ${where} is encrypted; give it without a passphrase: openssl pkey -in FILE.`)
  }
  const begin = text.search(/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/) // EC keys have their parameters before them
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a JWK is an object of JSON
    return createPrivateKey(text.slice(Math.max(0, begin))).export({ format: 'jwk' }) as JsonObject
  } catch {
    throw wrongUsage(
      `The PEM in ${where} is no private key that can be used here: RSA, EC (P-256, P-384, P-521) or Ed25519.`,
    )
  }
}
