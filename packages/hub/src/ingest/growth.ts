import { HubError } from '../base/hub-error.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'

/** The events of a SET may be stored at this multiple of the token's size … */
const growthMax = 4
/** … plus this many characters of JSON. */
const growthCharsFree = 16_384

/**
 * Each event of a SET is stored and logged with the subject of its `sub_id`, so a long subject with many events would
 * turn a small SET into a large one.
 * @param size - of the token, in bytes
 * @throws HubError `set.claim_invalid`
 */
export function requireModestGrowth(events: readonly SecurityEvent[], size: number): void {
  if (events.length < 2) return
  const charsMax = growthMax * size + growthCharsFree
  let chars = 0
  for (const { subject, type, claims } of events) {
    chars += type.length + JSON.stringify([subject, claims]).length
    if (chars > charsMax) break
  }
  if (chars <= charsMax) return
  throw new HubError('set.claim_invalid', {
    detail: `The ${events.length} events with their subject are more than ${growthMax} times as long as the token; send events about a long sub_id in SETs of their own.`,
  })
}
