import type { ClockFloor } from '../base/clock-floor.ts'
import { ReceiverError, isReceiverError } from '../base/receiver-error.ts'
import { printable } from '../base/printable.ts'
import { inSentence } from '../base/sentence.ts'
import type { ReceiverWorld } from '../base/receiver-world.ts'
import type { ParsedToken } from './parse-token.ts'
import type { SetClaims } from './set-claims.ts'
import { signatureHolds } from './signature.ts'
import type { KeySource, VerificationKey } from './verification-key.ts'
import type { VerifiedSet } from './verified-set.ts'

/** The one issuer that a token may come from, and the audiences that it may name. */
export interface TrustedIssuer {
  readonly issuer: string
  /** Our audiences; `aud` must contain one of them (OKTA-E41). */
  readonly audiences: readonly string[]
  readonly keys: KeySource
  /** Checks the audience before the signature, too: for senders whose answer does not say which of the two is wrong. */
  readonly cheapFirst?: boolean
  /** Called once the signature is verified, whatever else is wrong with the token. */
  readonly onProven?: () => void
}

export interface SetVerifier {
  /**
   * Checks a SET against the one issuer that it may come from; the signature first, so that a forger learns
   * nothing else.
   *
   * @param token - parsed and within `setBytesMax`; nothing in it is trusted yet.
   * @param trusted - issuer and audiences, compared character for character, and its keys.
   * @returns the claims; `iat` is seconds since 1970, `toe` milliseconds.
   * @throws ReceiverError `set.unknown_issuer`, `set.unknown_key`, `set.key_refused`, `keys.unavailable`,
   *   `set.bad_signature`, `set.wrong_audience`, `set.claim_invalid`, `hub.clock_behind`
   * @see RFC 8417 §2.2 for the claims, RFC 8935 §2.4 for the error codes that the sender gets
   */
  verify(token: ParsedToken, trusted: TrustedIssuer): Promise<VerifiedSet>
}

/** How far ahead of our clock an `iat` may be (OKTA-E43). */
export const iatSkewMaxS = 300
const shownCharsMax = 256

/** @param floor - checks our clock before a SET is refused for being ahead of it; without it the clock counts as right */
export function createSetVerifier({ now }: Pick<ReceiverWorld, 'now'>, floor?: ClockFloor): SetVerifier {
  return {
    async verify(token, trusted) {
      requireIssuer(token.claims, trusted)
      if (trusted.cheapFirst === true) requireAudience(token.claims, trusted)
      await requireSignature(token, trusted.keys, now().getTime())
      trusted.onProven?.()
      requireAudience(token.claims, trusted)
      await requireIssuedByNow(token.claims, now(), floor)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only cast: all four checks passed
      return token.claims as VerifiedSet
    },
  }
}

function requireIssuer({ iss }: SetClaims, { issuer }: TrustedIssuer): void {
  if (iss === issuer) return
  throw new ReceiverError('set.unknown_issuer', {
    detail: `The token's iss is ${inSentence(iss, shownCharsMax)}; the provider's issuer is ${inSentence(issuer, shownCharsMax)}.`,
  })
}

async function requireSignature(token: ParsedToken, keys: KeySource, askedAt: number): Promise<void> {
  const { alg, kid } = token.header
  const { signedBytes, signature } = token
  const shownKid = printable(kid, shownCharsMax)
  const tried: VerificationKey[] = []
  let next: VerificationKey | undefined = await firstKey(keys, token, askedAt)
  while (next !== undefined && tried.length < keysTriedMax) {
    if (!next.algorithms.has(alg)) {
      throw new ReceiverError('set.key_refused', {
        detail: `The key may not be used with ${alg} (kid=${shownKid}).`,
      })
    }
    if (await signatureHolds({ alg, signedBytes, signature }, next.key)) return
    tried.push(next)
    next = await keys.successorOf?.(kid, alg, tried, askedAt)
  }
  throw new ReceiverError('set.bad_signature', {
    detail: `Could not verify message signature, Verification failed for kid=${shownKid}`, // OKTA-E23
  })
}

/** The issuer may have replaced an unfit key by a fit one under the same `kid`. */
async function firstKey(keys: KeySource, { header }: ParsedToken, askedAt: number): Promise<VerificationKey> {
  const { kid, alg } = header
  try {
    return await keys.get(kid, alg)
  } catch (error) {
    if (!isReceiverError(error, 'set.key_refused')) throw error
    const successor = await keys.successorOf?.(kid, alg, [], askedAt)
    if (successor === undefined) throw error
    return successor
  }
}

/** Maximum number of keys of one `kid` to check a signature with. */
const keysTriedMax = 4

function requireAudience({ aud }: SetClaims, { audiences }: TrustedIssuer): void {
  const meant = typeof aud === 'string' ? [aud] : aud
  if (meant.some((audience) => audiences.includes(audience))) return
  const named = inSentence(meant.join(','), shownCharsMax).replaceAll(',', ', ')
  throw new ReceiverError('set.wrong_audience', {
    detail: `The token's aud is ${named}; it must be or contain ${audiences.join(' or ')}.`,
  })
}

async function requireIssuedByNow(
  { iat }: SetClaims,
  now: Date,
  floor: ClockFloor | undefined,
): Promise<void> {
  const aheadS = iat - now.getTime() / 1000
  if (aheadS <= iatSkewMaxS) return
  const earliestMs = await floor?.at()
  if (earliestMs !== undefined && iat - earliestMs / 1000 <= iatSkewMaxS) {
    const behindS = Math.round((earliestMs - now.getTime()) / 1000)
    throw new ReceiverError('hub.clock_behind', {
      detail: `The clock of this hub is ${behindS} s behind where it has been: it was set back. Send the SET again later.`,
      retryAfterS: 60,
    })
  }
  throw new ReceiverError('set.claim_invalid', {
    detail: `The claim iat is ${Math.ceil(aheadS)} s in the future; we allow ${iatSkewMaxS} s, and it is in seconds.`,
  })
}
