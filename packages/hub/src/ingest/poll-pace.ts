/** What came of one poll, as far as it matters for when the next one is. */
export type PollOutcome =
  /** SETs that were taken and that the answer before did not hold; `more` when the next poll will not be in vain. */
  | { readonly kind: 'progress'; readonly more: boolean }
  /** No SETs. */
  | { readonly kind: 'nothing' }
  /** Only SETs of the answer before, though we said what became of them. */
  | { readonly kind: 'stalled' }
  /** Only SETs that were refused: whoever sends those need not be asked for more of them at once. */
  | { readonly kind: 'refused' }
  /** SETs that could not be taken for reasons that pass: they stay with the transmitter. */
  | { readonly kind: 'deferred'; readonly retryAfterS: number | undefined }
  /** No usable answer. `slow` is for what people have to mend. */
  | { readonly kind: 'failed'; readonly pace: 'soon' | 'slow'; readonly retryAfterS: number | undefined }

export interface PaceLimits {
  /** Between the beginnings of two polls that bring nothing, where the transmitter does not hold them open longer. */
  readonly pollIntervalMs: number
  /** The first pause is up to this long; doubles with each failure in a row up to the next one. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  /** No pause after a failure is shorter. */
  readonly backoffMinMs: number
  /** Between polls that people have to mend something for. */
  readonly slowMs: number
  /** A Retry-After is honoured up to this. */
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
  /** How many polls in a row, this one included, neither made progress nor found nothing. */
  readonly badInARow: number
  /** From 0 to 1: full jitter, so that streams which failed together do not come back together. */
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
