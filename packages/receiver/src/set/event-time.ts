import type { JsonValue } from '../base/json.ts'

/** Times from this value on are milliseconds: as seconds it would be the year 5138 (OKTA-E72). */
const millisecondsFrom = 1e11
/** The last millisecond of the year 9999. */
const timeMax = 253_402_300_799_999

/**
 * A time as senders write it: seconds, milliseconds or seconds with a fraction (OKTA-E72).
 * @returns milliseconds since 1970, or undefined for anything but a time from 1970 to 9999
 */
export function readEventTime(value: JsonValue): number | undefined {
  if (typeof value !== 'number') return undefined
  const time = Math.round(value < millisecondsFrom ? value * 1000 : value)
  return time >= 0 && time <= timeMax ? time : undefined
}
