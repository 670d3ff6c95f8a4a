import { CompactEncrypt, compactDecrypt } from 'jose'
import { HubError } from './hub-error.ts'

/** Encrypts secrets for storage under one key of the hub. */
export interface SecretBox {
  seal(text: string): Promise<string>
  /** @throws HubError `hub.secret_unreadable` when it was sealed with another key or changed since */
  open(sealed: string): Promise<string>
}

export const secretBoxKeyBytes = 32

/** A box that writes JWE compact serialisations (RFC 7516), `dir` with A256GCM. @param key 32 secret bytes */
export function createSecretBox(key: Uint8Array): SecretBox {
  if (key.byteLength !== secretBoxKeyBytes) {
    throw new RangeError(`A secret box needs a key of ${secretBoxKeyBytes} bytes and got ${key.byteLength}.`)
  }
  return {
    seal(text) {
      return new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(key)
    },
    async open(sealed) {
      try {
        const { plaintext } = await compactDecrypt(sealed, key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        })
        return new TextDecoder().decode(plaintext)
      } catch (error) {
        throw new HubError('hub.secret_unreadable', { cause: error })
      }
    },
  }
}
