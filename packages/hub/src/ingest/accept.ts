import {
  rateLimited,
  type IntakeLimiter,
  type OverBudget,
  type RefusalLimiter,
  type RateState,
} from '../access/rate-limits.ts'
import { requireModestGrowth } from './growth.ts'
import { HubError, isHubError } from '../base/hub-error.ts'
import { type SecurityEvent, readEvents } from '@watchbell/receiver/events'
import {
  identifiersIn,
  dialectAdvice,
  type Dialect,
  parseToken,
  signedPartsOf,
  type SetVerifier,
  signatureHolds,
} from '@watchbell/receiver/set'
import type { Meter } from '../base/meter.ts'
import { inSentence } from '@watchbell/receiver/base'
import { nameInSentence } from '../base/name-in-sentence.ts'
import type { TracedWork, Tracer } from '../base/tracer.ts'
import type { World } from '../base/world.ts'
import type { KeyCache } from '@watchbell/receiver/jwks'
import type { Provider } from '../providers/provider.ts'
import type { Providers } from '../providers/providers.ts'
import type { Acceptance, Delivery } from '../signals/signal.ts'
import type { ProviderDialects } from '../streams/provider-dialects.ts'
import type { StreamGate } from '../streams/stream-gate.ts'
import type { Stream } from '../streams/stream.ts'
import type { Inbox } from './inbox.ts'
import type { RefusalRecorder } from './refusals.ts'

export interface AcceptDeps {
  readonly world: Pick<World, 'now' | 'newId'>
  readonly providers: Pick<Providers, 'activeByIssuer' | 'findByIssuer'>
  readonly keys: Pick<KeyCache, 'keysOf'>
  readonly verifier: SetVerifier
  readonly streams: StreamGate
  readonly dialects: Pick<ProviderDialects, 'of' | 'onOktasPath' | 'audiencesOf'>
  readonly inbox: Inbox
  readonly refusals: RefusalRecorder
  /** Limits refusals only: garbage sent in an honest transmitter's name must not use up that transmitter's budget. */
  readonly refusalLimiter: RefusalLimiter
  /** Limits the valid SETs of each provider. */
  readonly intakeLimiter: IntakeLimiter
  /** The accepted `aud` where there is no stream: our origin, with and without a trailing slash (OKTA-E41). */
  readonly audiences: readonly string[]
  readonly meter: Pick<Meter, 'setAccepted' | 'setRefused'>
  readonly tracer: Tracer
}

/** How a SET reached the hub. */
export interface Entrance {
  readonly via: Delivery
  /** The address that sent it; undefined for a polled SET, whose refusals are not limited. */
  readonly source: string | undefined
  /** The stream that it came over, which takes SETs of its own provider only. Okta's path has no stream and takes every provider's. */
  readonly stream?: Stream
  /** The key of the SET in a poll answer; it must be the `jti` (SSF-C7). */
  readonly named?: string
  /** The SET was the `payload` of a JSON body, as Apple sends it. */
  readonly enveloped?: boolean
}

/** How many characters of a refused token's `iss` and `jti` are kept. */
const claimKeptCharsMax = 256

/** A durable SET: stored now, or stored before. */
export type Receipt = Extract<Acceptance, 'stored' | 'repeated'>

/**
 * Verifies one SET and stores it as a durable signal (RFC 8935 §2, RFC 8936 §2.4).
 * @throws HubError `set.*` when the SET is refused (the refusal is stored); `request.rate_limited` when too many were
 *   refused lately or the provider is over its budget; `keys.unavailable`, `hub.overloaded`, `hub.unavailable` when the
 *   fault is not the sender's
 */
export function accept(deps: AcceptDeps, body: Uint8Array | string, entrance: Entrance): Promise<Receipt> {
  return deps.tracer.span('set.accept', (span) => acceptToken(deps, body, entrance, span))
}

async function acceptToken(
  deps: AcceptDeps,
  body: Uint8Array | string,
  entrance: Entrance,
  span: TracedWork,
): Promise<Receipt> {
  const { tracer } = deps
  let claimed: Readonly<{ iss?: string; jti?: string }> = {}
  // A stream proves its provider: pushes carry its Authorization value, and polls are ours.
  let proven = entrance.stream !== undefined
  /** Whether the signature was checked already. */
  let signatureChecked = false
  try {
    const over =
      proven || entrance.source === undefined
        ? undefined
        : await deps.refusalLimiter.overLimit(entrance.source)
    const token = tracer.span('set.parse', () => parseToken(body, (iss) => dialectsOf(deps, iss, entrance)))
    claimed = token.claims
    requireEnvelope(deps, token.claims.iss, entrance)
    if (entrance.named !== undefined) requireName(entrance.named, token.claims.jti)
    const provider = senderOf(deps, token.claims.iss, entrance)
    const stream = deps.streams.ofProvider(provider)
    span.note({ 'watchbell.provider': provider.id, 'watchbell.via': entrance.via })
    const trusted = {
      ...trust(deps, provider, stream),
      cheapFirst: over !== undefined,
      onProven: () => void (proven = true),
    }
    await requireBudget(deps, provider, entrance, await deps.intakeLimiter.usedUp(provider.id))
    signatureChecked = true
    const set = await tracer.span('set.verify', () => deps.verifier.verify(token, trusted))
    const size = token.compact.length
    await requireBudget(deps, provider, entrance, await deps.intakeLimiter.count(provider.id, size))
    const events = readEvents(set)
    requireModestGrowth(events, size)
    await deps.intakeLimiter.countNames(provider.id, namesIn(events) - 1)
    if (stream !== undefined) await deps.streams.admit(stream, { provider, jti: set.jti, events })
    const accepted = {
      provider,
      jti: set.jti,
      issuedAt: new Date(set.iat * 1000),
      receivedAt: deps.world.now(),
      events,
      token: token.compact,
      via: entrance.via,
      source: entrance.source,
    }
    const acceptance = await tracer.span('set.append', () => deps.inbox.append(accepted))
    if (acceptance === 'provider_inactive') throw new HubError('set.provider_inactive')
    deps.meter.setAccepted(provider.id, entrance.via, acceptance)
    span.note({ 'watchbell.outcome': acceptance })
    if (stream !== undefined)
      await deps.streams.accepted(stream, { provider, jti: set.jti, events }, acceptance)
    return acceptance
  } catch (error) {
    if (isHubError(error) && error.code.startsWith('set.')) {
      const origin = { ...error.facts, ...claimed }
      const isProven: IsProven = (checks) =>
        proven || (checks && !signatureChecked && isSigned(deps, body, origin.iss))
      await refuseSet(deps, error, origin, entrance, isProven)
    }
    throw error
  }
}

/** The dialects of a provider: over its stream those switched on for it, on Okta's path also those that Okta accepts. */
function dialectsOf(
  { providers, dialects }: AcceptDeps,
  iss: string,
  { stream }: Entrance,
): ReadonlySet<Dialect> | undefined {
  const id = providers.findByIssuer(iss)?.id
  if (id === undefined) return undefined
  return stream === undefined ? dialects.onOktasPath(id) : dialects.of(id)
}

/** @throws HubError `set.malformed` when the provider may not wrap its SETs in JSON */
function requireEnvelope(deps: AcceptDeps, iss: string, entrance: Entrance): void {
  if (entrance.enveloped !== true || dialectsOf(deps, iss, entrance)?.has('apple') === true) return
  throw new HubError('set.malformed', {
    detail: `The body is JSON with a token inside; it must be the token itself. ${dialectAdvice('apple')}`,
  })
}

/** The active provider with this issuer, when it may send over this entrance (SSF 1.0 §4.1.6). */
function senderOf({ providers }: AcceptDeps, iss: string, { stream }: Entrance): Provider {
  const provider = providers.activeByIssuer(iss)
  if (stream === undefined) return provider
  if (stream.providerId === provider.id && stream.issuer === provider.issuer) return provider
  throw new HubError('set.unknown_issuer', {
    detail: `This stream is for the SETs of its own transmitter; the token's iss is ${inSentence(iss, claimKeptCharsMax)}.`,
  })
}

/** @throws HubError `set.claim_invalid` */
function requireName(named: string, jti: string): void {
  if (named === jti) return
  const [called, own] = [named, jti].map((text) => inSentence(text, claimKeptCharsMax))
  throw new HubError('set.claim_invalid', {
    detail: `The poll answer calls this token ${called}, and its jti is ${own}; they must be the same (RFC 8936 §2.3).`,
  })
}

/**
 * A SET beyond the budget stays with its sender: a push is answered 429, a poll is repeated later.
 * @throws HubError `request.rate_limited`
 */
async function requireBudget(
  { world, meter, refusals }: AcceptDeps,
  { id, name }: Provider,
  { via }: Entrance,
  over: OverBudget | undefined,
): Promise<void> {
  if (over === undefined) return
  meter.setRefused(via, 'request.rate_limited')
  await refusals.count(id, 'request.rate_limited')
  const detail = `The provider ${nameInSentence(name)} has used up its budget of ${over.limit} ${over.of} a minute.`
  throw rateLimited(world, over, detail)
}

/** A SET of a provider with a stream must have the stream's `aud`, over every entrance (SSF 1.0 §4.1.6, §8.1.1.1.1). */
function trust(
  { audiences, dialects, keys }: AcceptDeps,
  provider: Provider,
  stream: Stream | undefined,
): Parameters<SetVerifier['verify']>[1] {
  return {
    issuer: provider.issuer,
    audiences: stream?.remote?.aud ?? dialects.audiencesOf(provider.id) ?? audiences,
    keys: keys.keysOf(provider),
  }
}

/**
 * Whether the provider itself sent the refused SET.
 * @param checks - whether to check the signature, the most expensive step; false uses only what is known already
 */
type IsProven = (checks: boolean) => boolean | Promise<boolean>

/** Whether a token with wrong claims is signed by the provider that it names. */
async function isSigned(
  { providers, keys }: Pick<AcceptDeps, 'providers' | 'keys'>,
  body: Uint8Array | string,
  iss: string | undefined,
): Promise<boolean> {
  const provider = iss === undefined ? undefined : providers.findByIssuer(iss)
  if (provider === undefined) return false
  const signed = signedPartsOf(body)
  if (signed === undefined) return false
  try {
    // A refused SET must not use up the fetches for new keys.
    const known = await keys.keysOf(provider).getKnown?.(signed.kid, signed.alg)
    return known?.algorithms.has(signed.alg) === true && (await signatureHolds(signed, known.key))
  } catch (error) {
    if (isHubError(error)) return false // no such key, or no keys available now
    throw error
  }
}

/** How many identifiers the subjects of the events have together. */
function namesIn(events: readonly SecurityEvent[]): number {
  return events.reduce(
    (names, { subject }) => names + (subject === undefined ? 1 : identifiersIn(subject)),
    0,
  )
}

/** The address is charged as well: unproven refusals from there reach their limit sooner. */
async function provenRefusal(
  refusalLimiter: RefusalLimiter,
  providerId: string,
  source: string,
): Promise<RateState | undefined> {
  await refusalLimiter.count(undefined, source)
  return refusalLimiter.countProven(providerId)
}

/**
 * Stores a refusal. Proven and unproven refusals have separate rings and budgets: a forger can neither push out a
 * provider's own refusals nor use up its budget.
 * @throws HubError `request.rate_limited` instead of the reason when the budget is used up
 */
export async function refuseSet(
  deps: Pick<AcceptDeps, 'world' | 'providers' | 'refusals' | 'refusalLimiter' | 'meter'>,
  error: HubError,
  { iss, jti }: Readonly<{ iss?: string; jti?: string }>,
  { via, source, stream }: Entrance,
  isProven: IsProven,
): Promise<void> {
  const providerId =
    stream?.providerId ?? (iss === undefined ? undefined : deps.providers.findByIssuer(iss)?.id)
  const { refusalLimiter } = deps
  const over = source === undefined ? undefined : await refusalLimiter.overLimit(source)
  const proven = providerId !== undefined && (await isProven(over === undefined))
  const spent =
    source === undefined
      ? undefined
      : proven
        ? await provenRefusal(refusalLimiter, providerId, source)
        : await refusalLimiter.count(iss, source)
  if (spent !== undefined) {
    deps.meter.setRefused(via, 'request.rate_limited')
    await deps.refusals.count(providerId, 'request.rate_limited')
    throw rateLimited(deps.world, spent)
  }
  deps.meter.setRefused(via, error.code)
  await deps.refusals.record({
    id: deps.world.newId('rfs'),
    providerId,
    proven,
    iss: iss?.slice(0, claimKeptCharsMax),
    jti: jti?.slice(0, claimKeptCharsMax),
    receivedAt: deps.world.now(),
    code: error.code,
    reason: error.detail,
    via,
    source,
  })
}
