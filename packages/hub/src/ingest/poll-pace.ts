/** The outcome of one poll, as far as it decides when the next poll is due. */
export type PollOutcome =
  /** SETs that were settled and not in the answer before; `more` when the transmitter has more of them. */
  | { readonly kind: 'progress'; readonly more: boolean }
  /** No SETs. */
  | { readonly kind: 'nothing' }
  /** Only SETs of the answer before, although their acknowledgement or error was sent. */
  | { readonly kind: 'stalled' }
  /** Only refused SETs: the transmitter need not be asked for more of them at once. */
  | { readonly kind: 'refused' }
  /** SETs that cannot be accepted for a passing reason: they stay with the transmitter. */
  | { readonly kind: 'deferred'; readonly retryAfterS: number | undefined }
  /** No usable answer. `slow` means that an operator has to act. */
  | { readonly kind: 'failed'; readonly pace: 'soon' | 'slow'; readonly retryAfterS: number | undefined }

export interface PaceLimits {
  /** Between the starts of two polls without SETs, unless the transmitter holds them open longer. */
  readonly pollIntervalMs: number
  /** Upper bound of the first pause after a failure; doubles with each failure in a row, up to the next limit. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  /** Lower bound of the pause after a failure. */
  readonly backoffMinMs: number
  /** Between polls while an operator has to act. */
  readonly slowMs: number
  /** Upper bound for a Retry-After. */
  readonly retryAfterMaxMs: number
}

export const defaultPaceLimits: PaceLimits = {
  pollIntervalMs: 5_000,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  backoffMinMs: 250,
  slowMs: 300_000,
  retryAfterMaxMs: 600_000,
}

export interface PollTaken {
  readonly elapsedMs: number
  /** How many polls in a row, this one included, had an outcome other than `progress` and `nothing`. */
  readonly badInARow: number
  /** From 0 to 1: full jitter, so that streams that failed together do not retry together. */
  readonly random: number
}

/** How long to wait before the next poll. */
export function pauseMs(
  limits: PaceLimits,
  outcome: PollOutcome,
  { elapsedMs, badInARow, random }: PollTaken,
): number {
  const { pollIntervalMs, backoffMs, backoffMaxMs, backoffMinMs, slowMs, retryAfterMaxMs } = limits
  if (outcome.kind === 'progress' && outcome.more) return 0
  if (outcome.kind === 'progress' || outcome.kind === 'nothing')
    return Math.max(0, pollIntervalMs - Math.max(0, elapsedMs))
  const retryAfterS = 'retryAfterS' in outcome ? (outcome.retryAfterS ?? 0) : 0
  const askedMs = Math.min(retryAfterS * 1_000, retryAfterMaxMs)
  if (outcome.kind === 'failed' && outcome.pace === 'slow') {
    return Math.max(askedMs, (slowMs * (1 + random)) / 2)
  }
  const ceilingMs = Math.min(backoffMaxMs, backoffMs * 2 ** Math.min(badInARow - 1, 30))
  return Math.max(backoffMinMs, askedMs, ceilingMs * random)
}
