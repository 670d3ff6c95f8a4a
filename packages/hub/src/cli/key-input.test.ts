import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import { importClientKey } from '../streams/transmitter-auth.ts'
import { readPrivateJwk } from './key-input.ts'

const folder = await temporaryFolder()
afterAll(() => folder[Symbol.asyncDispose]())
let files = 0
async function read(text: string): Promise<JsonObject> {
  const file = join(folder.path, `${(files += 1)}.key`)
  await writeFile(file, text)
  return readPrivateJwk({ stdin: (async function* () {})() }, file)
}

const pairs = {
  RSA: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: generateKeyPairSync('ed25519'),
}
let other: JsonObject
beforeAll(() => {
  other = pairs['P-384'].publicKey.export({ format: 'jwk' }) as JsonObject
})

test.each(Object.entries(pairs))(
  'a private key (%s) is read from PEM, a JWK and a JWK Set, and can sign',
  async (_kind, pair) => {
    const { privateKey } = pair
    const jwk = privateKey.export({ format: 'jwk' }) as JsonObject
    const texts = [
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      `# mine\n${privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()}\n`,
      JSON.stringify(jwk),
      JSON.stringify({ keys: [other, { ...jwk, kid: 'k' }, { ...jwk, use: 'enc' }] }),
    ]
    for (const text of texts) {
      const found = await read(text)
      expect(found).toMatchObject(jwk)
      expect(await importClientKey(found)).toMatchObject({ type: 'private' })
    }
  },
)

test('an EC key as openssl writes it, with its parameters before it', async () => {
  const { privateKey } = pairs['P-521']
  const sec1 = privateKey.export({ format: 'pem', type: 'sec1' }).toString()
  const parameters = '-----BEGIN EC PARAMETERS-----\nBgUrgQQAIw==\n-----END EC PARAMETERS-----\n'
  expect(await read(parameters + sec1)).toEqual(privateKey.export({ format: 'jwk' }))
})

test('a file without a private key is refused, and the error shows none of its content', async () => {
  const { privateKey, publicKey } = pairs.RSA
  const jwk = privateKey.export({ format: 'jwk' })
  const encrypted = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  for (const [text, why] of [
    ['hunter2', 'neither PEM'],
    ['["hunter2"]', 'neither PEM'],
    [privateKey.export(encrypted).toString(), 'encrypted'],
    [publicKey.export({ format: 'pem', type: 'spki' }).toString(), 'no private key'],
    ['-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----', 'no private key'],
    [JSON.stringify({ keys: [] }), 'with 0 private keys'],
    [JSON.stringify({ keys: [jwk, jwk] }), 'with 2 private keys'],
    [JSON.stringify({ keys: 'hunter2' }), 'with 0 private keys'],
  ] as const) {
    await expect(read(text)).rejects.toThrow(why)
    await expect(read(text)).rejects.not.toThrow('hunter2')
  }
})
