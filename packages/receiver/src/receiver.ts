import { silentLogger, type Logger } from './base/logger.ts'
import { ReceiverError } from './base/receiver-error.ts'
import type { ReceiverWorld } from './base/receiver-world.ts'
import { inSentence } from './base/sentence.ts'
import { readEvents } from './events/read-events.ts'
import type { SecurityEvent } from './events/security-event.ts'
import { createKeyCache } from './jwks/key-cache.ts'
import { defaultKeyLimits, type KeyLimits } from './jwks/provider-keys.ts'
import type { Dialect } from './set/dialect.ts'
import { parseToken } from './set/parse-token.ts'
import { createSetVerifier } from './set/set-verifier.ts'

/** A transmitter whose tokens are accepted. */
export interface ReceivedFrom {
  /** Compared with a token's `iss` character for character. */
  readonly issuer: string
  /** Where the transmitter publishes its keys: an https URL, or one of this machine. */
  readonly jwksUrl: string
  /** The audiences of this receiver; `aud` must contain at least one. */
  readonly audiences: readonly string[]
  /** Deviations from the specifications that this transmitter may use; none by default. */
  readonly dialects?: readonly Dialect[]
}

/** A token whose signature, issuer, audience and time held, with its events decoded. */
export interface ReceivedSet {
  readonly iss: string
  /** Identifies the token together with `iss`: a transmitter may send one token several times. */
  readonly jti: string
  readonly issuedAt: Date
  readonly events: readonly SecurityEvent[]
  /** The token as it came, a compact JWS. */
  readonly token: string
}

export interface Receiver extends AsyncDisposable {
  /**
   * Checks and decodes one token.
   * @throws ReceiverError `set.*` when the token is refused; `keys.unavailable` and `hub.clock_behind` when the same token may
   *   be taken later
   */
  receive(token: string | Uint8Array): Promise<ReceivedSet>
}

export interface ReceiverOptions {
  readonly transmitters: readonly ReceivedFrom[]
  /** How keys are fetched; without redirects unless given. */
  readonly fetch?: typeof globalThis.fetch
  readonly now?: () => Date
  readonly logger?: Logger
  readonly limits?: Partial<KeyLimits>
}

const issuerShownCharsMax = 256
const noDialects: ReadonlySet<Dialect> = new Set()

/**
 * A receiver without storage: it remembers only the transmitters' keys. The caller stores the received tokens, and
 * recognizes a repeated token by `iss` and `jti`.
 * @throws TypeError when the settings of a transmitter are not safe
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { transmitters, logger = silentLogger } = options
  const world: Pick<ReceiverWorld, 'now' | 'fetch'> = {
    now: options.now ?? (() => new Date()),
    fetch: options.fetch ?? fetchWithoutRedirects,
  }
  const byIssuer = new Map(transmitters.map((one) => [one.issuer, { ...one, spoken: new Set(one.dialects) }]))
  for (const one of transmitters) requireSound(one)
  if (byIssuer.size < transmitters.length) throw new TypeError('Two transmitters have the same issuer.')
  const keys = createKeyCache({ world, logger, limits: { ...defaultKeyLimits, ...options.limits } })
  const verifier = createSetVerifier(world)
  return {
    async receive(body) {
      const token = parseToken(body, (iss) => byIssuer.get(iss)?.spoken ?? noDialects)
      const { iss } = token.claims
      const transmitter = byIssuer.get(iss)
      if (transmitter === undefined)
        throw new ReceiverError('set.unknown_issuer', {
          detail: `No transmitter has the issuer ${inSentence(iss, issuerShownCharsMax)}.`,
        })
      const { issuer, jwksUrl, audiences } = transmitter
      const source = keys.keysOf({ id: issuer, jwksUrl })
      const set = await verifier.verify(token, { issuer, audiences, keys: source })
      return {
        iss,
        jti: set.jti,
        issuedAt: new Date(set.iat * 1000),
        events: readEvents(set),
        token: token.compact,
      }
    },
    [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
  }
}

const fetchWithoutRedirects: typeof globalThis.fetch = (input, init) =>
  globalThis.fetch(input, { ...init, redirect: 'error' })

const thisMachine = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether requests to the URL are protected on the way: an https or loopback URL. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text)
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && thisMachine.has(url.hostname))
}

function requireSound({ issuer, jwksUrl, audiences }: ReceivedFrom): void {
  if (issuer === '') throw new TypeError('The issuer of a transmitter is empty.')
  if (!isSafeUrl(jwksUrl))
    throw new TypeError(
      `The jwksUrl of ${issuer} must be an https URL: whoever changes its answer signs in its name.`,
    )
  if (audiences.length === 0)
    throw new TypeError(`The transmitter ${issuer} has no audience: tokens for somebody else would be taken.`)
}
