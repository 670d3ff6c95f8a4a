import { HubError, isHubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import { readEvents } from '../events/read-events.ts'
import type { RefusalLimiter } from '../access/rate-limits.ts'
import type { KeyCache } from '../jwks/key-cache.ts'
import type { Provider } from '../providers/provider.ts'
import type { Providers } from '../providers/providers.ts'
import { parseToken } from '../set/parse-token.ts'
import type { SetVerifier } from '../set/set-verifier.ts'
import type { Acceptance } from '../signals/signal.ts'
import type { Inbox } from './inbox.ts'
import type { RefusalRecorder } from './refusals.ts'

export interface PushDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  readonly providers: Pick<Providers, 'activeByIssuer' | 'findByIssuer'>
  readonly keys: Pick<KeyCache, 'keysOf'>
  readonly verifier: SetVerifier
  readonly inbox: Inbox
  readonly refusals: RefusalRecorder
  /** Only refusals are limited: nobody can use up an honest transmitter's budget by sending garbage in its name. */
  readonly refusalLimiter: RefusalLimiter
  /** What `aud` may be: our origin, with and without a trailing slash (E41). */
  readonly audiences: readonly string[]
}

/** How much of a refused token's `iss` and `jti` is remembered. */
const claimKeptCharsMax = 256
const refusalWindowS = 60

/** A SET that is durable: stored now, or stored before. */
export type Receipt = Extract<Acceptance, 'stored' | 'repeated'>

/**
 * Takes one pushed SET from bytes to a durable signal (RFC 8935 §2).
 * @param source - the address it came from
 * @throws HubError `set.*` when the SET is refused (and that is remembered), `request.rate_limited` when too much was
 *   refused lately, `keys.unavailable`, `hub.overloaded`, `hub.unavailable` when the fault is not the sender's
 */
export async function push(deps: PushDeps, body: Uint8Array, source: string): Promise<Receipt> {
  let claimed: Readonly<{ iss?: string; jti?: string }> = {}
  try {
    const token = parseToken(body) // size, shape, header, claims
    claimed = token.claims
    const provider = deps.providers.activeByIssuer(token.claims.iss)
    const set = await deps.verifier.verify(token, trust(deps, provider)) // signature, aud, iat
    const events = readEvents(set) // CAEP, RISC, SSF, Okta, or kept as they came
    const acceptance = await deps.inbox.accept({
      provider,
      jti: set.jti,
      issuedAt: new Date(set.iat * 1000),
      receivedAt: deps.world.now(),
      events,
      token: token.compact,
      via: 'push',
      source,
    }) // durable when it resolves; a repeat is no error
    if (acceptance === 'provider_inactive') throw new HubError('set.provider_inactive')
    return acceptance
  } catch (error) {
    if (isHubError(error) && error.code.startsWith('set.')) {
      await refuse(deps, error, { ...error.facts, ...claimed }, source)
    }
    throw error
  }
}

function trust({ audiences, keys }: PushDeps, provider: Provider): Parameters<SetVerifier['verify']>[1] {
  return { issuer: provider.issuer, audiences, keys: keys.keysOf(provider) }
}

/** Remembers a refusal. @throws HubError `request.rate_limited` instead of the reason when the budget is spent */
async function refuse(
  deps: PushDeps,
  error: HubError,
  { iss, jti }: Readonly<{ iss?: string; jti?: string }>,
  source: string,
): Promise<void> {
  const providerId = iss === undefined ? undefined : deps.providers.findByIssuer(iss)?.id
  if (await deps.refusalLimiter.count(iss, source)) {
    await deps.refusals.count(providerId, 'request.rate_limited')
    throw new HubError('request.rate_limited', { retryAfterS: refusalWindowS })
  }
  await deps.refusals.record({
    id: deps.world.newId('rfs'),
    providerId,
    iss: iss?.slice(0, claimKeptCharsMax),
    jti: jti?.slice(0, claimKeptCharsMax),
    receivedAt: deps.world.now(),
    code: error.code,
    reason: error.detail,
    via: 'push',
    source,
  })
}
