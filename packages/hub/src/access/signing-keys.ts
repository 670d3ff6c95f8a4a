import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose'
import type { SecretBox } from '../base/secret-box.ts'
import type { World } from '../base/world.ts'
import type { AccessStorage } from './access-storage.ts'
import type { SigningKeyRecord } from './signing-key-store.ts'

/** The hub's signing keys, and their public keys for verification. */
export interface SigningKeys {
  /** The current signing key; makes one when there is none. */
  current(): Promise<{ readonly kid: string; readonly key: CryptoKey }>
  /** The public key with this `kid`, until it stops verifying. */
  find(kid: string): Promise<CryptoKey | undefined>
  /** Every key that verifies, newest first, as `GET /oauth2/v1/keys` shows them (OKTA-O30). */
  publicKeys(): Promise<readonly JWK[]>
  /**
   * Makes a new key sign; the old one verifies until the last token that it signed has expired.
   * @param lost - whether the secret key that sealed the old one is lost
   * @throws HubError `hub.secret_unreadable` when the old key was sealed with another secret key, and `lost` is not set
   */
  rotate(lost?: 'lost'): Promise<{ readonly kid: string }>
}

export interface SigningKeysDeps {
  readonly world: Pick<World, 'now'>
  readonly storage: AccessStorage
  readonly box: SecretBox
  /** The longest lifetime of anything that is signed. */
  readonly signedForMaxMs: number
}

export const signingAlgorithm = 'RS256'

/** The keys over their store. Reads it for every use, so that a rotation by another node takes effect at once. */
export function createSigningKeys({ world, storage, box, signedForMaxMs }: SigningKeysDeps): SigningKeys {
  /** Imported keys by `kid`: the key of a `kid` never changes. */
  const imported = new Map<string, Promise<CryptoKey>>()

  async function verifying(): Promise<readonly SigningKeyRecord[]> {
    const now = world.now()
    const records = await storage.stores.signingKeys.list()
    return records.filter(({ verifiesUntil }) => verifiesUntil === undefined || verifiesUntil > now)
  }

  function importOnce(name: string, jwk: () => Promise<JWK>): Promise<CryptoKey> {
    const known = imported.get(name)
    if (known !== undefined) return known
    const key = jwk().then(async (jwk) => (await importJWK(jwk, signingAlgorithm)) as CryptoKey) // never `oct`
    imported.set(name, key)
    key.catch(() => imported.delete(name))
    return key
  }

  /** Replaces the key with the kid `former` by a new one, unless another node has done so. */
  async function succeed(former: string | undefined): Promise<string | undefined> {
    const pair = await generateKeyPair(signingAlgorithm, { modulusLength: 2048, extractable: true })
    const publicJwk = await exportJWK(pair.publicKey)
    const kid = await calculateJwkThumbprint(publicJwk)
    const record: SigningKeyRecord = {
      kid,
      publicJwk: { ...publicJwk, kid, use: 'sig', alg: signingAlgorithm },
      sealedPrivateJwk: await box.seal(JSON.stringify(await exportJWK(pair.privateKey))),
      createdAt: world.now(),
      verifiesUntil: undefined,
    }
    return storage.transaction(async ({ stores: { signingKeys } }) => {
      const until = new Date(world.now().getTime() + signedForMaxMs)
      if (former !== undefined && !(await signingKeys.retire(former, until))) return undefined
      return (await signingKeys.insertOnce(record)) ? kid : undefined
    })
  }

  async function signing(): Promise<SigningKeyRecord> {
    for (let triesLeft = 2; triesLeft > 0; triesLeft--) {
      const record = (await verifying()).find(({ verifiesUntil }) => verifiesUntil === undefined)
      if (record !== undefined) return record
      await succeed(undefined)
    }
    throw new Error('A signing key was made, and the storage does not show it.')
  }

  return {
    async current() {
      const { kid, sealedPrivateJwk } = await signing()
      const key = await importOnce(`private ${kid}`, async () => {
        return JSON.parse(await box.open(sealedPrivateJwk)) as JWK // as succeed sealed it
      })
      return { kid, key }
    },
    async find(kid) {
      const record = (await verifying()).find((record) => record.kid === kid)
      return record && importOnce(`public ${kid}`, async () => record.publicJwk)
    },
    async publicKeys() {
      await signing()
      return (await verifying()).map(({ publicJwk }) => publicJwk)
    },
    async rotate(lost) {
      const former = await signing()
      if (lost === undefined) await box.open(former.sealedPrivateJwk) // a node that can open it continues to sign with it
      const kid = await succeed(former.kid)
      // Another node rotated at the same moment; its new key is used.
      return { kid: kid ?? (await signing()).kid }
    },
  }
}
