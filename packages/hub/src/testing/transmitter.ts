import { realWorld, type World } from '../base/world.ts'
import { generateSigningKey, signSet, type SigningKey, type SetAlgorithm } from '@watchbell/receiver/set'
import { makeBroken, type BreakageName, type Workshop } from './breakages.ts'
import { startDocumentServer } from './document-server.ts'
import { pushSet, type PushAnswer } from './push-client.ts'
import { claimsOfDraft, type SetDraft } from './set-draft.ts'
import { createTransmitterKeys } from './transmitter-keys.ts'

export interface TransmitterOptions {
  /** `iss` of its SETs, any string; where it is reached unless given. */
  readonly issuer?: string
  /** What it signs with, and its key if that shall be a certain one; RS256 and a new key unless given. */
  readonly alg?: SetAlgorithm
  readonly key?: SigningKey
  readonly host?: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** Where others reach it, when that is not where it listens: behind a proxy, or on all addresses. */
  readonly origin?: string
  /** Clock, chance and network; the real ones unless given. */
  readonly world?: Pick<World, 'now' | 'newUuid' | 'fetch'>
}

/** A transmitter of security events that really listens, signs and sends. Nothing of it is kept when it is disposed. */
export interface Transmitter extends AsyncDisposable {
  readonly origin: string
  readonly issuer: string
  /** Its metadata (SSF 1.0 §7.2): where an issuer on its own origin is discovered. */
  readonly wellKnownUrl: string
  readonly jwksUrl: string
  /** How often its documents were fetched. */
  readonly fetches: { readonly metadata: number; readonly keys: number }
  /** While true, whoever fetches its documents finds the connection closed. */
  down: boolean
  /**
   * A sound token, however senseless what it says.
   * @throws HubError `set.event_invalid` when there is no such event type
   */
  sign(draft: SetDraft): string
  /** A token or body that is broken in this one way; see `breakages`. */
  signBroken(name: BreakageName, draft: SetDraft): Promise<string>
  /**
   * Pushes a token (RFC 8935) once, without trying again.
   * @param to - the hub's origin, or the whole URL of another receiver's push endpoint
   * @throws the error of `fetch` when there is no answer
   */
  push(to: string, token: string): Promise<PushAnswer>
  /** Makes a new key sign; the old one stays published unless it is `withdrawn`. @returns the new one's `kid` */
  rotateKey(how?: { readonly withdrawn: boolean }): Promise<string>
}

const wellKnownPath = '/.well-known/ssf-configuration'
const jwksPath = '/jwks.json'

/** Starts a transmitter with a real HTTP server. @throws the error of `listen`, such as EADDRINUSE */
export async function startTransmitter(options: TransmitterOptions = {}): Promise<Transmitter> {
  const { host = '127.0.0.1', port = 0, world = realWorld(globalThis.fetch) } = options
  const keys = createTransmitterKeys(options.key ?? (await generateSigningKey(options.alg ?? 'RS256')))
  const fetches = { metadata: 0, keys: 0 }

  const server = await startDocumentServer({
    host,
    port,
    find(path) {
      if (path === jwksPath) {
        fetches.keys++
        return { keys: keys.published() }
      }
      if (path !== metadataPath) return undefined
      fetches.metadata++
      return metadata
    },
  })
  const origin = options.origin ?? server.origin
  const issuer = options.issuer ?? origin
  const jwksUrl = origin + jwksPath
  // RFC 8615 insertion: a path of the issuer stands behind the well-known one.
  const metadataPath = wellKnownPath + (URL.parse(issuer)?.pathname.replace(/\/$/, '') ?? '')
  const metadata = {
    spec_version: '1_0',
    issuer,
    jwks_uri: jwksUrl,
    delivery_methods_supported: ['urn:ietf:rfc:8935'],
  }

  const claims = (draft: SetDraft): Record<string, unknown> =>
    claimsOfDraft(draft, { issuer, jti: world.newUuid(), issuedAt: world.now() })
  const workshop: Workshop = { keys, claims }

  return {
    origin,
    issuer,
    wellKnownUrl: origin + metadataPath,
    jwksUrl,
    fetches,
    get down() {
      return server.down
    },
    set down(down) {
      server.down = down
    },
    sign: (draft) =>
      signSet({ key: keys.signing, claims: claims(draft), ...(draft.header && { header: draft.header }) }),
    signBroken: (name, draft) => makeBroken(name, workshop, draft),
    push: (to, token) => pushSet(world.fetch, to, token),
    rotateKey: async (how = { withdrawn: false }) => (await keys.rotate(how)).kid,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
