import { HubError } from '../base/hub-error.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'

/** What is kept of a SET beside its token may be so many times as long … */
const growthMax = 4
/** … and this much longer, in characters of JSON. */
const growthCharsFree = 16_384

/**
 * A subject in `sub_id` is kept with each event of the SET, and told with each in the System Log: a long one beside many
 * events would make a small SET a large one.
 * @param size - of the token, in bytes
 * @throws HubError `set.claim_invalid`
 */
export function requireModestGrowth(events: readonly SecurityEvent[], size: number): void {
  if (events.length < 2) return
  const charsMax = growthMax * size + growthCharsFree
  let chars = 0
  // Only what is repeated grows; the rest is part of the token.
  for (const { subject, type, claims } of events) {
    chars += type.length + JSON.stringify([subject, claims]).length
    if (chars > charsMax) break
  }
  if (chars <= charsMax) return
  throw new HubError('set.claim_invalid', {
    detail: `The ${events.length} events with their subject are more than ${growthMax} times as long as the token; send events about a long sub_id in SETs of their own.`,
  })
}
