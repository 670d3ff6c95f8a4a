import { hash } from 'node:crypto'

const prefix = 'sig'

/**
 * What makes a SET the same SET (RFC 8417 §2.2: `jti` is unique per issuer): 32 hex digits of SHA-256 over both. They
 * hold no NUL, so the pair is unambiguous. Being derived, it needs no second index and is the same on every node.
 */
export function signalKey(iss: string, jti: string): string {
  return hash('sha256', `${iss}\0${jti}`, 'hex').slice(0, 32)
}

export function signalId(iss: string, jti: string): string {
  return prefix + signalKey(iss, jti)
}

/** @param key - the 16 bytes of a signal's key */
export function signalIdOfKey(key: Uint8Array): string {
  return prefix + Buffer.from(key).toString('hex')
}

/** The key inside an id, or undefined when it is not the id of an accepted signal. */
export function keyOfSignalId(id: string): string | undefined {
  return new RegExp(`^${prefix}([0-9a-f]{32})$`).exec(id)?.[1]
}
