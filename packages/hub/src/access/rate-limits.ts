import ipaddr from 'ipaddr.js'
import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { RateCounts, Used } from './rate-counts.ts'

/** Requests a minute for each caller of a class; 0 means no limit. */
export interface RateLimitSettings {
  readonly perToken: number
  readonly perClient: number
  /** For requests without valid credentials. */
  readonly perAddress: number
}

export const defaultRateLimits: RateLimitSettings = { perToken: 600, perClient: 600, perAddress: 600 }

/** The caller whose requests are counted together. */
export interface RateSubject {
  readonly kind: 'token' | 'client' | 'address'
  /** The token's id, the client id, or the address of the peer. */
  readonly id: string
}

/** The state of a caller's limit: the numbers of the X-Rate-Limit headers (OKTA-Q1). */
export interface RateState {
  readonly limit: number
  readonly remaining: number
  /** Seconds since 1970. */
  readonly resetAt: number
  /** Whether this request is beyond the limit: E0000047 (OKTA-Q2). */
  readonly exceeded: boolean
}

export interface RateLimits {
  /** Counts one request. @returns undefined when there is no limit for its class */
  count(subject: RateSubject): Promise<RateState | undefined>
}

/** @param name - separates these limits from others */
export function createRateLimits(
  counts: Pick<RateCounts, 'counter'>,
  name: string,
  settings: RateLimitSettings,
): RateLimits {
  const counters = {
    token: counts.counter(`${name} token`, settings.perToken),
    client: counts.counter(`${name} client`, settings.perClient),
    address: counts.counter(`${name} address`, settings.perAddress),
  }
  return {
    async count({ kind, id }) {
      const used = await counters[kind]?.(kind === 'address' ? networkOf(id) : id)
      if (used === undefined) return undefined
      return stateOf(used)
    },
  }
}

function stateOf({ limit, consumed, endsAt }: Used): RateState {
  return {
    limit,
    remaining: Math.max(0, limit - consumed),
    resetAt: Math.ceil(endsAt / 1_000),
    exceeded: consumed > limit,
  }
}

/**
 * The refusal of a request beyond the limit, with Retry-After, which Terraform's HTTP client uses. Its facts are the
 * numbers of the X-Rate-Limit headers, which Okta's SDKs use (OKTA-Q3).
 */
export function rateLimited(
  world: Pick<World, 'now'>,
  { limit, resetAt }: Pick<RateState, 'limit' | 'resetAt'>,
  detail?: string,
): HubError {
  const leftS = Math.ceil(resetAt - world.now().getTime() / 1_000)
  return new HubError('request.rate_limited', {
    ...(detail !== undefined && { detail }),
    retryAfterS: Math.max(1, leftS),
    facts: { limit: String(limit), resetAt: String(resetAt) },
  })
}

/** Refusals a minute at the push endpoint; 0 means no limit. */
export interface RefusalLimitSettings {
  readonly perIssuer: number
  readonly perAddress: number
}

export const defaultRefusalLimits: RefusalLimitSettings = { perIssuer: 600, perAddress: 600 }

export interface RefusalLimiter {
  /** Counts one refused SET. @returns the state of its sender or issuer that is over the limit; undefined while neither is */
  count(issuer: string | undefined, sourceAddress: string): Promise<RateState | undefined>
  /** The same for a verified SET: only its issuer can spend this budget. */
  countProven(providerId: string): Promise<RateState | undefined>
  /** The sender's state, without counting; undefined while it is not over its limit. */
  overLimit(sourceAddress: string): Promise<RateState | undefined>
}

export function createRefusalLimiter(
  counts: Pick<RateCounts, 'counter'>,
  settings: RefusalLimitSettings,
): RefusalLimiter {
  const byIssuer = counts.counter('refusals issuer', settings.perIssuer)
  const byAddress = counts.counter('refusals address', settings.perAddress)
  const byProvider = counts.counter('refusals provider', settings.perIssuer)
  const ifOver = (used: Used | undefined): RateState | undefined =>
    used !== undefined && used.consumed > used.limit ? stateOf(used) : undefined
  return {
    async count(issuer, sourceAddress) {
      // A sender over its own limit does not use its issuer's budget, and cannot add invented issuers to memory.
      const sender = ifOver(await byAddress?.(networkOf(sourceAddress)))
      if (sender !== undefined || issuer === undefined) return sender
      return ifOver(await byIssuer?.(issuer.slice(0, issuerCharsCounted)))
    },
    countProven: async (providerId) => ifOver(await byProvider?.(providerId)),
    overLimit: async (sourceAddress) => ifOver(await byAddress?.peek(networkOf(sourceAddress))),
  }
}

const issuerCharsCounted = 700

/** How many SETs that verify one provider may send a minute; 0 means no limit. */
export interface IntakeLimitSettings {
  readonly sets: number
  readonly bytes: number
}

/** Each provider's budget of SETs that verify: handling them costs the hub far more than accepting them. */
export interface IntakeLimiter {
  /** @returns the state of a provider whose budget is used up, without counting; undefined while it is not */
  usedUp(providerId: string): Promise<OverBudget | undefined>
  /** Counts one SET. @returns as above, when this one is beyond the budget */
  count(providerId: string, bytes: number): Promise<OverBudget | undefined>
  /** Counts further identifiers in one SET as SETs: each costs as much to handle. The SET itself is not refused for them. */
  countNames(providerId: string, further: number): Promise<void>
}

export interface OverBudget extends RateState {
  /** The part of the budget that is used up. */
  readonly of: 'SETs' | 'bytes of SETs'
}

export function createIntakeLimiter(
  counts: Pick<RateCounts, 'counter'>,
  settings: IntakeLimitSettings,
): IntakeLimiter {
  const sets = counts.counter('intake sets', settings.sets)
  const bytes = counts.counter('intake bytes', settings.bytes)
  const reached = (used: Used | undefined, of: OverBudget['of'], more: number): OverBudget | undefined =>
    used !== undefined && used.consumed + more > used.limit ? { ...stateOf(used), of } : undefined
  return {
    async usedUp(id) {
      return reached(await sets?.peek(id), 'SETs', 1) ?? reached(await bytes?.peek(id), 'bytes of SETs', 1)
    },
    async count(id, size) {
      return reached(await sets?.(id), 'SETs', 0) ?? reached(await bytes?.(id, size), 'bytes of SETs', 0)
    },
    async countNames(id, further) {
      if (further > 0) await sets?.(id, further)
    },
  }
}

/** The counted address: an IPv4 address, or the /64 network of an IPv6 subscriber. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
